package connect

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// chunks is a connection that gives what it holds, a piece at a read, and then its end.
type chunks struct {
	net.Conn
	list [][]byte
	end  error
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.list) == 0 {
		return 0, c.end
	}
	n := copy(p, c.list[0])
	if c.list[0] = c.list[0][n:]; len(c.list[0]) == 0 {
		c.list = c.list[1:]
	}
	return n, nil
}

// However the bytes arrive, all are handed on, but for a violation that is the last of them.
func TestLastingLeavesOutTheLastWordsOnly(t *testing.T) {
	broken := errors.New("reset")
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.SampledFrom([]string{violation, "-ERR '", "-ERR 'Maximum Payload", "\r\n", "PING\r\n", "-ERR 'Authorization Violation'\r\n", "x"})).Draw(t, "parts")
		var all []byte
		for _, p := range parts {
			all = append(all, p...)
		}
		c := &chunks{end: rapid.SampledFrom([]error{io.EOF, broken}).Draw(t, "end")}
		for rest := all; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "n")
			c.list, rest = append(c.list, rest[:n:n]), rest[n:]
		}
		want, wantErr := string(all), c.end
		if len(all) >= len(violation) && want[len(want)-len(violation):] == violation {
			want, wantErr = want[:len(want)-len(violation)], io.EOF
		}
		l := Lasting(c)
		var got []byte
		for p := make([]byte, rapid.IntRange(1, 64).Draw(t, "buffer")); ; {
			n, err := l.Read(p)
			got = append(got, p[:n]...)
			if err != nil {
				if !errors.Is(err, wantErr) {
					t.Fatalf("%v, want %v", err, wantErr)
				}
				break
			}
		}
		if string(got) != want {
			t.Fatalf("%q, want %q", got, want)
		}
	})
}

func TestLastingTakesNoDeadlineForTheEnd(t *testing.T) {
	client, far := net.Pipe()
	t.Cleanup(func() { _ = far.Close() })
	l := Lasting(client)
	go func() { _, _ = far.Write([]byte(violation)) }()
	p := make([]byte, 100)
	for end := time.Now().Add(30 * time.Second); ; { // until the line is there, whole
		require.NoError(t, l.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
		n, err := l.Read(p)
		require.Zero(t, n)
		var network net.Error
		require.ErrorAs(t, err, &network)
		require.True(t, network.Timeout())
		inner, ok := l.(*lasting)
		require.True(t, ok)
		if string(inner.held) == violation {
			break
		}
		require.True(t, time.Now().Before(end), "only %q is held", inner.held)
	}
	require.NoError(t, l.SetReadDeadline(time.Time{}))
	go func() { _, _ = far.Write([]byte("PING\r\n")) }()
	got := make([]byte, len(violation)+6)
	_, err := io.ReadFull(l, got)
	require.NoError(t, err)
	require.Equal(t, violation+"PING\r\n", string(got))
}

// A server that finds a message too long, since the account was changed, costs a connection of ours no more than a
// reconnect. The library by itself closes it for ever.
func TestConnectionOutlastsAPayloadViolation(t *testing.T) {
	operator, account := newPair(t, nkeys.CreateOperator), newPair(t, nkeys.CreateAccount)
	claims := jwt.NewAccountClaims(public(t, account))
	resolver := &server.MemAccResolver{}
	text, err := claims.Encode(operator)
	require.NoError(t, err)
	require.NoError(t, resolver.Store(claims.Subject, text))
	o := jwt.NewOperatorClaims(public(t, operator))
	text, err = o.Encode(operator)
	require.NoError(t, err)
	o, err = jwt.DecodeOperatorClaims(text)
	require.NoError(t, err)
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true, TrustedOperators: []*jwt.OperatorClaims{o}, AccountResolver: resolver,
	})
	require.NoError(t, err)
	s.Start()
	t.Cleanup(s.Shutdown)
	require.True(t, s.ReadyForConnections(30*time.Second))

	kp := newPair(t, nkeys.CreateUser)
	text, err = jwt.NewUserClaims(public(t, kp)).Encode(account)
	require.NoError(t, err)
	seed, err := kp.Seed()
	require.NoError(t, err)
	again := make(chan struct{}, 1)
	nc, err := Dial(t.Context(), s.ClientURL(), "", "a", slog.New(slog.DiscardHandler), nats.UserJWTAndSeed(text, string(seed)), nats.ReconnectWait(time.Millisecond),
		nats.ReconnectHandler(func(*nats.Conn) { again <- struct{}{} }))
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	require.NoError(t, nc.Publish("x", []byte("fits")))
	require.NoError(t, nc.Flush())

	known, err := s.LookupAccount(claims.Subject)
	require.NoError(t, err)
	claims.Limits.Payload = 1
	s.UpdateAccountClaims(known, claims)
	require.NoError(t, nc.Publish("x", []byte("too long now")))
	select {
	case <-again:
	case <-time.After(30 * time.Second):
		t.Fatalf("no reconnect: %v, %v", nc.Status(), nc.LastError())
	}
	closed, err := s.Connz(&server.ConnzOptions{State: server.ConnClosed})
	require.NoError(t, err)
	require.Equal(t, server.MaxPayloadExceeded.String(), closed.Conns[0].Reason)
	require.NoError(t, nc.Publish("x", []byte("1")))
	require.NoError(t, nc.Flush())
}

func newPair(t *testing.T, create func() (nkeys.KeyPair, error)) nkeys.KeyPair {
	t.Helper()
	kp, err := create()
	require.NoError(t, err)
	return kp
}

func public(t *testing.T, kp nkeys.KeyPair) string {
	t.Helper()
	pub, err := kp.PublicKey()
	require.NoError(t, err)
	return pub
}
