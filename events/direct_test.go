package events_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"streamstack/events"
	"streamstack/events/eventstest"
)

// lossy is a wire from a client to a NATS server on which messages of batched answers get lost: of every answer's messages
// and its end, counted over all answers from 1, those that lose says. So it looks to a client that reconnects while the
// server answers.
type lossy struct {
	lose  func(n int64) bool
	count atomic.Int64
	lost  atomic.Int64
}

// listen serves the wire on a loopback port until the test ends.
func (w *lossy) listen(t *testing.T, server string) (url string) {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		client, err := ln.Accept()
		if err != nil {
			return
		}
		defer func() { _ = client.Close() }()
		up, err := new(net.Dialer).DialContext(ctx, "tcp4", server)
		if err != nil {
			t.Error(err)
			return
		}
		defer context.AfterFunc(ctx, func() { _, _ = client.Close(), up.Close() })()
		go func() { _, _ = io.Copy(up, client) }() // ends when either is closed
		w.pass(client, up)
		_ = up.Close()
	}()
	t.Cleanup(func() { cancel(); _ = ln.Close(); <-done })
	return "nats://" + ln.Addr().String()
}

// pass copies what the server says, up to the end of the connection, but for what is lost.
func (w *lossy) pass(client io.Writer, server io.Reader) {
	in := bufio.NewReader(server)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		frame := []byte(line)
		// MSG subject sid [reply] size, or HMSG subject sid [reply] headers size; the body follows, and a line's end.
		if f := strings.Fields(line); len(f) > 0 && (f[0] == "MSG" || f[0] == "HMSG") {
			size, err := strconv.Atoi(f[len(f)-1])
			if err != nil {
				return
			}
			body := make([]byte, size+2)
			if _, err := io.ReadFull(in, body); err != nil {
				return
			}
			frame = append(frame, body...)
		}
		if bytes.Contains(frame, []byte("Nats-Num-Pending: ")) && w.lose(w.count.Add(1)) {
			w.lost.Add(1)
			continue
		}
		if _, err := client.Write(frame); err != nil {
			return
		}
	}
}

// A batch that arrives with a hole is not taken for all there was: neither by who reads what is stored, nor by a tail.
// A subscription outlives a reconnect of the client, so the server's messages to it before and after arrive, and those
// between do not.
func TestHolesInABatchAreSeen(t *testing.T) {
	t.Parallel()
	const n = 40
	for name, c := range map[string]struct {
		lose func(int64) bool
		fail bool // for good: the reader is told
	}{
		"the first":            {lose: func(i int64) bool { return i == 1 }},
		"in the middle":        {lose: func(i int64) bool { return i >= 7 && i < 20 }},
		"the last":             {lose: func(i int64) bool { return i == n }},
		"more than one answer": {lose: func(i int64) bool { return i == 5 || i == 30 }},
		"always":               {lose: func(i int64) bool { return i%2 == 0 }, fail: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := eventstest.Start(t)
			writer := eventstest.NewLog(t, s.Connect(t), events.StreamsConfig{})
			for range n {
				insist(t, writer, candidate(session))
			}
			w := &lossy{lose: c.lose}
			nc, err := nats.Connect(w.listen(t, s.Address()), nats.NoReconnect())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(nc.Close)
			l, err := events.New(nc, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			var got []events.Seq
			err = l.Read(ctx, events.SessionsStream, "", 1, func(e events.Event) error {
				got = append(got, e.Sequence)
				return nil
			})
			for i, seq := range got {
				if seq != events.Seq(i)+1 {
					t.Fatalf("event %d came in place %d: %v", seq, i, got)
				}
			}
			if w.lost.Load() == 0 {
				t.Fatal("nothing was lost on the wire")
			}
			if c.fail {
				if !errors.Is(err, events.ErrUnavailable) {
					t.Fatalf("%d of %d events, and the error is %v", len(got), n, err)
				}
				return
			}
			if err != nil || len(got) != n {
				t.Fatalf("%d of %d events, %v", len(got), n, err)
			}
		})
	}
}
