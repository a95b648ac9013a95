package webhook

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"streamstack/events"
)

// Acknowledgements (ADR-15).
var (
	ackDone     = []byte("+ACK")
	ackAgain    = []byte("-NAK")
	ackProgress = []byte("+WPI")
)

// tenure is the time in which this gateway is the pinned one. One goroutine, that of loop, owns all of it; jobs hand back
// what they found as functions for it to call.
type tenure struct {
	*deliverer
	puller  *puller
	cons    jetstream.Consumer
	lanes   *lanes
	results chan func()
	jobs    sync.WaitGroup
	// open tells that all that an earlier gateway had not acknowledged is here: before, nothing is delivered.
	open bool

	// ended tells that no job may begin any more.
	ended bool

	cond, saved Condition
	saving      bool
}

// loop delivers until the context ends or another gateway is pinned.
func (t *tenure) loop(ctx context.Context) error {
	// Attempts that have begun shall end, for a while, when the gateway stops: end sees to that.
	jobs, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	defer t.finish(ctx)
	alive, gate, status := time.NewTicker(t.times.alive), time.NewTicker(t.times.gate), time.NewTicker(t.times.status)
	defer alive.Stop()
	defer gate.Stop()
	defer status.Stop()
	due := time.NewTimer(time.Hour)
	defer due.Stop()
	for {
		t.start(jobs, due)
		var err error
		select {
		case <-ctx.Done():
			return fmt.Errorf("webhook: %w", ctx.Err())
		case m := <-t.puller.msgs:
			var it item
			var ok bool
			if it, ok, err = t.puller.got(m); ok {
				t.arrived(it)
			}
		case <-t.puller.silence.C:
			err = t.puller.ask()
		case apply := <-t.results:
			apply()
		case <-alive.C:
			for _, reply := range t.lanes.acks() {
				t.ack(reply, ackProgress)
			}
		case <-gate.C:
			if t.open = t.open || t.complete(ctx); t.open {
				gate.Stop()
			}
		case <-status.C:
			t.save(jobs)
		case <-due.C:
		}
		if err != nil {
			return err
		}
	}
}

// finish waits for the attempts under way, unless the tenure was lost; then they are cut by loop's context.
func (t *tenure) finish(ctx context.Context) {
	if ctx.Err() == nil {
		return
	}
	timer := time.NewTimer(t.times.stop)
	defer timer.Stop()
	for t.lanes.busy > 0 {
		select {
		case apply := <-t.results:
			apply()
		case <-timer.C:
			return
		}
	}
}

// end gives back what was not delivered, so that another gateway has it at once and not only after the ack's wait.
func (t *tenure) end(ctx context.Context, lost bool) {
	t.ended = true
	go func() { // ends with the jobs, whose context is over
		t.jobs.Wait()
		close(t.results)
	}()
	for apply := range t.results {
		apply()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.times.call)
	defer cancel()
	if !t.log.Conn().IsConnected() {
		return
	}
	for _, reply := range t.lanes.acks() {
		t.ack(reply, ackAgain)
	}
	if lost {
		return
	}
	if err := t.store.saveCondition(ctx, t.condition()); err != nil {
		t.logger.Debug("webhook's condition not kept", "err", err)
	}
	stream, err := t.log.JetStream().Stream(ctx, events.SessionsStream)
	if err == nil {
		err = stream.UnpinConsumer(ctx, events.WebhookConsumer(t.hook.ID), group)
	}
	if err != nil && !gone(err) {
		t.logger.Debug("webhook not unpinned", "err", err) // its time runs out
	}
}

// arrived takes in an event from the consumer.
func (t *tenure) arrived(it item) {
	if !t.hook.match(it.event) || !t.lanes.add(it) {
		t.ack(it.ack, ackDone)
	}
}

// ack tells the consumer about a message. One that is lost means that the message comes again.
func (t *tenure) ack(reply string, what []byte) {
	if err := t.log.Conn().Publish(reply, what); err != nil {
		t.logger.Debug("acknowledgement not sent", "err", err)
	}
}

// complete asks whether everything that is not acknowledged is here. What an earlier gateway had, it gave back, or the
// server gives it again when its wait is over; until then, newer events of a session may come before older ones.
func (t *tenure) complete(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, t.times.call)
	defer cancel()
	info, err := t.cons.Info(ctx)
	if err != nil {
		t.logger.Debug("webhook's consumer does not answer", "err", err)
		return false
	}
	return info.NumAckPending == t.lanes.held
}

// start begins what is due, and sets the timer to what is due next.
func (t *tenure) start(ctx context.Context, due *time.Timer) {
	for t.open && time.Since(t.puller.confirmed) < t.times.fresh {
		l, again := t.lanes.next(time.Now())
		if l == nil {
			if !again.IsZero() {
				due.Reset(time.Until(again))
			}
			return
		}
		switch {
		case l.leaving:
			t.unpark(ctx, l)
		case t.lanes.shallPark(l):
			t.park(ctx, l)
		case len(l.items) == 0:
			t.refill(ctx, l)
		default:
			t.post(ctx, l)
		}
	}
}

func (t *tenure) condition() Condition {
	c := t.cond
	c.Failing, c.Parked = t.lanes.failures, t.lanes.parked
	return c
}

// save writes the condition if it has changed, beside everything else.
func (t *tenure) save(ctx context.Context) {
	c := t.condition()
	if t.saving || c == t.saved || !t.log.Conn().IsConnected() {
		return
	}
	t.saving = true
	t.jobs.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, t.times.call)
		defer cancel()
		err := t.store.saveCondition(ctx, c)
		t.results <- func() {
			t.saving = false
			if err == nil {
				t.saved = c
			} else {
				t.logger.Debug("webhook's condition not kept", "err", err)
			}
		}
	})
}
