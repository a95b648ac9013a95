package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"streamstack/agent/driver"
)

// newClient makes a client; it connects to nothing yet, and agrees on the API's version with the first request.
func newClient(c Config) (*client.Client, error) {
	// A transport of its own: the default one would take proxies from the environment.
	options := []client.Opt{client.WithHTTPClient(&http.Client{Transport: &http.Transport{}}), client.WithHost(c.Engine), client.WithScheme("http")}
	if c.TLSCA != "" {
		options = append(options, client.WithTLSClientConfig(c.TLSCA, c.TLSCert, c.TLSKey), client.WithScheme("https"))
	}
	api, err := client.New(options...)
	if err != nil {
		return nil, fmt.Errorf("docker: engine %s: %w", c.Engine, err)
	}
	return api, nil
}

// Check asks the engine whether it can run containers; see [driver.Driver]. That the image is missing is no error: it is
// fetched meanwhile.
func (d *Driver) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.config.times.request)
	defer cancel()
	ping, err := d.api.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true})
	if err != nil {
		return d.kind(fmt.Errorf("docker: %w", err))
	}
	if ping.OSType != "" && ping.OSType != "linux" {
		return fmt.Errorf("docker: the engine at %s runs containers of %s; instances need linux", d.config.Engine, ping.OSType)
	}
	return nil
}

// Machine is what the engine says of its machine.
type Machine struct {
	CPUs   int
	Memory int64 // bytes
}

// Machine asks the engine about its machine.
func (d *Driver) Machine(ctx context.Context) (Machine, error) {
	ctx, cancel := context.WithTimeout(ctx, d.config.times.request)
	defer cancel()
	info, err := d.api.Info(ctx, client.InfoOptions{})
	if err != nil {
		return Machine{}, d.kind(fmt.Errorf("docker: %w", err))
	}
	return Machine{CPUs: info.Info.NCPU, Memory: info.Info.MemTotal}, nil
}

// Local tells whether the engine is on this machine.
func (d *Driver) Local() bool { return strings.HasPrefix(d.config.Engine, "unix:") }

// away tells whether an error means that the engine did not answer.
func away(err error) bool {
	var network net.Error
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return false
	case client.IsErrConnectionFailed(err), errdefs.IsUnavailable(err), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ENOENT):
		return true
	}
	return errors.As(err, &network)
}

// fullSigns are what engines and runtimes say, in words alone, of a machine that has no more of something.
var fullSigns = []string{"no space left on device", "cannot allocate memory", "resource temporarily unavailable", "too many open files", "disk quota exceeded"}

// kind gives errors their kind that say that the engine is away, or its machine full.
func (d *Driver) kind(err error) error {
	for _, known := range []error{driver.ErrRefused, driver.ErrMissing, driver.ErrFull, driver.ErrAway} {
		if errors.Is(err, known) {
			return err
		}
	}
	if away(err) {
		return driver.Because(driver.ErrAway, "the container engine at %s does not answer: %w; is it running, and may this user talk to it?", d.config.Engine, err)
	}
	if err != nil {
		text := strings.ToLower(err.Error())
		for _, sign := range fullSigns {
			if strings.Contains(text, sign) {
				return driver.Because(driver.ErrFull, "the engine's machine is full: %w", err)
			}
		}
	}
	return err
}
