package bench

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/gateway"
	"streamstack/gateway/limit"
	"streamstack/gateway/token"
)

// api is something that serves HTTP, asked through connections that stay open.
type api struct {
	url, token string
	client     *http.Client
}

// atOnce is how many requests the measurements have under way.
const atOnce = 64

// unlimited is for gateways that are measured: what one is asked then is more than one client should ask.
var unlimited = limit.Figures{MessageBytes: 128 << 10}

// startGateway runs a gateway on a log, as `streamstack gateway` does, until the benchmark ends.
func startGateway(b *testing.B, l served) api {
	b.Helper()
	log, err := events.New(dial(b, l.url), slog.New(slog.DiscardHandler))
	require.NoError(b, err)
	mint, err := token.Open(b.TempDir(), slog.New(slog.DiscardHandler))
	require.NoError(b, err)
	g := gateway.New(gateway.Config{Log: log, Logger: slog.New(slog.DiscardHandler), Tokens: mint, Limits: &unlimited})
	listener, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0")
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.Context()))
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- g.Run(ctx, listener, nil, func() { close(ready) }) }()
	b.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.Errorf("gateway: %v", err)
		}
	})
	select {
	case <-ready:
	case <-time.After(10 * patience): // it may have a long log to read
		b.Fatal("the gateway is not ready")
	}
	tok, err := g.CreateAccount(b.Context(), "local", time.Now().Add(time.Hour))
	require.NoError(b, err)
	return newAPI(listener.Addr(), tok)
}

func newAPI(addr net.Addr, tok string) api {
	return api{"http://" + addr.String(), tok, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: atOnce}, Timeout: patience}}
}

// ask makes one request, reads its answer and holds its status against the one expected.
func (a api) ask(ctx context.Context, method, path, body string, want int) error {
	req, err := http.NewRequestWithContext(ctx, method, a.url+path, strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	req.Header.Set("Authorization", "Macaroon root="+a.token)
	req.Header.Set("Content-Type", "application/json")
	res, err := a.client.Do(req)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	if res.StatusCode != want {
		return fmt.Errorf("bench: %s %s answered %d: %s", method, path, res.StatusCode, text)
	}
	return nil
}

// flood asks n times, [atOnce] at a time, and returns how long each took.
func (a api) flood(b *testing.B, n int, method, path, body string, want int) samples {
	b.Helper()
	took := make(samples, n)
	next := make(chan int)
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for i := range next {
				begun := time.Now()
				if err := a.ask(b.Context(), method, path, body, want); err != nil {
					b.Error(err)
				}
				took[i] = time.Since(begun)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	return took
}

// fakeAgent makes the log have an agent with room for all sessions of a benchmark, which takes none.
func fakeAgent(b *testing.B, l served) {
	b.Helper()
	beat(b, l, "a1")
	_, err := l.Append(b.Context(), events.NewAgentDraft(region, "a1", events.AgentOnline, events.OnlineData{Driver: "none", Slots: 1_000_000,
		Applications: []events.ApplicationData{{Name: "testcard", Versions: []int{1}, Screen: events.Screen{Width: 1280, Height: 720, FPS: 60, Density: 96}}}}))
	require.NoError(b, err)
}

// beat makes an agent seem alive for good.
func beat(b *testing.B, l served, id events.AgentID) {
	b.Helper()
	m := nats.NewMsg("$KV." + events.HeartbeatBucket + "." + events.HeartbeatKey(region, id))
	m.Data = []byte(time.Now().UTC().Format(time.RFC3339Nano))
	_, err := l.JetStream().PublishMsg(b.Context(), m)
	require.NoError(b, err)
}
