package gateway

import (
	"context"
	"errors"
	"fmt"

	"streamstack/events"
	"streamstack/projections"
)

// errUnread is a session's past that could not be read to where a socket has to begin.
var errUnread = errors.New("gateway: the session's past is not read")

// replay hands a session's events from a sequence on to a socket, until that says it has seen all it needs or fails, which
// replay returns as it is. It reads again while there is less: another replica of the stream may answer than the one that took
// the socket's own event, and not have all yet. After [timing.replayTime], or when the log cannot be read, it ends with
// [errUnread].
func (g *Gateway) replay(ctx context.Context, s projections.Session, from events.Seq, each func(events.Event) (done bool, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, g.times.replayTime)
	defer cancel()
	for {
		var done bool
		var failed error
		err := g.cfg.Log.History(ctx, s.Region, s.ID, from, func(e events.Event) error {
			from = max(from, e.Sequence+1)
			done, failed = each(e)
			return failed
		})
		switch {
		case failed != nil:
			return failed
		case err != nil:
			return fmt.Errorf("%w: %w", errUnread, err)
		case done:
			return nil
		}
		if err := pause(ctx, replayPause); err != nil {
			return fmt.Errorf("%w: it has events up to %d only: %w", errUnread, from-1, err)
		}
	}
}
