package e2e

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"

	"streamstack/deployments/e2e/stack"
	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/events/schema/schematest"
	"streamstack/gateway/client"
)

// TestNoSecretInAnyEvent goes through a whole life of a stack: an account, clients that start, join, displace and leave, a
// share, a webhook, analysts' credentials, an instance that prints its environment and fails. Then it looks at every message
// of every stream, those of key-value and object buckets among them, for each secret that was used, and for what looks
// like one. ICE passwords are excepted, in what expires.
func TestNoSecretInAnyEvent(t *testing.T) {
	data := stack.DataDir(t)
	s := stack.Up(t, data, "--applications", tellTale(t))
	hidden := secrets{}
	hidden.addURL("the NATS address in endpoints.json", s.NATS)
	hidden.add("the token in endpoints.json", s.Token)

	token, code := stack.Command(t, "account", "create", "alice", "--data", data)
	require.Zero(t, code, token)
	hidden.add("alice's token", strings.TrimSpace(token))
	alice, err := client.New(s.Gateway, strings.TrimSpace(token))
	require.NoError(t, err)

	// A browser, which starts a session and is displaced; what its page was granted is secret, too.
	one := open(t, s, "")
	one.Exec(`(() => { const ask = window.fetch; window.granted = [];
		window.fetch = async (...a) => { const r = await ask(...a); window.granted.push(await r.clone().text()); return r; }; })()`)
	id := one.start("testcard")
	var granted []string
	one.Eval(`window.granted`, &granted)
	require.NotZero(t, hidden.addGrants("the browser's", granted...))
	two, err := alice.Join(t.Context(), id, nil)
	if err == nil { // a page's sessions may not be joinable
		hidden.addGrant("alice's join", two)
	}

	// A joinable one, with data of its own, whose second client is a browser.
	g, err := alice.Create(t.Context(), client.CreateRequest{App: "testcard", Joinable: true, ExtraData: events.Raw(`{"user":{"name":"alice"}}`)})
	require.NoError(t, err)
	hidden.addGrant("alice's", g)
	s.Await(g.ID, events.Streamer, events.Ready)
	one.again("")
	one.join(g.ID)
	hidden.addURL("a share's URL", share(t, s, strings.TrimSpace(token), g.ID))
	webhooks(t, s, hidden)
	creds, code := stack.Command(t, "credentials", "analytics", "--data", data)
	require.Zero(t, code, creds)
	for line := range strings.Lines(creds) {
		hidden.add("an analyst's credentials", strings.TrimSpace(line))
	}
	require.NoError(t, alice.Delete(t.Context(), g.ID, true))

	// One whose application prints all that it was given, and fails: the end of that is in the log.
	failing, err := alice.Create(t.Context(), client.CreateRequest{App: "telltale"})
	require.NoError(t, err)
	hidden.addGrant("the failing one's", failing)
	var failed events.FailedData
	require.NoError(t, s.Await(failing.ID, events.Agent, events.Failed).Decode(&failed))
	require.Contains(t, failed.LogTail, "DISPLAY=", "the application's output")

	_, code = stack.Command(t, "account", "delete", "alice", "--data", data)
	require.Zero(t, code)
	hidden.addFolder(t, filepath.Join(data, "secrets"))

	log := openLog(t, data)
	all := storedMessages(t, log.JetStream())
	passwords, bytes := 0, 0
	for _, m := range all {
		bytes += len(m.text)
		passwords += len(icePassword.FindAllString(m.text, -1))
		require.Empty(t, hidden.leaks(m))
	}
	streams := map[string]int{}
	for _, m := range all {
		streams[m.stream]++
	}
	t.Logf("messages by stream: %v", streams)
	require.NotZero(t, streams[events.WebhooksStream], "the webhook's events")
	require.NotZero(t, passwords, "ICE passwords in what expires: there was no negotiation")
	t.Logf("%d messages, %d bytes, searched for %d texts and %d patterns; %d ICE passwords, all in messages that expire", len(all), bytes, len(hidden), len(patterns), passwords)
	checkSchemas(t, log)
}

// share shares a session and returns the share's address, whose token opens it.
func share(t *testing.T, s *stack.Stack, token string, id events.SessionID) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Gateway+"/1.0/sessions/"+string(id)+"/share", strings.NewReader(`{"type":"adb","description":"for Kim"}`))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Macaroon root="+token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		Error    string
		Metadata struct{ URL string }
	}
	require.NoError(t, json.NewDecoder(res.Body).Decode(&answer))
	require.Equal(t, http.StatusOK, res.StatusCode, answer.Error)
	require.Contains(t, answer.Metadata.URL, "token=")
	return answer.Metadata.URL
}

// webhooks registers a webhook, whose signing secret is secret, and is refused those whose address holds a secret.
func webhooks(t *testing.T, s *stack.Stack, hidden secrets) {
	t.Helper()
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	t.Cleanup(receiver.Close)
	out, code := stack.Command(t, "webhook", "add", receiver.URL+"/hook", "--json", "--data", s.Data)
	require.Zero(t, code, out)
	var made client.Webhook
	require.NoError(t, json.Unmarshal([]byte(out), &made), out)
	require.NotEmpty(t, made.Secret)
	hidden.add("the webhook's secret", made.Secret)
	hidden.add("the webhook's secret", strings.TrimPrefix(made.Secret, "whsec_"))
	for _, more := range []string{"/hook?token=OpenSesameWebhook1", "/hook?api_key=OpenSesameWebhook2"} {
		_, code := stack.Command(t, "webhook", "add", receiver.URL+more, "--data", s.Data)
		require.NotZero(t, code, more)
		hidden.addURL("a refused webhook", receiver.URL+more)
	}
	_, code = stack.Command(t, "webhook", "add", strings.Replace(receiver.URL, "://", "://kim:OpenSesameWebhook3@", 1), "--data", s.Data)
	require.NotZero(t, code)
	hidden.add("a refused webhook's password", "OpenSesameWebhook3")
}

// tellTale is a folder of applications: the test card, and one that prints its environment and fails.
func tellTale(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	card, err := os.ReadFile("../../agent/application/builtin/testcard.yaml")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "testcard.yaml"), card, 0o600))
	const tale = "name: telltale\nversion: 1\ncommand: [sh, -c, 'env; exit 3']\n"
	require.NoError(t, os.WriteFile(filepath.Join(folder, "telltale.yaml"), []byte(tale), 0o600))
	return folder
}

// addGrants adds what answers of the gateway grant, and tells how many did.
func (s secrets) addGrants(what string, answers ...string) (n int) {
	for _, a := range answers {
		var answer struct{ Metadata client.Grant }
		if json.Unmarshal([]byte(a), &answer) == nil && answer.Metadata.URL != "" {
			s.addGrant(what, answer.Metadata)
			n++
		}
	}
	return n
}

func (s secrets) addGrant(what string, g client.Grant) {
	s.addURL(what+" socket", g.URL)
	for _, x := range g.STUN {
		s.add(what+" TURN password", x.Password)
	}
}

// openLog connects as the operator's commands do.
func openLog(t *testing.T, data string) (log *events.Log) {
	t.Helper()
	cmd := &cli.Command{Name: "scan", Flags: connect.NATSFlags(), Action: func(ctx context.Context, cmd *cli.Command) (err error) {
		log, err = connect.Open(ctx, cmd, slog.New(slog.DiscardHandler))
		return err
	}}
	require.NoError(t, cmd.Run(t.Context(), []string{"scan", "--data", data}))
	t.Cleanup(log.Conn().Close)
	return log
}

// checkSchemas holds all events of the run against their schemas.
func checkSchemas(t *testing.T, log *events.Log) {
	t.Helper()
	v, kinds := schematest.New(t), map[string]int{}
	for _, stream := range []string{events.SessionsStream, events.AgentsStream, events.AccountsStream, events.QualityStream, events.WebhooksStream, events.SettingsStream, events.RequestsStream} {
		require.NoError(t, log.Read(t.Context(), stream, "", 0, func(e events.Event) error {
			kinds[e.Type]++
			require.Empty(t, e.Quarantine, e.Subject)
			require.NotEmpty(t, e.Schema, e.Subject)
			return v.Event(e)
		}))
	}
	t.Logf("events of %d types are valid: %v", len(kinds), kinds)
	require.Greater(t, len(kinds), 12)
}
