package events

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Limits of one batched Direct Get (ADR-31).
const (
	batchMessages = 512
	batchBytes    = 4 << 20
	// readTimeout bounds the wait for each message of an answer, not the time the reader takes for them; a replica that
	// goes away while it answers never ends the batch.
	readTimeout = 1800 * time.Millisecond
)

// directRequest is the body of $JS.API.DIRECT.GET.<stream> and of $JS.API.STREAM.MSG.GET.<stream>. With a Batch it
// asks for many messages and the end of the batch, without for one.
type directRequest struct {
	Seq Seq `json:"seq,omitempty"`
	// From, in place of Seq, is the time that the first message wanted was stored at or after.
	From     *time.Time `json:"start_time,omitempty"`
	NextFor  string     `json:"next_by_subj,omitempty"`
	LastFor  string     `json:"last_by_subj,omitempty"`
	Batch    int        `json:"batch,omitempty"`
	MaxBytes int        `json:"max_bytes,omitempty"`
}

// served is how many headers the server adds to each message of the answer.
func (r directRequest) served() int {
	if r.Batch > 0 {
		return servedBatch
	}
	return servedSingle
}

// direct does one Direct Get and hands each message on, in order; pending is how many more the filter holds. Any
// replica may answer, so the newest events may be missing.
func (l *Log) direct(ctx context.Context, stream string, r directRequest, fn func(Event) error) (pending int, err error) {
	named := l.Refusals()
	ask, err := l.ask(ctx, stream, r)
	if err != nil {
		return 0, err
	}
	defer ask.stop()
	var seen chain
	for {
		m, err := ask.next(ctx)
		if err != nil {
			return 0, named(fmt.Errorf("%w: direct get of %s", err, stream))
		}
		if isStatus(m) {
			if err := seen.follows(m); err != nil {
				return 0, fmt.Errorf("%w: direct get of %s", err, stream)
			}
			return directStatus(m, stream)
		}
		var e Event
		if intact(m.Header, headerSize(m), r.served()) && last(m.Header, hdrSequence) != "" {
			if err := seen.follows(m); err != nil && r.Batch > 0 {
				return 0, fmt.Errorf("%w: direct get of %s", err, stream)
			}
			if e, err = decodeServed(m); err != nil {
				return 0, err
			}
		} else {
			// What the server says of this message cannot be read from it, but it is the next one.
			var found bool
			if e, found, err = l.stored(ctx, stream, r); err != nil {
				return 0, err
			} else if !found {
				e.Sequence = 0 // it has expired since
			}
		}
		seen = chain{at: e.Sequence, unknown: e.Sequence == 0}
		if e.Sequence >= max(r.Seq, 1) {
			if err := fn(e); err != nil {
				return 0, err
			}
			r.Seq = e.Sequence + 1
		}
		if r.Batch == 0 {
			return 0, nil
		}
	}
}

// errLost says that messages of an answer did not arrive. The subscription to an answer outlives a reconnect of the client,
// which then gets the end of what the server was sending, without the middle.
var errLost = fmt.Errorf("%w: messages of an answer were lost on their way", ErrUnavailable)

// chain is the place within a batch: each message, and its end, names the sequence of the message before it (ADR-31).
type chain struct {
	at      Seq // of the message before, 0 at the beginning
	unknown bool
}

// follows returns [errLost] unless m comes right after what came before it.
func (c chain) follows(m *nats.Msg) error {
	before := last(m.Header, hdrLastSequence)
	if c.unknown || before == "" || before == strconv.FormatUint(uint64(c.at), 10) { // an answer without messages names none
		return nil
	}
	return errLost
}

// answers receives what comes to one request.
type answers struct {
	sub   *nats.Subscription
	msgs  chan *nats.Msg
	timer *time.Timer
}

func (l *Log) ask(ctx context.Context, stream string, r directRequest) (*answers, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("events: direct get: %w", err)
	}
	if err := l.connected(ctx, readTimeout); err != nil {
		return nil, err
	}
	inbox := l.nc.NewInbox()
	a := &answers{msgs: make(chan *nats.Msg, r.Batch+2)} // the status that ends a batch, and the message of a single get
	if a.sub, err = l.nc.ChanSubscribe(inbox, a.msgs); err != nil {
		return nil, readError(stream, err)
	}
	if err := l.nc.PublishRequest(l.api("DIRECT.GET."+stream), inbox, body); err != nil {
		_ = a.sub.Unsubscribe() // fails only when the connection is closed, and then nothing is left of it
		return nil, readError(stream, err)
	}
	a.timer = time.NewTimer(readTimeout)
	return a, nil
}

func (a *answers) stop() {
	a.timer.Stop()
	_ = a.sub.Unsubscribe() // fails only when the connection is closed, and then nothing is left of it
}

func (a *answers) next(ctx context.Context) (*nats.Msg, error) {
	a.timer.Reset(readTimeout)
	select {
	case m := <-a.msgs:
		return m, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("events: %w", ctx.Err())
	case <-a.timer.C:
		return nil, fmt.Errorf("%w: no answer within %s", ErrUnavailable, readTimeout)
	}
}

// directStatus reads the message that ends an answer.
func directStatus(m *nats.Msg, stream string) (pending int, err error) {
	switch status := last(m.Header, "Status"); status {
	case "404":
		return 0, nil
	case "204":
		n, err := strconv.Atoi(last(m.Header, "Nats-Num-Pending"))
		if err != nil {
			return 0, fmt.Errorf("events: direct get of %s: end of batch without a count: %w", stream, err)
		}
		return n, nil
	case "503":
		return 0, readError(stream, nats.ErrNoResponders)
	default:
		return 0, fmt.Errorf("events: direct get of %s: %s %s", stream, status, last(m.Header, "Description"))
	}
}

// stored asks the stream's leader for the one message that r begins with. It is slower than a Direct Get, and differs
// in two ways: nothing that is stored is newer than what the leader has, and its answer is JSON, in which what the
// server says cannot be confused with what a publisher wrote.
func (l *Log) stored(ctx context.Context, stream string, r directRequest) (e Event, found bool, err error) {
	r.Batch, r.MaxBytes = 0, 0
	if r.LastFor != "" {
		r.Seq = 0
	} else if r.NextFor == "" {
		r.NextFor = ">"
	}
	body, err := json.Marshal(r)
	if err != nil {
		return Event{}, false, fmt.Errorf("events: get: %w", err)
	}
	named := l.Refusals()
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	m, err := l.nc.RequestWithContext(ctx, l.api("STREAM.MSG.GET."+stream), body)
	if err != nil {
		return Event{}, false, named(readError(stream, err))
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message *struct {
			Subject string    `json:"subject"`
			Seq     Seq       `json:"seq"`
			Headers []byte    `json:"hdrs"`
			Data    []byte    `json:"data"`
			Time    time.Time `json:"time"`
		} `json:"message"`
	}
	switch err := json.Unmarshal(m.Data, &answer); {
	case err != nil:
		return Event{}, false, fmt.Errorf("events: get from %s: %w", stream, err)
	case answer.Error != nil && answer.Error.Code == 404:
		return Event{}, false, nil
	case answer.Error != nil:
		return Event{}, false, readError(stream, answer.Error)
	case answer.Message == nil:
		return Event{}, false, fmt.Errorf("events: get from %s: an answer without a message", stream)
	}
	s := answer.Message
	h, err := nats.DecodeHeadersMsg(s.Headers)
	if err != nil {
		h = nil // and so not intact, unless there was none
	}
	return decode(s.Subject, s.Seq, s.Time, h, s.Data, 0, intact(h, len(s.Headers), 0)), true, nil
}

// decodeServed reads an intact message to which the server added its headers: from Direct Get or a live subject. By
// the reading rule the last value counts.
func decodeServed(m *nats.Msg) (Event, error) {
	seq, err := strconv.ParseUint(last(m.Header, hdrSequence), 10, 64)
	if err != nil {
		return Event{}, fmt.Errorf("events: %s: no sequence from the server: %w", m.Subject, err)
	}
	stored, err := time.Parse(time.RFC3339Nano, last(m.Header, hdrStored))
	if err != nil {
		return Event{}, fmt.Errorf("events: %s: no time from the server: %w", m.Subject, err)
	}
	return decode(last(m.Header, hdrSubject), Seq(seq), stored, m.Header, m.Data, 1, true), nil
}

// api is a subject of the JetStream API.
func (l *Log) api(call string) string {
	if l.prefix != "" {
		return l.prefix + "." + call
	}
	return jetstream.DefaultAPIPrefix + call
}
