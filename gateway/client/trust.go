package client

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"streamstack/gateway/certificate"
)

// handshakeTime bounds the handshake, whatever the call's own time.
const handshakeTime = 10 * time.Second

// Trust makes the client take the certificate in a file, and no other, for the gateway's. It is called before the first call.
func (c *Client) Trust(file string) error {
	u, err := url.Parse(c.api.base)
	if err != nil {
		return fmt.Errorf("the gateway's address: %w", err)
	}
	config, err := certificate.Trust(file, u.Hostname())
	if err != nil {
		return err
	}
	c.api.http.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, TLSHandshakeTimeout: handshakeTime}
	return nil
}
