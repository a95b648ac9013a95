package bench

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"streamstack/deployments/bench/sockets"
	natsd "streamstack/deployments/nats"
	"streamstack/events"
	"streamstack/gateway/token"
)

const (
	// openSockets is half of what a process may have open here: a gateway behind a proxy needs no more than one file for
	// each.
	openSockets = 10_000
	// socketKiB is what the gateway's process may take for each, in KiB of the machine's memory, garbage and all.
	socketKiB = 30
	// socketsWait is how long they wait before the gateway is measured: Go collects the garbage of a process that does
	// little every two minutes, and then gives back what is free; nothing forces it here. Ten pings went to each.
	socketsWait = 150 * time.Second
)

// end is a process of [sockets].
type end struct {
	in  io.WriteCloser
	out *bufio.Reader
}

// startEnd runs one; it ends with the benchmark, by its input.
func startEnd(b *testing.B, role string, env ...string) *end {
	b.Helper()
	self, err := os.Executable()
	require.NoError(b, err)
	cmd := exec.CommandContext(b.Context(), self)
	cmd.Env = append(os.Environ(), append(env, sockets.RoleVariable+"="+role)...)
	cmd.Stderr = os.Stderr
	e := &end{}
	e.in, err = cmd.StdinPipe()
	require.NoError(b, err)
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	e.out = bufio.NewReader(out)
	require.NoError(b, cmd.Start())
	b.Cleanup(func() {
		_ = e.in.Close() // that ends it
		if err := cmd.Wait(); err != nil && b.Context().Err() == nil {
			b.Errorf("%s: %v", role, err)
		}
	})
	return e
}

func (e *end) line(b *testing.B) string {
	b.Helper()
	line, err := e.out.ReadString('\n')
	require.NoError(b, err)
	return strings.TrimSpace(line)
}

// ask sends a line and reads the answer into v.
func (e *end) ask(b *testing.B, line string, v any) {
	b.Helper()
	_, err := io.WriteString(e.in, line+"\n")
	require.NoError(b, err)
	require.NoError(b, json.Unmarshal([]byte(e.line(b)), v))
}

// waitingSessions appends sessions that wait for an instance, and returns the addresses of their sockets.
func waitingSessions(b *testing.B, log *events.Log, mint *token.Mint, addr string, n int) (urls []string) {
	b.Helper()
	drafts := make([]events.Draft, 0, 2*n)
	for range n {
		id, err := uuid.NewV7()
		require.NoError(b, err)
		session, peer := events.SessionID(id.String()), events.PeerID(uuid.NewString())
		drafts = append(drafts,
			events.NewDraft("local", session, events.Gateway, events.Created, events.CreatedData{App: "testcard", Ephemeral: true, Account: "kim"}),
			events.NewDraft("local", session, events.Gateway, events.Joined, events.JoinedData{Peer: peer, Generation: 1, Role: string(token.RoleSlave), Account: "kim"}))
		tok, err := mint.IssueSocket(token.SocketClaims{Session: string(session), Peer: string(peer), Role: token.RoleSlave, Expiry: time.Now().Add(time.Hour)})
		require.NoError(b, err)
		urls = append(urls, fmt.Sprintf("ws://%s/1.0/sessions/%s/sockets/slave?token=%s", addr, session, tok))
	}
	_, err := log.AppendAll(b.Context(), drafts)
	require.NoError(b, err)
	return urls
}

// BenchmarkSockets opens 10,000 sockets whose sessions wait for an instance, as they are in a rush, and says what a gateway takes
// for each: of the machine's memory, garbage and all, and alive. Gateway, clients and log are processes of their own.
func BenchmarkSockets(b *testing.B) {
	nc, err := nats.Connect(plainServer(b, b.TempDir(), natsd.SyncInterval))
	require.NoError(b, err)
	b.Cleanup(nc.Close)
	log, err := events.New(nc, slog.New(slog.DiscardHandler))
	require.NoError(b, err)
	require.NoError(b, events.CreateStreams(b.Context(), log.JetStream(), events.StreamsConfig{}))
	secrets := b.TempDir()
	require.NoError(b, os.Chmod(secrets, 0o700))
	mint, err := token.Open(secrets, slog.New(slog.DiscardHandler))
	require.NoError(b, err)
	gateway := startEnd(b, sockets.GatewayRole, sockets.NATSVariable+"="+nc.ConnectedUrl(), sockets.SecretsVariable+"="+secrets)
	urls := waitingSessions(b, log, mint, gateway.line(b), openSockets)
	client := startEnd(b, sockets.ClientRole)
	for b.Loop() {
		time.Sleep(5 * time.Second) // the gateway folds and schedules what was appended
		var before, clean, opened, after, live sockets.Memory
		gateway.ask(b, "clean", &clean)
		gateway.ask(b, "", &before)
		list, err := json.Marshal(urls)
		require.NoError(b, err)
		var open sockets.Opened
		begun := time.Now()
		client.ask(b, string(list), &open)
		took := time.Since(begun)
		gateway.ask(b, "", &opened)
		time.Sleep(socketsWait) // what is measured is waiting
		gateway.ask(b, "", &after)
		gateway.ask(b, "clean", &live)
		client.ask(b, "[]", &open)
		require.Equal(b, sockets.Opened{Open: openSockets}, open)
		each := func(n int64) float64 { return float64(n) / 1024 / openSockets }
		rss, least := each(after.RSS-before.RSS), each(live.RSS-clean.RSS)
		_, err = fmt.Fprintf(os.Stdout, "\n%d sockets opened in %s, which left %.1f KiB of memory for each with the garbage of opening them; %s later: %.1f KiB (%.1f after a garbage collection), of that %.1f heap and %.1f stacks alive; %.2f goroutines, %.2f files\n",
			openSockets, took.Round(time.Millisecond), each(opened.RSS-before.RSS), socketsWait, rss, least, each(int64(live.Heap-clean.Heap)), each(int64(live.Stacks-clean.Stacks)),
			float64(live.Goroutines-clean.Goroutines)/openSockets, float64(live.Files-clean.Files)/openSockets)
		require.NoError(b, err)
		b.ReportMetric(rss, "KiB/socket-with-garbage")
		b.ReportMetric(least, "KiB/socket")
		b.ReportMetric(0, "ns/op")
		require.LessOrEqual(b, rss, float64(socketKiB), "KiB for each open socket, garbage and all")
	}
}
