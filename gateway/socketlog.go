package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/coder/websocket"

	"streamstack/events"
	"streamstack/gateway/token"
	"streamstack/projections"
)

// attach appends attached and replays what there is for this peer: from the start of its negotiation, also for a socket that is
// opened again with the same token and does not resume. The token names the peer, and a peer is one negotiation: an offer that
// it has answered is not made anew. A page that has lost its peer connection joins again, and gets another peer.
func (w *wire) attach(ctx context.Context) error {
	s := w.session
	if err := w.state(ctx, s); err != nil {
		return err
	}
	seq, err := w.append(ctx, events.Attached, events.AttachedData{Peer: w.peer, Role: string(w.role), Resumed: w.resume})
	if err != nil {
		return w.fail(ctx, sigUnready, "the log is not available at the moment", websocket.StatusTryAgainLater)
	}
	w.attachedAt = seq
	from := s.JoinedSeq
	if v, ok := s.Viewer(w.peer); ok {
		from = v.JoinedSeq
	}
	if w.resume != nil {
		if *w.resume >= seq { // of this socket's own event nobody knows yet
			return w.fail(ctx, sigBadRequest, fmt.Sprintf("after=%d is beyond the end of the log", *w.resume), closeEnded)
		}
		from = max(from, *w.resume+1)
	}
	return w.replay(ctx, from)
}

// replay passes on the negotiation so far, up to this socket's own attached event. What follows comes live.
func (w *wire) replay(ctx context.Context, from events.Seq) error {
	err := w.g.replay(ctx, w.session, from, func(e events.Event) (bool, error) { err := w.fromLog(ctx, e); return w.sent >= w.attachedAt, err })
	if errors.Is(err, errUnread) {
		w.g.log.Warn("negotiation not read", "session", w.session.ID, "err", err)
		return w.fail(ctx, sigUnready, "the log is not available at the moment, try again", websocket.StatusTryAgainLater)
	}
	return err
}

// state ends the socket when its session has nothing for it.
func (w *wire) state(ctx context.Context, s projections.Session) error {
	switch {
	case s.Ended() || s.Status == projections.StatusTerminating:
		return w.fail(ctx, sigEnded, endText(s), closeEnded)
	case w.role == token.RoleViewer:
		if _, ok := s.Viewer(w.peer); !ok {
			return w.fail(ctx, sigDisplaced, "this viewer has left the session: join again", closeDisplaced)
		}
	case s.Peer != w.peer:
		return w.fail(ctx, sigDisplaced, displacedText, closeDisplaced)
	}
	return nil
}

const displacedText = "another client has joined the session"

// endText says why a session is over.
func endText(s projections.Session) string {
	if s.StatusMessage == "" {
		return "the session has ended"
	}
	if s.Status == projections.StatusError {
		return "the session failed: " + s.StatusMessage
	}
	return "the session has ended: " + s.StatusMessage
}

// append appends an event of this client.
func (w *wire) append(ctx context.Context, n events.Name, data any) (events.Seq, error) {
	return w.g.cfg.Log.Append(ctx, events.NewDraft(w.session.Region, w.session.ID, events.Client, n, data))
}

// bye appends detached. It uses a context of its own: the socket's is over.
func (w *wire) bye(ctx context.Context, code int, reason string) {
	if w.attachedAt == 0 {
		return
	}
	if _, err := w.append(ctx, events.Detached, events.DetachedData{Peer: w.peer, Code: code, Reason: reason}); err != nil {
		w.g.log.Warn("detached not recorded", "session", w.session.ID, "err", err)
	}
}
