package process

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
)

// newCookie makes a key for MIT-MAGIC-COOKIE-1: 16 random bytes.
func newCookie() []byte {
	cookie := make([]byte, 16)
	_, _ = rand.Read(cookie) // never fails (crypto/rand)
	return cookie
}

// writeAuthority writes an X authority file (Xauth.h of libXau) with one entry for every host and display, since the
// display's number is known only when the server that reads the file has started.
func writeAuthority(path string, cookie []byte) error {
	const familyWild = 0xffff
	var b bytes.Buffer
	put := func(field []byte) {
		b.Write(binary.BigEndian.AppendUint16(nil, uint16(len(field))))
		b.Write(field)
	}
	b.Write(binary.BigEndian.AppendUint16(nil, familyWild))
	put(nil) // address
	put(nil) // display number
	put([]byte("MIT-MAGIC-COOKIE-1"))
	put(cookie)
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		return fmt.Errorf("process: X authority: %w", err)
	}
	return nil
}
