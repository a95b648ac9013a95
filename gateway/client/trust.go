package client

import (
	"fmt"
	"net/http"
	"net/url"

	"streamstack/gateway/certificate"
)

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
	t := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // it is one, by net/http's documentation
	t.TLSClientConfig = config
	c.api.http.Transport = t
	return nil
}
