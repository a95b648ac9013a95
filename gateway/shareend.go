package gateway

import (
	"context"
	"net/http"

	"streamstack/events"
	"streamstack/projections"
)

// setShareDeadline schedules the expiry of the session's share that expires first. A session has one such deadline, which
// is replaced with every change of its shares.
func (g *Gateway) setShareDeadline(ctx context.Context, s projections.Session) error {
	for {
		d, ok := s.ShareDeadline()
		if !ok {
			return nil
		}
		at, due := projections.DeadlineSubjects(s.Region, s.ID, d.Kind)
		if err := g.scheduleAt(ctx, at, due, d.At); err != nil {
			return err
		}
		// Another gateway may have handled a later change before this one was set, which has replaced its deadline: unlike
		// the session's own deadlines, this one can be moved forward, and would then fire too late.
		now, _, err := projections.Load(ctx, g.cfg.Log, s.Region, s.ID)
		if err != nil {
			return err
		}
		if after, ok := now.ShareDeadline(); !ok || after.At.Equal(d.At) {
			return nil
		}
		s = now
	}
}

// shareDue revokes the shares of a session that have expired, and sets the deadline of the next one.
func (g *Gateway) shareDue(ctx context.Context, r events.Region, id events.SessionID) error {
	s, _, err := projections.Load(ctx, g.cfg.Log, r, id)
	if err != nil || !s.Known() || s.Ended() {
		return err // those of a session that has ended are revoked for that reason
	}
	for _, x := range s.Shares {
		if x.Stands(g.now()) {
			continue
		}
		if err := g.revokeShare(ctx, s, x.ID, events.ShareExpired, func(s projections.Session) bool {
			x, ok := s.Share(x.ID)
			return ok && !s.Ended() && !x.Stands(g.now())
		}); err != nil {
			return err
		}
	}
	if s, _, err = projections.Load(ctx, g.cfg.Log, r, id); err != nil {
		return err
	}
	return g.setShareDeadline(ctx, s)
}

// revokeShares revokes all shares of a session while a condition holds.
func (g *Gateway) revokeShares(ctx context.Context, s projections.Session, reason string, still func(projections.Session) bool) error {
	for _, x := range s.Shares {
		if err := g.revokeShare(ctx, s, x.ID, reason, still); err != nil {
			return err
		}
	}
	return nil
}

// revokeShare appends share_revoked if the share is there and the condition holds: one gateway does, whoever is first.
func (g *Gateway) revokeShare(ctx context.Context, s projections.Session, id events.ShareID, reason string, still func(projections.Session) bool) error {
	_, _, err := projections.Decide(ctx, g.cfg.Log, s.Region, s.ID, func(s projections.Session) (*events.Draft, error) {
		if _, ok := s.Share(id); !ok || !still(s) {
			return nil, nil
		}
		d := events.NewDraft(s.Region, s.ID, events.Gateway, events.ShareRevoked, events.ShareRevokedData{ID: id, Reason: reason})
		return &d, nil
	})
	return err
}

// awaitUses returns when no connection uses a share any more that was revoked with the event at seq, at whichever gateway: each
// of them says so in the log. What a gateway used that was killed is over without a word, so the wait has an end.
func (g *Gateway) awaitUses(ctx context.Context, id events.ShareID, seq events.Seq) error {
	session, _ := id.Session()
	// Before the log is read: what ends afterwards is seen.
	sub, ok := g.hub.add(&subscription{hub: g.hub, session: session, match: func(e events.Event) bool { return e.Is(events.Gateway, events.ShareClosed) }, cut: func() {}})
	if !ok {
		return &apiError{http.StatusServiceUnavailable, codeUnavailable, whyStopping, nil}
	}
	defer sub.end()
	r, err := g.regionOf(ctx, session)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, g.times.closeWait+readYourWrites)
	defer cancel()
	open := map[string]bool{}
	filter := events.Filter{Region: r, Session: session, Actor: events.Gateway}.Subject()
	if err := g.cfg.Log.ReadThrough(ctx, events.SessionsStream, filter, g.firstOf(session), seq, func(e events.Event) error {
		if d := decoded[events.ShareOpenedData](e); e.Name == events.ShareOpened && d.ID == id {
			open[d.Connection] = true
		}
		if e.Name == events.ShareClosed {
			delete(open, decoded[events.ShareClosedData](e).Connection)
		}
		return nil
	}); err != nil {
		return err
	}
	for len(open) > 0 {
		select {
		case e, ok := <-sub.events:
			if !ok {
				return &apiError{http.StatusServiceUnavailable, codeUnavailable, "the share is deleted; its connections are ending", nil}
			}
			delete(open, decoded[events.ShareClosedData](*e).Connection)
		case <-ctx.Done():
			g.log.Info("a deleted share's uses have not all said that they ended", "share", id, "uses", len(open))
			return nil
		}
	}
	return nil
}
