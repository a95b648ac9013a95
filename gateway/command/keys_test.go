package command

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/logging"
	pion "github.com/pion/turn/v2"
	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/gateway/client"
	"streamstack/gateway/limit"
	"streamstack/gateway/webhook"
)

func rotate(t *testing.T, data, name string) {
	t.Helper()
	said := &strings.Builder{}
	root := &cli.Command{Name: "streamstack", ErrWriter: said, Commands: []*cli.Command{KeysCommand()}}
	require.NoError(t, root.Run(t.Context(), []string{"streamstack", "keys", "rotate", name, "--data", data}))
	require.Contains(t, said.String(), name+": a new key is in use")
}

// traffic asks all the time and remembers what failed, until it is stopped.
type traffic struct {
	mu     sync.Mutex
	asked  int
	failed []error
}

func under(t *testing.T, ask func(context.Context) error) *traffic {
	t.Helper()
	x := &traffic{}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			err := ask(ctx)
			x.mu.Lock()
			x.asked++
			if err != nil && ctx.Err() == nil {
				x.failed = append(x.failed, err)
			}
			x.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	return x
}

// more waits until the traffic has gone on for some requests, and returns what failed since the last time.
func (x *traffic) more(t *testing.T) []error {
	t.Helper()
	x.mu.Lock()
	until := x.asked + 20
	x.mu.Unlock()
	var failed []error
	eventstest.Wait(t, 30*time.Second, func() string {
		x.mu.Lock()
		defer x.mu.Unlock()
		if x.asked < until {
			return "traffic"
		}
		failed, x.failed = x.failed, nil
		return ""
	})
	return failed
}

// Each of a gateway's own keys is rotated while it is used: nothing is lost, two are good at a time, and what is two keys old
// is not. Nothing is restarted; a second gateway on the same files needs no word of it.
func TestKeysRotateUnderTraffic(t *testing.T) {
	t.Parallel()
	s, o, c, token := serving(t, func(o *Options) {
		o.Limits = new(limit.Default())
		o.Limits.DeniedPerMinute = 0 // what has the oldest keys is refused all the time
	})
	agent(t, o.Log)
	old := create(t, c)
	admin := client.NewAdmin(filepath.Join(o.Data, AdminSocket))

	var received sync.Map // webhook-id → signature headers
	var mu sync.Mutex
	var secret webhook.Secret
	wrong := 0
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // what is cut off does not verify
		mu.Lock()
		if webhook.Verify(secret, r.Header, body, time.Now()) != nil {
			wrong++
		}
		mu.Unlock()
		var e struct {
			ID string `json:"id"`
		}
		_ = json.Unmarshal(body, &e)
		received.Store(e.ID, true)
	}))
	t.Cleanup(hook.Close)
	w, err := admin.AddWebhook(t.Context(), client.WebhookRequest{URL: hook.URL})
	require.NoError(t, err)
	secret, err = webhook.ParseSecret(w.Secret)
	require.NoError(t, err)
	first := secret

	rest := under(t, func(ctx context.Context) error {
		_, err := c.Join(ctx, old.ID, nil) // makes a socket token and TURN credentials, and an event for the webhook
		return err
	})
	require.Empty(t, rest.more(t))

	for round := range 2 {
		for name := range secretFiles {
			rotate(t, o.Data, name)
		}
		if round == 0 {
			require.Empty(t, rest.more(t), "nothing is lost by a rotation")
			_, err := c.Show(t.Context(), old.ID)
			require.NoError(t, err)
			require.NoError(t, allocates(t, s, old), "TURN credentials from before")
			mu.Lock()
			require.Zero(t, wrong, "a receiver with the old secret")
			mu.Unlock()
			// Everybody gets what the new keys signed, in his own time.
			again, err := admin.Create(t.Context(), "kim", time.Hour, true)
			require.NoError(t, err)
			fresh, err := client.New(s.URL(), again.Token)
			require.NoError(t, err)
			text, err := admin.WebhookSecret(t.Context(), w.ID)
			require.NoError(t, err)
			mu.Lock()
			secret, err = webhook.ParseSecret(text)
			mu.Unlock()
			require.NoError(t, err)
			require.NotEqual(t, first.Text(), text)
			c2 := fresh
			rest2 := under(t, func(ctx context.Context) error {
				_, err := c2.Join(ctx, old.ID, nil)
				return err
			})
			require.Empty(t, rest2.more(t))
			rest = rest2
			continue
		}
		require.Empty(t, rest.more(t), "nor by the second, for those who have new ones")
		mu.Lock()
		require.Zero(t, wrong)
		mu.Unlock()
		require.Error(t, allocates(t, s, old), "two keys old")
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.Replace(old.URL, "ws", "http", 1), http.NoBody)
		require.NoError(t, err)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusUnauthorized, res.StatusCode, "a socket token that is two keys old")
		stale, err := client.New(s.URL(), token)
		require.NoError(t, err)
		_, err = stale.Show(t.Context(), old.ID)
		require.True(t, client.IsStatus(err, http.StatusUnauthorized), "%v", err)
	}
	// Every join that was answered has come to the webhook's receiver.
	eventstest.Wait(t, 30*time.Second, func() (missing string) {
		err := o.Log.History(t.Context(), "local", old.ID, 0, func(e events.Event) error {
			if e.Sequence > 0 && e.Name == events.Joined && e.Time.After(time.Now().Add(-time.Hour)) {
				if _, ok := received.Load(e.ID); !ok && after(e, w) {
					missing = "at the receiver: " + e.Subject
				}
			}
			return nil
		})
		if err != nil {
			return err.Error()
		}
		return missing
	})
}

// after tells whether an event is surely younger than a webhook.
func after(e events.Event, w client.Webhook) bool {
	made, err := time.Parse(time.RFC3339, w.Created)
	return err == nil && e.Time.After(made.Add(time.Second))
}

// allocates tries a relay with the TURN credentials of a grant.
func allocates(t *testing.T, s *Service, g client.Grant) error {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	addr := strings.TrimPrefix(s.TURN(), "turn:")
	quiet := logging.NewDefaultLoggerFactory()
	quiet.DefaultLogLevel = logging.LogLevelDisabled
	for _, x := range g.STUN {
		if x.Username == "" {
			continue
		}
		c, err := pion.NewClient(&pion.ClientConfig{STUNServerAddr: addr, TURNServerAddr: addr, Conn: conn, Username: x.Username, Password: x.Password, LoggerFactory: quiet})
		require.NoError(t, err)
		defer c.Close()
		require.NoError(t, c.Listen())
		relay, err := c.Allocate()
		if err == nil {
			err = relay.Close()
		}
		return err //nolint:wrapcheck // a test looks at it
	}
	t.Fatal("no TURN credentials in the grant")
	return nil
}

func TestKeysRotateRefusals(t *testing.T) {
	root := &cli.Command{Name: "streamstack", Commands: []*cli.Command{KeysCommand()}}
	dir := t.TempDir()
	err := root.Run(t.Context(), []string{"streamstack", "keys", "rotate", "tokens", "--data", dir})
	require.ErrorContains(t, err, "no "+filepath.Join(dir, "secrets", "macaroon.keys"))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries, "nothing is made in a folder that is none")
	err = root.Run(t.Context(), []string{"streamstack", "keys", "rotate", "all", "--data", dir})
	require.ErrorContains(t, err, "tokens, turn, webhooks")
}
