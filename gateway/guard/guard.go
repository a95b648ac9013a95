// Package guard looks at those calls of the JetStream API that NATS permissions cannot narrow, and hands on what a role
// may do.
//
// A permission is about a subject. What a Direct Get reads, what a consumer reads and where it delivers to are in the
// request's body; and names of consumers are single tokens, of which no pattern takes a part. So agents, operators and
// analysts have no right to those calls (package events/trust says more). They publish them on guard.<role>.…; a gateway
// takes each, looks at it, and publishes it on $JS.API with the asker's own reply subject. JetStream answers the asker;
// nothing flows back through here, but the one answer to an analyst who makes a consumer. What is refused is answered with JetStream's own form of an error, which says what
// would be allowed.
//
// It stands on core NATS alone and keeps no state: any number of gateways share the calls. While none runs, agents claim
// nothing, which they would not be asked to either, and analysts make no consumers.
//
// The body that is handed on is never the one that came, but what was understood of it, written anew: two readers of
// one JSON text need not agree on what a name that is in it twice means.
package guard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"streamstack/events/trust"
)

const (
	// queue is shared by all gateways, so that one takes each call.
	queue = "guard"
	// atOnce bounds the calls that wait for an answer of the log themselves; the others wait for nothing.
	atOnce = 64
	// lookTime bounds that wait.
	lookTime = 2 * time.Second
)

// The parts of NATS that calls are handed on to.
const (
	apiPrefix = "$JS.API."
	ackPrefix = "$JS.ACK."
	ackCall   = "ACK"
)

// Serve checks calls until the context ends. The connection stays the caller's to close.
func Serve(ctx context.Context, nc *nats.Conn, log *slog.Logger) error {
	g := &guard{nc: nc, log: log.With("component", "guard")}
	g.slow.SetLimit(atOnce)
	sub, err := nc.QueueSubscribe(trust.Guard+".>", queue, func(m *nats.Msg) { g.take(ctx, m) })
	if err != nil {
		return fmt.Errorf("guard: %w", err)
	}
	<-ctx.Done()
	_ = sub.Drain()   // fails only when the connection is closed
	_ = g.slow.Wait() // its functions answer, and return nothing
	return fmt.Errorf("guard: %w", ctx.Err())
}

type guard struct {
	nc   *nats.Conn
	log  *slog.Logger
	slow errgroup.Group
}

// take looks at one message, on the subscription's goroutine.
func (g *guard) take(ctx context.Context, m *nats.Msg) {
	who, call, ok := parse(m.Subject)
	if !ok || !who.mayAnswerOn(m.Reply, call) {
		g.log.Warn("call dropped: its answer would go elsewhere", "subject", m.Subject, "reply", m.Reply)
		return
	}
	out, err := who.check(call, m.Data)
	switch {
	case err != nil:
		g.refuse(m, call, err)
	case who.elsewhere():
		g.slow.Go(func() error {
			if err := g.relay(ctx, m, out); err != nil {
				g.refuse(m, call, err)
			}
			return nil
		})
	case out.session != "":
		g.slow.Go(func() error {
			if err := g.exists(ctx, out.session); err != nil {
				g.refuse(m, call, err)
				return nil
			}
			g.forward(m, out)
			return nil
		})
	default:
		g.forward(m, out)
	}
}

// outcome is a call that is allowed.
type outcome struct {
	subject string
	body    []byte
	// session is a subject that must hold an event for the call to be allowed; empty for none.
	session string
}

// forward hands a call on. Its headers stay behind: none is needed, and some have the server send elsewhere.
func (g *guard) forward(m *nats.Msg, o outcome) {
	if err := g.nc.PublishMsg(&nats.Msg{Subject: o.subject, Reply: m.Reply, Data: o.body}); err != nil {
		g.log.Warn("call not handed on", "subject", o.subject, "err", err)
	}
}

// relay makes a call for somebody in another account and hands the answer back: a client may not name a reply subject
// that leads there.
func (g *guard) relay(ctx context.Context, m *nats.Msg, o outcome) error {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	answer, err := g.nc.RequestWithContext(ctx, o.subject, o.body)
	if err != nil {
		return fmt.Errorf("guard: JetStream does not answer: %w", err)
	}
	if err := g.nc.Publish(m.Reply, answer.Data); err != nil {
		return fmt.Errorf("guard: %w", err)
	}
	return nil
}

// refuse answers a call. A pull and a Direct Get have no JSON for an answer but a status, which clients look for in the
// headers.
func (g *guard) refuse(m *nats.Msg, call []string, cause error) {
	g.log.Warn("call refused", "subject", m.Subject, "err", cause)
	if m.Reply == "" {
		return
	}
	answer := nats.NewMsg(m.Reply)
	if c := strings.Join(call, "."); strings.HasPrefix(c, "CONSUMER.MSG.NEXT.") || strings.HasPrefix(c, "DIRECT.GET.") {
		answer.Header.Set("Status", fmt.Sprint(http.StatusForbidden))
		answer.Header.Set("Description", cause.Error())
	} else {
		body, err := json.Marshal(map[string]any{
			"type":  "io.nats.jetstream.api.v1.error",
			"error": map[string]any{"code": http.StatusForbidden, "description": cause.Error()},
		})
		if err != nil {
			g.log.Error("refusal not said", "err", err)
			return
		}
		answer.Data = body
	}
	if err := g.nc.PublishMsg(answer); err != nil {
		g.log.Warn("refusal not said", "err", err)
	}
}

// errUnknownSession is why a session's consumer is refused.
var errUnknownSession = errors.New("guard: no such session in this region")

// exists tells whether a subject of SESSIONS holds an event.
func (g *guard) exists(ctx context.Context, subject string) error {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	m, err := g.nc.RequestWithContext(ctx, apiPrefix+"DIRECT.GET."+sessions+"."+subject, nil)
	if err != nil {
		return fmt.Errorf("guard: the log does not answer: %w", err)
	}
	if m.Header.Get("Status") != "" && len(m.Data) == 0 {
		return errUnknownSession
	}
	return nil
}
