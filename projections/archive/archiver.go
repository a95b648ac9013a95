package archive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"streamstack/events"
)

// Figures of archiving.
const (
	// maxPeriod is the longest time that one segment holds; a retention of less than four of them has a quarter of it.
	maxPeriod       = 24 * time.Hour
	periodsRetained = 4
	// maxEvents bound a segment, and with it what a reader must fetch: some 15 MiB of Parquet.
	maxEvents = 256 << 10
	// A pass is made four times in a period, but at least every maxPause and at most every minPause.
	maxPause = 10 * time.Minute
	minPause = 100 * time.Millisecond
	// retryPause is the longest pause after a pass that failed.
	retryPause = 30 * time.Second
	// orphanAge is how old an object without an entry must be to be taken away: no gateway stores one for so long.
	orphanAge = time.Hour
)

// Config is what an archiver is made of.
type Config struct {
	Archive *Archive
	Logger  *slog.Logger
	// Folder, if not empty, gets a copy of every segment as a file. It may be shared by several archivers.
	Folder string
	// Retention is how long after an event its segment is kept, 0 for ever. Of several archivers the shortest counts. What
	// was copied to a folder stays there.
	Retention time.Duration
	// Now is where the time comes from; nil means time.Now.
	Now func() time.Time
}

// Archiver writes segments and takes care of them. Any number of them may run on one log.
type Archiver struct {
	cfg Config
	log *slog.Logger
	now func() time.Time

	maxEvents int
	orphanAge time.Duration
	collected time.Time
	// step, in tests, is asked before each step and may end the archiver there, as a kill would.
	step func(string) error
}

// NewArchiver makes an archiver; [Archiver.Run] runs it.
func NewArchiver(c Config) *Archiver {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Archiver{
		cfg: c, log: c.Logger.With("component", "archiver"), now: c.Now,
		maxEvents: maxEvents, orphanAge: orphanAge, step: func(string) error { return nil },
	}
}

// Run archives until the context ends, whose error it returns. A pass that fails is logged and made again.
func (a *Archiver) Run(ctx context.Context) error {
	for {
		l, err := a.pass(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("archive: %w", ctx.Err())
		}
		pause := min(max(period(l.age)/4, minPause), maxPause)
		if err != nil {
			a.log.Warn("archiving failed, it will be tried again", "err", err)
			pause = min(pause, retryPause)
		}
		timer := time.NewTimer(pause + rand.N(pause/4+1)) //nolint:gosec // gateways shall not work in step, that is all
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("archive: %w", ctx.Err())
		case <-timer.C:
		}
	}
}

// period is the longest time that a segment holds where events live for age; 0 is for ever.
func period(age time.Duration) time.Duration {
	if age <= 0 {
		return maxPeriod
	}
	return max(min(maxPeriod, age/periodsRetained), 1)
}

// Pass archives the periods that are over, copies new segments to the folder, and takes away what is too old, and what
// nobody refers to.
func (a *Archiver) Pass(ctx context.Context) error {
	_, err := a.pass(ctx)
	return err
}

func (a *Archiver) pass(ctx context.Context) (limits, error) {
	l, err := a.cfg.Archive.limits(ctx)
	if err != nil {
		return l, err
	}
	entries, objects, err := a.cfg.Archive.create(ctx, l)
	if err != nil {
		return l, err
	}
	over := a.now().Truncate(period(l.age))
	for {
		more, err := a.archiveNext(ctx, entries, objects, over, period(l.age))
		if err != nil {
			return l, err
		}
		if !more {
			break
		}
	}
	if err := a.copyToFolder(ctx); err != nil {
		return l, err
	}
	if err := a.prune(ctx, entries, objects); err != nil {
		return l, err
	}
	if err := a.collect(ctx, objects); err != nil {
		return l, err
	}
	return l, a.checkLag(ctx, l)
}

// archiveNext writes the segment after the last one, of events stored before over; more tells whether there may be another.
func (a *Archiver) archiveNext(ctx context.Context, entries jetstream.KeyValue, objects jetstream.ObjectStore, over time.Time, period time.Duration) (more bool, err error) {
	known, _, err := a.cfg.Archive.list(ctx)
	if err != nil {
		return false, err
	}
	d, err := a.write(ctx, end(known)+1, over, period)
	if err != nil || d == nil {
		return false, err
	}
	defer d.remove()
	if err := a.step("store"); err != nil {
		return false, err
	}
	info, err := objects.Put(ctx, jetstream.ObjectMeta{Name: d.segment.Object, Description: "lifecycle events as Parquet"}, d.file)
	if err != nil {
		return false, fmt.Errorf("archive: store segment %s: %w", d.segment.Object, err)
	}
	d.segment.NUID = info.NUID
	if err := a.step("enter"); err != nil {
		return false, err
	}
	won, err := a.enter(ctx, entries, d.segment)
	if err != nil {
		return false, err
	}
	if !won {
		if err := a.step("withdraw"); err != nil {
			return false, err
		}
		if err := objects.Delete(ctx, d.segment.Object); err != nil {
			return false, fmt.Errorf("archive: take back segment %s: %w", d.segment.Object, err)
		}
		return true, nil
	}
	a.log.Info("archived", "from", d.segment.From, "to", d.segment.To, "events", d.segment.Events, "sessions", d.segment.Sessions,
		"bytes", d.segment.Bytes, "stored_until", d.segment.Last)
	return true, nil
}

// enter makes a segment part of the archive, unless another archiver was first.
func (a *Archiver) enter(ctx context.Context, entries jetstream.KeyValue, s Segment) (won bool, err error) {
	text, err := s.entry()
	if err != nil {
		return false, err
	}
	_, err = entries.Create(ctx, key(s.From), text)
	if err == nil {
		return true, nil
	}
	if !errors.Is(err, jetstream.ErrKeyExists) {
		// It may have been entered all the same. The object stays, and is collected later if it was not.
		return false, fmt.Errorf("archive: enter segment %s: %w", s.Object, err)
	}
	entry, err := entries.Get(ctx, key(s.From))
	if err != nil {
		return false, fmt.Errorf("archive: who entered %s: %w", key(s.From), err)
	}
	there, err := parseSegment(entry.Value())
	if err != nil {
		return false, err
	}
	return there.Object == s.Object, nil // a create whose first answer was lost
}

// checkLag warns when events come near their end and are not archived.
func (a *Archiver) checkLag(ctx context.Context, l limits) error {
	known, _, err := a.cfg.Archive.list(ctx)
	if err != nil {
		return err
	}
	e, found, err := a.cfg.Archive.log.Next(ctx, events.SessionsStream, end(known)+1)
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	if lag := a.now().Sub(e.Stored); found && l.age > 0 && lag > l.age*3/4 && !events.ShortLived(e.Name) {
		a.log.Warn("the archive lags: events will expire before they are archived", "from", e.Sequence, "age", lag.Round(time.Second), "retention", l.age)
	}
	return nil
}
