package projections

import (
	"context"
	"errors"
	"fmt"
	"time"

	"streamstack/events"
)

// maxDecisions bounds the retries of [Decide]: a session has few writers that decide, so a run of conflicts this long
// means that something is wrong. conflictPause, times the number of the try, is for a replica that lags to catch up.
const (
	maxDecisions  = 16
	conflictPause = time.Millisecond
)

// ErrUnknownSession is returned for a session that the log does not know.
var ErrUnknownSession = errors.New("projections: no such session")

// Load folds a session's events as they are now. last is the sequence to expect when appending on this ground.
func Load(ctx context.Context, log *events.Log, r events.Region, id events.SessionID) (s Session, last events.Seq, err error) {
	return LoadFrom(ctx, log, r, id, 0)
}

// LoadFrom is Load for who knows that the session's creation is at first, or later, as its read model has it (0: not known). The
// server then need not look for the session through all that was there before: it looks at each message of a block.
func LoadFrom(ctx context.Context, log *events.Log, r events.Region, id events.SessionID, first events.Seq) (s Session, last events.Seq, err error) {
	// Of the events that were read, not of a read of its own: another replica may answer that one, know more than the
	// fold has seen, and let a decision on half the ground pass. Events that expired are not read, so they count on
	// neither side.
	err = log.History(ctx, r, id, first, func(e events.Event) error {
		s, last = s.Apply(e), e.Sequence
		return nil
	})
	if err != nil {
		return Session{}, 0, fmt.Errorf("projections: load %s: %w", id, err)
	}
	return s, last, nil
}

// Decide loads a session, asks decide what to append, and appends it only if nobody else appended meanwhile; else it
// asks again. A nil draft from decide means that there is nothing to do, and Decide returns sequence 0. An unknown
// session is [ErrUnknownSession].
func Decide(ctx context.Context, log *events.Log, r events.Region, id events.SessionID,
	decide func(Session) (*events.Draft, error),
) (Session, events.Seq, error) {
	var err error
	for try := range maxDecisions {
		var s Session
		var seq events.Seq
		s, seq, err = decideOnce(ctx, log, r, id, decide)
		// A session that is not known yet may be one that a lagging replica has not heard of.
		if !errors.Is(err, events.ErrConflict) && !errors.Is(err, ErrUnknownSession) {
			return s, seq, err
		}
		select {
		case <-ctx.Done():
			return Session{}, 0, fmt.Errorf("projections: decide on %s: %w", id, ctx.Err())
		case <-time.After(time.Duration(try) * conflictPause):
		}
	}
	if errors.Is(err, ErrUnknownSession) {
		return Session{}, 0, err
	}
	return Session{}, 0, fmt.Errorf("projections: decide on %s: %d conflicts in a row: %w", id, maxDecisions, events.ErrConflict)
}

func decideOnce(ctx context.Context, log *events.Log, r events.Region, id events.SessionID,
	decide func(Session) (*events.Draft, error),
) (Session, events.Seq, error) {
	s, last, err := Load(ctx, log, r, id)
	if err != nil {
		return Session{}, 0, err
	}
	if !s.Known() {
		return Session{}, 0, fmt.Errorf("%w: %s", ErrUnknownSession, id)
	}
	d, err := decide(s)
	if err != nil || d == nil {
		return s, 0, err
	}
	seq, err := log.AppendExpecting(ctx, *d, last)
	if err != nil {
		return s, 0, fmt.Errorf("projections: decide on %s: %w", id, err)
	}
	return s, seq, nil
}
