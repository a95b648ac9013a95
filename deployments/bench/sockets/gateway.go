package sockets

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"

	"streamstack/events"
	"streamstack/gateway"
	"streamstack/gateway/limit"
	"streamstack/gateway/token"
)

// Memory is what a gateway's process takes, in bytes.
type Memory struct {
	// RSS is what the process holds of the machine's memory, garbage included.
	RSS int64 `json:"rss"`
	// Heap is what is alive in it, Stacks what goroutines' stacks take.
	Heap       uint64 `json:"heap"`
	Stacks     uint64 `json:"stacks"`
	Goroutines int    `json:"goroutines"`
	Files      int    `json:"files"`
}

// gatewayEnd runs a gateway, prints its address, and answers each line with its [Memory]: for "clean" after a garbage
// collection that gives back what it can.
func gatewayEnd(ctx context.Context, natsURL, secrets string, in io.Reader, out io.Writer) error {
	nc, err := nats.Connect(natsURL, nats.MaxReconnects(-1))
	if err != nil {
		return fmt.Errorf("sockets: NATS: %w", err)
	}
	defer nc.Close()
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	log, err := events.New(nc, logger)
	if err != nil {
		return err //nolint:wrapcheck // it names itself
	}
	mint, err := token.Open(secrets, logger)
	if err != nil {
		return err //nolint:wrapcheck // it names itself
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("sockets: %w", err)
	}
	f := limit.Default()
	f.RequestsPerSecond, f.SocketsPerAccount, f.SessionsPerAccount = 0, 0, 0
	g := gateway.New(gateway.Config{Log: log, Logger: logger, Tokens: mint, Limits: &f})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- g.Run(ctx, l, nil, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-done:
		return fmt.Errorf("sockets: the gateway ended: %w", err)
	}
	if _, err := fmt.Fprintln(out, l.Addr()); err != nil {
		return fmt.Errorf("sockets: %w", err)
	}
	err = serveLines(in, out, func(line string) (any, error) {
		if line == "clean" {
			debug.FreeOSMemory()
		}
		return memory()
	})
	cancel()
	if gerr := <-done; err == nil {
		err = gerr
	}
	return err
}

func memory() (m Memory, err error) {
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	m = Memory{Heap: s.HeapAlloc, Stacks: s.StackInuse, Goroutines: runtime.NumGoroutine()}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return m, fmt.Errorf("sockets: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		if kib, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kib), "kB")), 10, 64)
			if err != nil {
				return m, fmt.Errorf("sockets: %s: %w", line, err)
			}
			m.RSS = n << 10
		}
	}
	files, err := os.ReadDir("/proc/self/fd")
	m.Files = len(files)
	return m, err //nolint:wrapcheck // it names the file
}
