package connect_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"
	"pgregory.net/rapid"

	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/events/eventstest"
	"streamstack/events/trust"
)

// patience bounds every wait of these tests; a machine under load is slow.
const patience = 30 * time.Second

func testLog() (*slog.Logger, *eventstest.Output) {
	b := &eventstest.Output{}
	return slog.New(slog.NewTextHandler(b, nil)), b
}

// serve runs a NATS server that knows one user; port -1 picks a free one.
func serve(t *testing.T, port int) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: port, NoSigs: true, NoLog: true, Username: "u", Password: "hush",
	})
	require.NoError(t, err)
	s.Start()
	require.True(t, s.ReadyForConnections(patience))
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	return s
}

func portOf(t *testing.T, a net.Addr) int {
	t.Helper()
	tcp, ok := a.(*net.TCPAddr)
	require.True(t, ok)
	return tcp.Port
}

func address(s *server.Server) string { return "nats://u:hush@" + s.Addr().String() }

// await polls until missing says that nothing is missing any more.
func await(t *testing.T, missing func() string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		what := missing()
		if what == "" {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("still missing: %s", what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestEndpointsAreFoundAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	_, err := connect.ReadEndpoints(dir)
	require.ErrorIs(t, err, connect.ErrNoStack)
	require.EqualError(t, err, "no stack runs on "+dir+": start one with `streamstack up --data "+dir+"`")
	require.NoError(t, connect.RemoveEndpoints(dir))

	want := connect.Endpoints{Gateway: "http://127.0.0.1:4000", NATS: "nats://127.0.0.1:4222", TURN: "turn:127.0.0.1:3478", Token: "t"}
	for range 2 { // the second replaces the first
		require.NoError(t, want.Write(dir))
	}
	got, err := connect.ReadEndpoints(dir)
	require.NoError(t, err)
	require.Equal(t, want, got)
	text, err := os.ReadFile(filepath.Join(dir, "endpoints.json"))
	require.NoError(t, err)
	require.JSONEq(t, `{"gateway":"http://127.0.0.1:4000","nats":"nats://127.0.0.1:4222","turn":"turn:127.0.0.1:3478","token":"t"}`, string(text))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing temporary stays")
	info, err := entries[0].Info()
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())

	require.NoError(t, os.WriteFile(filepath.Join(dir, "endpoints.json"), []byte(`{"gateway":`), 0o600))
	_, err = connect.ReadEndpoints(dir)
	require.ErrorContains(t, err, "damaged")
	require.NoError(t, connect.RemoveEndpoints(dir))
	_, err = connect.ReadEndpoints(dir)
	require.ErrorIs(t, err, connect.ErrNoStack)
}

func TestEndpointsKeepTheirSecretsOutOfALog(t *testing.T) {
	log, text := testLog()
	log.Info("up", "endpoints", connect.Endpoints{Gateway: "http://g", NATS: "nats://u:hush@n:1", Token: "hushhush"})
	require.Contains(t, text.String(), "nats://n:1")
	require.NotContains(t, text.String(), "hush")
}

func TestDefaultDataDir(t *testing.T) {
	t.Setenv("HOME", "/home/u")
	for state, want := range map[string]string{
		"/s": "/s/streamstack", "": "/home/u/.local/state/streamstack", "relative": "/home/u/.local/state/streamstack",
	} {
		t.Setenv("XDG_STATE_HOME", state)
		require.Equal(t, want, connect.DefaultDataDir())
	}
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("HOME", "")
	require.Empty(t, connect.DefaultDataDir())
}

func TestDialReconnectsForEver(t *testing.T) {
	s := serve(t, -1)
	log, text := testLog()
	nc, err := connect.Dial(t.Context(), address(s), "", "agent-1", log)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	require.True(t, strings.HasPrefix(nc.NewInbox(), "_INBOX_agent-1."), nc.NewInbox())

	port := portOf(t, s.Addr())
	s.Shutdown()
	s.WaitForShutdown()
	await(t, func() string {
		if !strings.Contains(text.String(), "reconnecting") {
			return "a warning that the connection is lost"
		}
		return ""
	})
	serve(t, port)
	await(t, func() string {
		if !nc.IsConnected() || !strings.Contains(text.String(), "connected again") {
			return "a new connection; the log says: " + text.String()
		}
		return ""
	})
	require.NotContains(t, text.String(), "hush")
}

func TestDialSaysWhatIsWrong(t *testing.T) {
	s := serve(t, -1)
	nobody := fmt.Sprintf("127.0.0.1:%d", eventstest.ClosedPort(t))
	for name, x := range map[string]struct{ url, creds, name, want string }{
		"refused":     {"nats://u:hushhush@" + s.Addr().String(), "", "a", "--creds"},
		"nobody":      {"nats://u:hushhush@" + nobody, "", "a", "does not answer"},
		"malformed":   {"nats://u:hushhush@h:x", "", "a", "nats://HOST:PORT"},
		"escape":      {"nats://u:hushhush%zz@h:1", "", "a", "nats://HOST:PORT"},
		"no host":     {"nats://", "", "a", "no host"},
		"credentials": {address(s), "/does/not/exist", "a", "/does/not/exist"},
		"name":        {address(s), "", "a.b", "a.b"},
	} {
		t.Run(name, func(t *testing.T) {
			log, text := testLog()
			_, err := connect.Dial(t.Context(), x.url, x.creds, x.name, log)
			require.ErrorContains(t, err, x.want)
			require.NotContains(t, err.Error()+text.String(), "hush")
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	// A listener that never greets.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	log, _ := testLog()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err = connect.Dial(ctx, "nats://"+l.Addr().String(), "", "a", log)
	require.ErrorContains(t, err, "does not answer")
	require.Less(t, time.Since(begin), patience)
	<-ctx.Done()
	_, err = connect.Dial(ctx, "nats://"+l.Addr().String(), "", "a", log)
	require.ErrorIs(t, err, ctx.Err())
}

func TestDialPatientlyWaitsForTheServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := portOf(t, l.Addr())
	require.NoError(t, l.Close())
	log, text := testLog()
	type result struct {
		nc  *nats.Conn
		err error
	}
	results := make(chan result, 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	url := "nats://u:hush@" + l.Addr().String()
	go func() {
		nc, err := connect.DialPatiently(ctx, url, "", "a", log)
		results <- result{nc, err}
	}()
	await(t, func() string {
		if !strings.Contains(text.String(), "trying on") {
			return "a first attempt"
		}
		return ""
	})
	serve(t, port)
	r := <-results
	require.NoError(t, r.err)
	r.nc.Close()

	// Wrong credentials are not waited out.
	_, err = connect.DialPatiently(ctx, strings.Replace(url, "hush", "wrong", 1), "", "a", log)
	require.ErrorIs(t, err, nats.ErrAuthorization)
	require.NoError(t, ctx.Err())
}

func TestRedactLeavesNoPassword(t *testing.T) {
	require.Equal(t, "nats://h:1,tls://i:2,j", connect.Redact("nats://u:p@h:1,tls://u:p@i:2,t@j"))
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`[A-Z0-9_%:/@-]{8,20}`).Draw(t, "secret")
		scheme := rapid.SampledFrom([]string{"nats://", "tls://", ""}).Draw(t, "scheme")
		if got := connect.Redact(scheme + "u:" + secret + "@host:4222"); strings.Contains(got, secret) || !strings.HasSuffix(got, "host:4222") {
			t.Fatalf("%q", got)
		}
	})
}

// run runs a command as main does and returns its output and exit status.
func run(t *testing.T, c *cli.Command, args ...string) (out string, status int) {
	t.Helper()
	var b bytes.Buffer
	root := &cli.Command{
		Name: "streamstack", Commands: []*cli.Command{c}, Writer: &b, ErrWriter: &b,
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
	}
	err := root.Run(t.Context(), append([]string{"streamstack"}, args...))
	if err != nil {
		b.WriteString(err.Error())
	}
	return b.String(), connect.ExitStatus(err)
}

func TestFlagsFindTheStack(t *testing.T) {
	dir := t.TempDir()
	probe := func() *cli.Command {
		return &cli.Command{Name: "probe", Flags: connect.NATSFlags(), OnUsageError: connect.OnUsageError,
			Action: func(ctx context.Context, cmd *cli.Command) error {
				log, err := connect.Open(ctx, cmd, connect.Logger(cmd))
				if err != nil {
					return err
				}
				defer log.Conn().Close()
				_, err = connect.Out(cmd).Write([]byte(log.Conn().ConnectedUrlRedacted()))
				return err
			}}
	}
	t.Setenv("STREAMSTACK_DATA", dir)
	out, status := run(t, probe(), "probe")
	require.Equal(t, "no stack runs on "+dir+": start one with `streamstack up --data "+dir+"`", out)
	require.Equal(t, connect.ExitFailed, status)

	s := serve(t, -1)
	require.NoError(t, connect.Endpoints{NATS: address(s)}.Write(dir))
	out, status = run(t, probe(), "probe")
	require.Zero(t, status, out)
	require.Contains(t, out, s.Addr().String())

	out, status = run(t, probe(), "probe", "--nats", "nats://127.0.0.1:1")
	require.Equal(t, connect.ExitFailed, status)
	require.Contains(t, out, "nats://127.0.0.1:1 does not answer")

	s.Shutdown() // and the file stays behind, as after kill -9
	out, status = run(t, probe(), "probe")
	require.Equal(t, connect.ExitFailed, status)
	require.Contains(t, out, "no stack runs on "+dir+" any more")
}

func TestWrongUsageIsStatusTwo(t *testing.T) {
	group := connect.Group("things", "handle things",
		&cli.Command{Name: "show", Flags: []cli.Flag{connect.JSONFlag()}, OnUsageError: connect.OnUsageError,
			Action: func(_ context.Context, cmd *cli.Command) error {
				_, err := connect.OneArg(cmd, "ID")
				return err
			}},
		&cli.Command{Name: "ls", OnUsageError: connect.OnUsageError,
			Action: func(_ context.Context, cmd *cli.Command) error { return connect.NoArgs(cmd) }})
	for args, want := range map[string]string{
		"things":               "use one of show, ls",
		"things sow":           `no command "sow"`,
		"things show":          "give one ID",
		"things show 1 2":      "give one ID",
		"things show --jsn 1":  "--help",
		"things ls 1":          "no arguments",
		"things show --json=x": "--help",
	} {
		out, status := run(t, group, strings.Fields(args)...)
		require.Equal(t, connect.ExitUsage, status, "%s: %s", args, out)
		require.Contains(t, out, want, args)
		require.NotContains(t, strings.TrimSpace(out), "\n", "%s: one line", args)
	}
	out, status := run(t, group, "things", "show", "1", "--json")
	require.Zero(t, status, out)
}

func TestEnvironmentNamesTheFlags(t *testing.T) {
	t.Setenv("STREAMSTACK_NATS_LISTEN", "x")
	chain := connect.Env("nats-listen")
	v, found := chain.Lookup()
	require.True(t, found)
	require.Equal(t, "x", v)
	require.True(t, events.ValidToken("operator"))
}

// A stack leaves credentials for other commands beside its endpoints; --creds takes their place. What they are for decides
// how JetStream is called.
func TestOperatorsCredentialsAreFound(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("STREAMSTACK_DATA", dir)
	keys, err := trust.Open(filepath.Join(dir, "secrets"))
	require.NoError(t, err)
	write := func(path string, r trust.Role) {
		c, err := keys.Credentials(trust.Identity{Role: r}, 0)
		require.NoError(t, err)
		text, err := c.Text()
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	require.NoError(t, connect.Endpoints{NATS: "nats://127.0.0.1:1"}.Write(dir))
	var found string
	probe := func() *cli.Command {
		return &cli.Command{Name: "probe", Flags: connect.NATSFlags(), Action: func(_ context.Context, cmd *cli.Command) (err error) {
			_, found, err = connect.Resolve(cmd)
			return err
		}}
	}
	_, status := run(t, probe(), "probe")
	require.Zero(t, status)
	require.Empty(t, found, "a server without credentials")
	write(connect.OperatorCreds(dir), trust.Operator)
	_, status = run(t, probe(), "probe")
	require.Zero(t, status)
	require.Equal(t, connect.OperatorCreds(dir), found)
	_, status = run(t, probe(), "probe", "--creds", "mine.creds")
	require.Zero(t, status)
	require.Equal(t, "mine.creds", found)

	options, err := connect.LogOptions(connect.OperatorCreds(dir))
	require.NoError(t, err)
	require.Len(t, options, 1)
	gateway := filepath.Join(dir, "gateway.creds")
	write(gateway, trust.Gateway)
	options, err = connect.LogOptions(gateway)
	require.NoError(t, err)
	require.Empty(t, options, "a gateway calls JetStream itself")
	require.NoError(t, os.WriteFile(gateway, []byte("hush"), 0o600))
	_, err = connect.LogOptions(gateway)
	require.ErrorIs(t, err, trust.ErrCredentials)
	require.ErrorContains(t, err, gateway)
	require.NotContains(t, err.Error(), "hush")
}
