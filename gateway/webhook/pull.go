package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"streamstack/events"
)

// group is the consumer's one priority group.
const group = "gateways"

// Why a puller ends.
var (
	errLost  = errors.New("webhook: another gateway delivers now")
	errRenew = errors.New("webhook: the consumer must be made anew")
)

// puller asks for a consumer's messages, one request at a time. It is our own rather than the client library's, which
// takes a stored message with the headers of a status for the server's word, and a pin from whatever header says so.
type puller struct {
	nc      *nats.Conn
	subject string // of requests
	inbox   string // of answers, followed by the request's number
	msgs    chan *nats.Msg
	sub     *nats.Subscription
	times   timing
	// pin shows that this is the pinned client; empty until it is.
	pin string
	// request is the current one's number, wanted how many messages it is still good for, and asked when it was sent.
	request, wanted int
	asked           time.Time
	// before is when the request before it was sent, and confirmed when the last one that was surely answered was.
	before, confirmed time.Time
	silence           *time.Timer
}

// pullRequest is the body of $JS.API.CONSUMER.MSG.NEXT (ADR-13, ADR-42).
type pullRequest struct {
	Batch   int           `json:"batch"`
	Expires time.Duration `json:"expires"`
	Beat    time.Duration `json:"idle_heartbeat"`
	Group   string        `json:"group"`
	Pin     string        `json:"id,omitempty"`
}

func newPuller(nc *nats.Conn, consumer string, t timing) (*puller, error) {
	p := &puller{nc: nc, inbox: nc.NewInbox(), msgs: make(chan *nats.Msg, 4*window), times: t, silence: time.NewTimer(0),
		subject: jetstream.DefaultAPIPrefix + "CONSUMER.MSG.NEXT." + events.SessionsStream + "." + consumer}
	var err error
	if p.sub, err = nc.ChanSubscribe(p.inbox+".*", p.msgs); err != nil {
		return nil, fmt.Errorf("webhook: pull: %w", err)
	}
	return p, nil // silence fires at once, and the first request is made
}

func (p *puller) close() {
	p.silence.Stop()
	_ = p.sub.Unsubscribe() // fails only when the connection is closed
}

// ask makes a new request. While NATS is away nothing is sent: it would all arrive at once when it is back.
func (p *puller) ask() error {
	p.silence.Reset(3 * p.times.beat)
	if !p.nc.IsConnected() {
		return nil
	}
	body, err := json.Marshal(pullRequest{Batch: window, Expires: p.times.pull, Beat: p.times.beat, Group: group, Pin: p.pin})
	if err != nil {
		return fmt.Errorf("webhook: pull: %w", err)
	}
	p.request++
	p.wanted, p.before, p.asked = window, p.asked, time.Now()
	if err := p.nc.PublishRequest(p.subject, p.inbox+"."+strconv.Itoa(p.request), body); err != nil {
		return fmt.Errorf("webhook: pull: %w", err)
	}
	return nil
}

// got takes a message; ok is true for an event.
func (p *puller) got(m *nats.Msg) (it item, ok bool, err error) {
	e, status, ok, err := events.DecodeDelivered(m)
	if err != nil {
		return item{}, false, err //nolint:wrapcheck // events says whose it is
	}
	// A delivery has the event's subject and so does not say which request it answers: the one before, at least.
	current := !ok && m.Subject == p.inbox+"."+strconv.Itoa(p.request)
	if current {
		p.confirmed = p.asked
	} else if ok && p.before.After(p.confirmed) {
		p.confirmed = p.before
	}
	if ok || current {
		p.silence.Reset(3 * p.times.beat)
	}
	switch {
	case ok:
		if p.wanted--; p.wanted <= 0 {
			err = p.ask()
		}
		return item{e, m.Reply}, true, err
	case !current, status == "100":
		return item{}, false, nil
	case status == "408": // the request's time is over
		return item{}, false, p.ask()
	case status == "423":
		return item{}, false, errLost
	default:
		return item{}, false, fmt.Errorf("%w: status %s %s", errRenew, status, m.Header.Get("Description"))
	}
}
