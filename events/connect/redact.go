package connect

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Redact makes an address, or several with commas between, fit for a log: user and password are left out.
func Redact(addresses string) string {
	parts := strings.Split(addresses, ",")
	for i, p := range parts {
		// Not url.Parse: what it refuses may hold a password all the same.
		scheme, rest, found := strings.Cut(p, "://")
		if !found {
			scheme, rest = "", p
		} else {
			scheme += "://"
		}
		if at := strings.LastIndex(rest, "@"); at >= 0 {
			rest = rest[at+1:]
		}
		parts[i] = strings.TrimSpace(scheme) + rest
	}
	return strings.Join(parts, ",")
}

// checkURL refuses what the library would refuse too, but quoting the password in its message.
func checkURL(addresses string) error {
	for p := range strings.SplitSeq(addresses, ",") {
		p = strings.TrimSpace(p)
		if !strings.Contains(p, "://") {
			p = "nats://" + p
		}
		u, err := url.Parse(p)
		var malformed *url.Error
		if errors.As(err, &malformed) {
			err = errors.New("malformed") // the cause quotes a part of the address
		}
		if err == nil && u.Hostname() == "" {
			err = errors.New("no host")
		}
		if err != nil {
			return fmt.Errorf("connect: NATS address %q is none (%w): write nats://HOST:PORT", Redact(addresses), err)
		}
	}
	return nil
}
