package command

import (
	"context"
	"crypto/tls"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"

	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/events/eventstest"
	"streamstack/gateway/certificate"
	"streamstack/gateway/client"
)

// serving is a service with TLS that has an agent's worth of applications, and a client that trusts it.
func serving(t *testing.T, change func(*Options)) (*Service, Options, *client.Client, string) {
	t.Helper()
	o := options(t, eventstest.Log(t))
	change(&o)
	s, err := Open(t.Context(), o)
	require.NoError(t, err)
	runs(t, s)
	account, err := client.NewAdmin(filepath.Join(o.Data, AdminSocket)).Create(t.Context(), "kim", time.Hour, false)
	require.NoError(t, err)
	c, err := client.New(s.URL(), account.Token)
	require.NoError(t, err)
	return s, o, c, account.Token
}

// agent makes the log have one, which never claims anything.
func agent(t *testing.T, log *events.Log) {
	t.Helper()
	_, err := log.Append(t.Context(), events.NewAgentDraft("local", "a1", events.AgentOnline, events.OnlineData{Slots: 100, Driver: "none",
		Applications: []events.ApplicationData{{Name: "testcard", Versions: []int{1}, Screen: events.Screen{Width: 1280, Height: 720, FPS: 60}}}}))
	require.NoError(t, err)
	_, err = log.JetStream().Publish(t.Context(), "$KV."+events.HeartbeatBucket+"."+events.HeartbeatKey("local", "a1"), []byte(time.Now().UTC().Format(time.RFC3339Nano)))
	require.NoError(t, err)
}

// create starts a session, as soon as the gateway knows the agent.
func create(t *testing.T, c *client.Client) (g client.Grant) {
	t.Helper()
	eventstest.Wait(t, 20*time.Second, func() string {
		var err error
		if g, err = c.Create(t.Context(), client.CreateRequest{App: "testcard", Joinable: true}); err != nil {
			return "a session: " + err.Error()
		}
		return ""
	})
	return g
}

// REST, websocket and the commands over TLS 1.3, by a certificate that nobody signed but the gateway itself.
func TestTLSAuto(t *testing.T) {
	t.Parallel()
	s, o, c, token := serving(t, func(o *Options) { o.TLS = TLSAuto })
	require.True(t, strings.HasPrefix(s.URL(), "https://127.0.0.1:"), s.URL())
	_, err := c.Applications(t.Context())
	require.ErrorContains(t, err, "certificate", "nobody is trusted unasked")
	file, sum := s.Certificate()
	require.Len(t, sum, 95)
	require.NoError(t, c.Trust(file))
	agent(t, o.Log)
	g := create(t, c)
	require.True(t, strings.HasPrefix(g.URL, "wss://127.0.0.1:"), g.URL)
	require.Contains(t, g.STUN[1].URLs, "turns:"+strings.TrimPrefix(s.TURN(), "turn:")+"?transport=tcp")

	config, err := certificate.Trust(file, "127.0.0.1")
	require.NoError(t, err)
	over := func(config *tls.Config) *http.Client {
		transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
		return &http.Client{Transport: transport}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, res, err := websocket.Dial(ctx, g.URL, &websocket.DialOptions{HTTPClient: over(config)})
	require.NoError(t, err)
	if res.Body != nil {
		_ = res.Body.Close() // it is the connection's
	}
	require.NoError(t, conn.Write(ctx, websocket.MessageText, []byte(`{"type":"discover"}`)))
	eventstest.Wait(t, 20*time.Second, func() string {
		missing := "attached in the log"
		err := o.Log.History(ctx, "local", g.ID, 0, func(e events.Event) error {
			if e.Name == events.Attached {
				missing = ""
			}
			return nil
		})
		if err != nil {
			return err.Error()
		}
		return missing
	})
	require.NoError(t, conn.Close(websocket.StatusNormalClosure, ""))

	old := config.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL()+"/1.0/status", http.NoBody)
	require.NoError(t, err)
	refused, err := over(old).Do(req)
	if err == nil {
		_ = refused.Body.Close()
	}
	require.ErrorContains(t, err, "protocol version")
	req.URL.Scheme = "http"
	res, err = over(nil).Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusBadRequest, res.StatusCode, "no plain HTTP where TLS is")

	// The commands find the certificate where the stack wrote it.
	require.NoError(t, connect.Endpoints{Gateway: s.URL(), Token: token, Certificate: file}.Write(o.Data))
	out := &strings.Builder{}
	root := &cli.Command{Name: "streamstack", Writer: out, Commands: []*cli.Command{client.SessionCommand()}}
	require.NoError(t, root.Run(ctx, []string{"streamstack", "session", "ls", "--data", o.Data}))
	require.Contains(t, out.String(), string(g.ID))
	require.NoError(t, root.Run(ctx, []string{"streamstack", "session", "ls", "--gateway", s.URL(), "--token", token, "--certificate", file}))
	require.Error(t, root.Run(ctx, []string{"streamstack", "session", "ls", "--gateway", s.URL(), "--token", token}))
}

// The certificate of the files in use changes under traffic, and nothing fails.
func TestTLSFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put := func() {
		from := t.TempDir()
		_, err := certificate.SelfSigned(from, []string{"stream.example.net"}, time.Now, options(t, nil).Logger)
		require.NoError(t, err)
		for _, name := range []string{certificate.KeyFile, certificate.CertFile} {
			require.NoError(t, os.Rename(filepath.Join(from, name), filepath.Join(dir, name)))
		}
	}
	put()
	s, _, c, token := serving(t, func(o *Options) {
		o.TLS = filepath.Join(dir, certificate.CertFile) + "," + filepath.Join(dir, certificate.KeyFile)
	})
	file, before := s.Certificate()
	require.NoError(t, c.Trust(file))
	for range 5 {
		_, err := c.Applications(t.Context()) // on a connection that stays open
		require.NoError(t, err)
		put()
		fresh, err := client.New(s.URL(), token)
		require.NoError(t, err)
		require.NoError(t, fresh.Trust(file))
		_, err = fresh.Applications(t.Context())
		require.NoError(t, err)
		_, after := s.Certificate()
		require.NotEqual(t, before, after)
		before = after
	}
}

func TestTLSFlag(t *testing.T) {
	for _, good := range []string{"", "off", "auto", "a.pem,b.pem"} {
		require.NoError(t, parseTLS(good), good)
	}
	for _, bad := range []string{"on", "a.pem", "a.pem,", ",b.pem"} {
		require.ErrorContains(t, parseTLS(bad), "CERT,KEY", bad)
	}
	o := options(t, eventstest.Log(t))
	o.TLS = "/none.crt,/none.key"
	_, err := Open(t.Context(), o)
	require.ErrorContains(t, err, "/none.crt")
	require.ErrorContains(t, err, "--tls")
}
