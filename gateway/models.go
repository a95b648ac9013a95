package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"streamstack/events"
	"streamstack/projections"
)

const (
	// sessionsModel names the sessions' read model and its snapshots.
	sessionsModel = "sessions"
	// readingWhat is what its catch-up is called.
	readingWhat = "the log"
)

// tail feeds the sessions' read model and then the sockets, from the newest snapshot on.
func (g *Gateway) tail(ctx context.Context) error {
	return keep(ctx, g, g.sessions, events.SessionsStream, func(ctx context.Context, after events.Seq) error {
		progress := func(p events.Progress) {
			g.cfg.Progress.Step(uint64(p.At), uint64(p.Target))
			if p.At >= p.Target {
				g.cfg.Progress.Done()
			}
		}
		after, err := g.readArchive(ctx, after)
		if err != nil {
			return err
		}
		return g.cfg.Log.Tail(ctx, after, func(e events.Event) error {
			if e.Quarantine != "" {
				g.log.Warn("event quarantined", "subject", e.Subject, "sequence", e.Sequence, "why", e.Quarantine)
			}
			g.sessions.Apply(e)
			g.hub.publish(e)
			return nil
		}, progress, g.sessions.Caught)
	})
}

// archiveRetry is the pause after the archive could not be read at the start, archiveReport how many sequences lie between
// two reports of progress.
const archiveRetry, archiveReport = 250 * time.Millisecond, 1024

// readArchive feeds the sessions' read model with what came after a sequence and has expired in the log: all of it, where no
// snapshot is of this version. A model of the log alone would not know the sessions whose creation has expired.
func (g *Gateway) readArchive(ctx context.Context, after events.Seq) (events.Seq, error) {
	for {
		b, err := g.cfg.Log.Bounds(ctx, events.SessionsStream)
		if err == nil {
			reported := after
			var next events.Seq
			next, err = g.archive.Expired(ctx, events.AllSessions, after+1, func(e events.Event) error {
				g.sessions.Apply(e)
				if e.Sequence >= reported+archiveReport {
					reported = e.Sequence
					g.cfg.Progress.Step(uint64(e.Sequence), uint64(b.Last))
				}
				return nil
			})
			after = next - 1
		}
		switch {
		case err == nil:
			return after, nil
		case ctx.Err() != nil:
			return after, fmt.Errorf("gateway: read the archive: %w", ctx.Err())
		case !errors.Is(err, events.ErrUnavailable):
			g.log.Warn("the archive cannot be read: sessions older than the log are not shown", "after", after, "err", err)
			return after, nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(archiveRetry):
		}
	}
}

// follow feeds the read model of a stream that has no tail of its own.
func follow[S projections.State](ctx context.Context, g *Gateway, r *projections.Runner[S], stream string) error {
	return keep(ctx, g, r, stream, func(ctx context.Context, _ events.Seq) error { return r.Follow(ctx, g.cfg.Log, stream) })
}

// keep resumes a read model from its newest snapshot, feeds it, and writes snapshots meanwhile.
func keep[S projections.State](ctx context.Context, g *Gateway, r *projections.Runner[S], stream string, feed func(context.Context, events.Seq) error) error {
	k := projections.NewKeeper(r, stream, g.cfg.Log, g.log)
	after := k.Resume(ctx)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return feed(ctx, after) })
	group.Go(func() error { return k.Keep(ctx) })
	return group.Wait() //nolint:wrapcheck // both name themselves
}
