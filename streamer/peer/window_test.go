package peer

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// A client that has filled the receive window hears that it is open again, without asking.
func TestAnOpenWindowIsTold(t *testing.T) {
	t.Parallel()
	require.NoError(t, checkWindow())
	read := make(chan struct{})
	p, r := newPeer(t, func(cfg *Config) {
		cfg.Settings.DataChannels = []string{"bulk"}
		cfg.Handlers.Message = func(string, []byte, bool) { <-read }
	})
	c := newClient(t, clientOptions{})
	bulk := c.channel(t, "bulk")
	connect(t, p, r, c)
	until(t, c.missing("bulk opened"))
	const messages, size = 100, 32 << 10
	for range maxPendingMessages + messages {
		require.NoError(t, bulk.Send(make([]byte, size)))
	}
	client, err := associationOf(c.pc.SCTP())
	require.NoError(t, err)
	until(t, func() string {
		if waiting, window := bulk.BufferedAmount(), client.RWND(); waiting > 0 || window > receiveWindow-(messages-2)*size {
			return fmt.Sprintf("%d bytes at the client, which thinks that it may send %d", waiting, window)
		}
		return ""
	})
	close(read)
	until(t, func() string {
		p.tellWindow()
		if window := client.RWND(); window != receiveWindow {
			return "an open window at the client, which has " + strconv.Itoa(int(window))
		}
		return ""
	})
}
