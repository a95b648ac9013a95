package eventstest

import (
	"math/rand/v2"
	"net/netip"
)

// Loopback gives an address of 127.0.0.0/8 that nothing else listens on. A server that is ended and started again has to have its own: on
// 127.0.0.1 the port may meanwhile be given to whoever listens on port 0, and tests of other packages do that all the time.
func Loopback() string {
	octet := func() byte { return byte(1 + rand.IntN(254)) } // two that draw the same must draw the same port as well
	return netip.AddrFrom4([4]byte{127, octet(), octet(), octet()}).String()
}
