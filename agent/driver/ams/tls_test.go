package ams

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/agent/driver/ams/amstest"
)

func TestCheck(t *testing.T) {
	r := newRig(t, nil)
	require.NoError(t, r.Check(r.context()))
	r.ams.Distrust(r.own)
	err := r.Check(r.context())
	require.ErrorContains(t, err, "amc auth identity create tls/a1 "+r.own.Cert)
	require.ErrorContains(t, err, fingerprint(r.own.DER))
	_, err = r.Launch(r.context(), r.spec("s1"))
	require.ErrorContains(t, err, "not authorized")
	require.Empty(t, r.ams.Launches())
}

// Another server's certificate, though as good as the recorded one, and one out of its time, are refused before a word is
// said. So is an own certificate that AMS could not take.
func TestCertificates(t *testing.T) {
	r := newRig(t, nil)
	yesterday := time.Now().Add(-24 * time.Hour)
	t.Run("not the recorded one", func(t *testing.T) {
		config := r.config
		config.ServerCertificate = amstest.NewCertificate(t, "ams", time.Now().Add(time.Hour)).Cert
		d, err := New(t.Context(), config)
		require.NoError(t, err)
		err = d.Check(r.context())
		require.ErrorIs(t, err, ErrCertificate)
		require.ErrorContains(t, err, "somebody is in between")
		_, err = d.Launch(r.context(), r.spec("s1"))
		require.ErrorIs(t, err, ErrCertificate)
		require.NoError(t, d.Close(r.context()))
	})
	t.Run("the server's has expired", func(t *testing.T) {
		old := amstest.NewCertificate(t, "ams", yesterday)
		server := amstest.StartAs(t, old, nil, r.own)
		config := r.config
		config.URL, config.ServerCertificate = server.URL, old.Cert
		d, err := New(t.Context(), config)
		require.NoError(t, err)
		err = d.Check(r.context())
		require.ErrorIs(t, err, ErrCertificate)
		require.ErrorContains(t, err, "expired at")
	})
	t.Run("the agent's has expired", func(t *testing.T) {
		old := amstest.NewCertificate(t, "agent", yesterday)
		config := r.config
		config.Certificate, config.Key = old.Cert, old.Key
		_, err := New(t.Context(), config)
		require.ErrorIs(t, err, ErrCertificate)
		require.ErrorContains(t, err, "make a new one")
	})
	t.Run("the agent's is replaced while it runs", func(t *testing.T) {
		folder := t.TempDir()
		config := r.config
		config.Certificate, config.Key = filepath.Join(folder, "a.crt"), filepath.Join(folder, "a.key")
		put := func(c amstest.Certificate) {
			for from, to := range map[string]string{c.Cert: config.Certificate, c.Key: config.Key} {
				text, err := os.ReadFile(from)
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(to, text, 0o600))
			}
		}
		put(r.own)
		d, err := New(t.Context(), config)
		require.NoError(t, err)
		require.NoError(t, d.Check(r.context()))
		next := amstest.NewCertificate(t, "agent", time.Now().Add(time.Hour))
		put(next)
		r.ams.Trust(next)
		r.ams.Distrust(r.own)
		d.client.http.CloseIdleConnections()
		require.NoError(t, d.Check(r.context()))
		require.NoError(t, d.Close(r.context()))
	})
}

func TestConfig(t *testing.T) {
	r := newRig(t, nil)
	for name, row := range map[string]struct {
		change func(*Config)
		says   string
	}{
		"no address":      {func(c *Config) { c.URL = "" }, "https://HOST:8444"},
		"no https":        {func(c *Config) { c.URL = "http://127.0.0.1:8444" }, "https://HOST:8444"},
		"a path":          {func(c *Config) { c.URL += "/1.0" }, "https://HOST:8444"},
		"a password":      {func(c *Config) { c.URL = "https://me:hunter2@127.0.0.1" }, "xxxxx"},
		"unreadable":      {func(c *Config) { c.URL = "https://me:hunter2@[" }, "cannot be read"},
		"no file":         {func(c *Config) { c.Certificate = "/nowhere" }, "/nowhere"},
		"key of another":  {func(c *Config) { c.Key = r.ams.Certificate.Key }, "agent's own certificate"},
		"no server's":     {func(c *Config) { c.ServerCertificate = "/nowhere" }, "/nowhere"},
		"a key as server": {func(c *Config) { c.ServerCertificate = r.ams.Certificate.Key }, "in PEM and nothing else"},
	} {
		config := r.config
		row.change(&config)
		_, err := New(t.Context(), config)
		require.ErrorContains(t, err, row.says, name)
		require.NotContains(t, err.Error(), "hunter2", name)
	}
}
