package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Figures of a follower's pulls.
const (
	// pullMessages is how many messages may be under way to a follower. Half of them are asked for anew while the other half
	// still comes, so that the server never waits for the reader's question.
	pullMessages = 1024
	pullHalf     = pullMessages / 2
	pullExpires  = 30 * time.Second
	// pullBeat is how often the server says that it is there, pullSilence how long nothing may come before the consumer
	// is made anew.
	pullBeat    = time.Second
	pullSilence = 3 * pullBeat
	// followerLife is how long the server keeps a consumer that nobody pulls from.
	followerLife = time.Minute
)

// Start says where [Log.Follow] begins: at a sequence if it is not 0, else at a time if it is not zero, else with what
// comes next when New is set, else at the beginning.
type Start struct {
	Seq  Seq
	Time time.Time
	New  bool
}

// Follow hands on what the filters hold of a stream, in order, each once, without end, through an ordered consumer. It
// survives reconnects and restarts of the server, and ends with [ErrRefused] where the credentials may not follow. fn runs on the caller's goroutine; its error ends Follow and is
// returned, as is the context's. caught, if not nil, is called each time nothing more is waiting.
//
// The consumer is our own rather than the client library's: that one takes a stored message with an empty body and a
// header Status for the server's word, and a publisher could so stop or confuse whoever reads it.
func (l *Log) Follow(ctx context.Context, stream string, filters []string, from Start, fn func(Event) error, caught func()) error {
	if caught == nil {
		caught = func() {}
	}
	f := &follower{log: l, stream: stream, filters: filters, from: from, fn: fn, caught: caught}
	for {
		err := f.run(ctx)
		var stop errStopped
		var api *jetstream.APIError
		switch {
		case errors.As(err, &stop):
			return stop.error
		case ctx.Err() != nil:
			return fmt.Errorf("events: follow %s: %w", stream, ctx.Err())
		case l.nc.IsClosed():
			return fmt.Errorf("%w: follow %s: %w", ErrUnavailable, stream, nats.ErrConnectionClosed)
		case errors.Is(err, ErrRefused):
			return err
		case errors.As(err, &api) && api.Code != http.StatusServiceUnavailable && !errors.Is(err, jetstream.ErrConsumerNotFound):
			return err
		}
		l.log.Debug("follow: begins anew", "stream", stream, "next", f.from.Seq, "err", err)
		if err := wait(ctx, readRetry); err != nil {
			return err
		}
	}
}

// follower is the state of one [Log.Follow]; from moves on with what was handed on.
type follower struct {
	log     *Log
	stream  string
	filters []string
	from    Start
	fn      func(Event) error
	caught  func()
	once    bool // ends with errCaught when nothing more is waiting
}

// errCaught ends a follower that reads what is stored, and no more.
var errCaught = errors.New("events: nothing more is waiting")

// drain hands on what a stream holds from the sequence from on, through an ordered consumer, and returns when nothing more
// is waiting. It is tenfold the work of a batched Direct Get to begin with, and a third of it for each message: the server
// sends stored messages as they are, without a question every 512 of them. What it returns other than nil or an error
// of fn can be tried again from where fn was.
func (l *Log) drain(ctx context.Context, stream string, from Seq, fn func(Event) error) error {
	f := &follower{log: l, stream: stream, from: Start{Seq: from}, fn: fn, once: true}
	f.caught = func() {}
	err := f.run(ctx)
	var stop errStopped
	switch {
	case errors.Is(err, errCaught):
		return nil
	case errors.As(err, &stop):
		return stop.error
	}
	return err
}

// errRenew ends a consumer that has come to its end; the follower makes another.
var errRenew = errors.New("events: the consumer must be made anew")

func (f *follower) config() jetstream.ConsumerConfig {
	c := jetstream.ConsumerConfig{
		FilterSubjects: f.filters, AckPolicy: jetstream.AckNonePolicy, DeliverPolicy: jetstream.DeliverAllPolicy,
		InactiveThreshold: followerLife, MemoryStorage: true, Replicas: 1, MaxDeliver: 1,
	}
	if f.log.consumers != "" {
		c.Name = f.log.consumers + uuid.NewString()
	}
	switch {
	case f.from.Seq > 0:
		c.DeliverPolicy, c.OptStartSeq = jetstream.DeliverByStartSequencePolicy, uint64(f.from.Seq)
	case !f.from.Time.IsZero():
		c.DeliverPolicy, c.OptStartTime = jetstream.DeliverByStartTimePolicy, &f.from.Time
	case f.from.New:
		c.DeliverPolicy = jetstream.DeliverNewPolicy
	}
	return c
}

// run makes a consumer and reads from it until something breaks.
func (f *follower) run(ctx context.Context) error {
	l := f.log
	if err := l.connected(ctx, readTimeout); err != nil {
		return err
	}
	status := l.nc.StatusChanged(nats.DISCONNECTED, nats.RECONNECTING, nats.CLOSED)
	defer l.nc.RemoveStatusListener(status)
	named := l.Refusals()
	cons, err := l.js.CreateConsumer(ctx, f.stream, f.config())
	if err != nil {
		return named(fmt.Errorf("events: follow %s: %w", f.stream, err))
	}
	info := cons.CachedInfo()
	// Nobody waits for the answer: if it is lost, the server removes the consumer when its time is over.
	defer func() { _ = l.nc.Publish(l.api("CONSUMER.DELETE."+f.stream+"."+info.Name), nil) }()
	if f.from.Seq == 0 && f.from.New {
		f.from.Seq = Seq(info.Delivered.Stream) + 1 // what comes next stays the same if it must be made anew
	}
	msgs := make(chan *nats.Msg, 2*pullMessages)
	inbox := l.nc.NewInbox()
	sub, err := l.nc.ChanSubscribe(inbox, msgs)
	if err != nil {
		return readError(f.stream, err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only when the connection is closed
	if info.NumPending == 0 {
		if f.once {
			return errCaught
		}
		f.caught()
	}
	return f.pull(ctx, info.Name, inbox, msgs, status)
}

// pull asks for messages, a new half whenever one has come, and hands them on.
func (f *follower) pull(ctx context.Context, consumer, inbox string, msgs <-chan *nats.Msg, status <-chan nats.Status) error {
	request, err := json.Marshal(struct {
		Batch   int           `json:"batch"`
		Expires time.Duration `json:"expires"`
		Beat    time.Duration `json:"idle_heartbeat"`
	}{pullHalf, pullExpires, pullBeat})
	if err != nil {
		return fmt.Errorf("events: follow: %w", err)
	}
	silence := time.NewTimer(pullSilence)
	defer silence.Stop()
	wanted, delivered := 0, uint64(0)
	for {
		for wanted <= pullHalf {
			if err := f.log.nc.PublishRequest(f.log.api("CONSUMER.MSG.NEXT."+f.stream+"."+consumer), inbox, request); err != nil {
				return readError(f.stream, err)
			}
			wanted += pullHalf
		}
		silence.Reset(pullSilence)
		select {
		case <-ctx.Done():
			return fmt.Errorf("events: follow: %w", ctx.Err())
		case <-status:
			return errRenew
		case <-silence.C:
			return errRenew
		case m := <-msgs:
			switch {
			case isDelivery(m):
				wanted--
				if err := f.hand(m, &delivered); err != nil {
					return err
				}
			case last(m.Header, "Status") == "100": // the server is there
			case last(m.Header, "Status") == "408": // a request's time is over
				left, err := strconv.Atoi(last(m.Header, "Nats-Pending-Messages"))
				if err != nil || left < 0 || left > wanted {
					return errRenew
				}
				wanted -= left
			default:
				return errRenew
			}
		}
	}
}

// hand decodes a message and hands it on; delivered is the consumer's count, in which a gap shows a lost message.
func (f *follower) hand(m *nats.Msg, delivered *uint64) error {
	meta, err := m.Metadata()
	if err != nil {
		return fmt.Errorf("events: follow %s: %w", f.stream, err)
	}
	if meta.Sequence.Consumer != *delivered+1 {
		return errRenew
	}
	*delivered++
	seq := Seq(meta.Sequence.Stream)
	if err := f.fn(decode(m.Subject, seq, meta.Timestamp, m.Header, m.Data, 0, intact(m.Header, headerSize(m), 0))); err != nil {
		return errStopped{err}
	}
	f.from = Start{Seq: seq + 1}
	if meta.NumPending == 0 {
		if f.once {
			return errCaught
		}
		f.caught()
	}
	return nil
}

// Decode reads a message of a consumer; its place in the stream comes from the consumer's metadata. pending is how many
// more wait in the consumer.
func Decode(m jetstream.Msg) (e Event, pending uint64, err error) {
	meta, err := m.Metadata()
	if err != nil {
		return Event{}, 0, fmt.Errorf("events: %s: %w", m.Subject(), err)
	}
	return decode(m.Subject(), Seq(meta.Sequence.Stream), meta.Timestamp, m.Headers(), m.Data(), 0, true), meta.NumPending, nil
}
