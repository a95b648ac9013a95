package natsd

import (
	"context"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	carry "streamstack/events/bridge"
)

// The bytes of a share go between a gateway and the session's streamer, and nobody else hears or says any.
func TestBridgeIsOfOneSession(t *testing.T) {
	h := newHouse(t)
	s := h.streamer(here, mine)
	s.publishes(carry.Subject(here, mine, "c1", "down"))
	s.subscribes(carry.Subject(here, mine, "*", "open"), carry.Subject(here, mine, "c1", "up"))
	s.maynotPublish(carry.Subject(here, mine, "c1", "up"), carry.Subject(here, mine, "c1", "open"), carry.Subject(here, theirs, "c1", "down"),
		carry.Subject(there, mine, "c1", "down"))
	s.maynotSubscribe("bridge.>", carry.Subject(here, theirs, "*", "up"), carry.Subject(there, mine, "*", "open"), carry.Subject(here, mine, "*", "down"))
	h.gw.maynotPublish(carry.Subject(here, mine, "c1", "down"))
	for _, u := range []*user{h.agent(here, agentMine), h.operator(), h.analytics()} {
		u.maynotSubscribe("bridge.>", carry.Subject(here, mine, "c1", "up"), carry.Subject(here, mine, "c1", "down"))
		u.maynotPublish(carry.Subject(here, mine, "c1", "open"), carry.Subject(here, mine, "c1", "up"), carry.Subject(here, mine, "c1", "down"))
	}

	// With the rights that both have it works.
	near, far := net.Pipe()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	b := &carry.Server{Conn: s.nc, Region: here, Session: mine, Log: slog.New(slog.DiscardHandler),
		Dial: func(context.Context) (carry.Stream, error) { return whole{far}, nil }}
	done := make(chan error, 2)
	go func() { done <- b.Run(ctx) }()
	c, err := carry.Dial(ctx, h.gw.nc, carry.Address{Region: here, Session: mine, Connection: "c1"})
	require.NoError(t, err)
	outside, inside := net.Pipe()
	go func() { _, err := c.Run(ctx, whole{inside}); done <- err }()
	require.NoError(t, outside.SetDeadline(time.Now().Add(patience)))
	require.NoError(t, near.SetDeadline(time.Now().Add(patience)))
	for _, way := range [][2]net.Conn{{outside, near}, {near, outside}} {
		_, err = way[0].Write([]byte("hello"))
		require.NoError(t, err)
		got := make([]byte, 5)
		_, err = io.ReadFull(way[1], got)
		require.NoError(t, err)
		require.Equal(t, "hello", string(got))
	}
	cancel()
	for range 2 {
		require.Error(t, <-done, "they end with their context")
	}
}

// whole is a pipe, which has no halves to close.
type whole struct{ net.Conn }

func (w whole) CloseWrite() error { return nil }
