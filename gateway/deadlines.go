package gateway

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"streamstack/events"
	"streamstack/projections"
)

// dueLife is how long a deadline that has fired stays in its stream.
const dueLife = time.Hour

// schedule sets a session's deadline anew whenever an event may have moved it. A deadline is a function of the
// session's state and is asked again when it fires, so that none needs to be cancelled: one that no longer holds does
// nothing, or is set to its new time.
func (g *Gateway) schedule(ctx context.Context) error {
	return g.manage(ctx, events.SessionsStream, jetstream.ConsumerConfig{
		Durable: "gateway-deadlines",
		FilterSubjects: []string{
			events.EventFilter("", events.Gateway, events.Created),
			events.EventFilter("", events.Gateway, events.Requeued),
			events.EventFilter("", events.Gateway, events.Joined),
			events.EventFilter("", events.Gateway, events.Shared),
			events.EventFilter("", events.Agent, events.Claimed),
			events.EventFilter("", events.Streamer, events.Ready),
			events.EventFilter("", events.Streamer, events.Disconnected),
			events.EventFilter("", events.Agent, events.AttemptFailed),
			events.EventFilter("", events.Gateway, events.Terminating),
			// The endings, for then the shares end too.
			events.EventFilter("", events.Gateway, events.Expired),
			events.EventFilter("", events.Gateway, events.AgentLost),
			events.EventFilter("", events.Agent, events.Terminated),
			events.EventFilter("", events.Agent, events.Failed),
		},
	}, func(ctx context.Context, e events.Event) error {
		if e.Quarantine != "" {
			return nil
		}
		s, err := g.current(ctx, e)
		if err != nil || !s.Known() {
			return err
		}
		switch {
		case e.Name == events.Joined && s.Ready == nil:
			return nil // it moves no deadline before there is somebody to join
		case s.Ended():
			return g.revokeShares(ctx, s, events.ShareSessionEnded, projections.Session.Ended)
		case e.Name == events.Shared:
			return g.setShareDeadline(ctx, s)
		case s.Status == projections.StatusTerminating && !s.Claimed:
			// Who appended terminating ends it too, unless it died in between, or an agent has given it back since.
			_, err := g.endUnheld(ctx, s.Region, s.ID, s.StatusMessage, false)
			return err
		}
		return g.setDeadline(ctx, s)
	})
}

func (g *Gateway) setDeadline(ctx context.Context, s projections.Session) error {
	d, ok := s.Deadline()
	if !ok {
		return nil
	}
	at, due := projections.DeadlineSubjects(s.Region, s.ID, d.Kind)
	return g.scheduleAt(ctx, at, due, d.At)
}

// scheduleAt makes JetStream publish to due at a time; setting at again replaces it.
//
// The time is told as a distance on this machine's clock, and rounded up to the whole second that the schedule can say:
// one that fires too early, by a clock that goes before or by the fraction, would be set again and again until its time
// has come.
func (g *Gateway) scheduleAt(ctx context.Context, at, due string, when time.Time) error {
	m := nats.NewMsg(at)
	fires := time.Now().Add(when.Sub(g.now()) + time.Second - 1).Truncate(time.Second)
	_, err := g.cfg.Log.JetStream().PublishMsg(ctx, m, jetstream.WithScheduleAt(fires),
		jetstream.WithScheduleTarget(due), jetstream.WithScheduleTTL(dueLife))
	if err != nil {
		return fmt.Errorf("gateway: schedule %s: %w", due, err)
	}
	return nil
}

// due acts on deadlines that have fired: one gateway takes each.
func (g *Gateway) due(ctx context.Context) error {
	// Which agents live, and what they hold, must be known first.
	if err := g.WaitReady(ctx); err != nil {
		return err
	}
	return g.manage(ctx, events.DeadlinesStream, jetstream.ConsumerConfig{
		Durable: "gateway-due", FilterSubject: "deadlines.due.>",
	}, func(ctx context.Context, e events.Event) error {
		p := strings.Split(e.Subject, ".")
		switch {
		case len(p) == 6 && p[2] == "session" && projections.DeadlineKind(p[5]) == projections.DeadlineShare:
			return g.shareDue(ctx, events.Region(p[3]), events.SessionID(p[4]))
		case len(p) == 6 && p[2] == "session":
			return g.sessionDue(ctx, events.Region(p[3]), events.SessionID(p[4]))
		case len(p) == 5 && p[2] == "agent":
			return g.lost(ctx, events.Region(p[3]), events.AgentID(p[4]))
		case len(p) == 4 && p[2] == "account":
			return g.accountDue(ctx, p[3])
		}
		return nil
	})
}

// sessionDue does what a session's deadline that has come asks for, or sets the deadline to where the state says it is now.
func (g *Gateway) sessionDue(ctx context.Context, r events.Region, id events.SessionID) error {
	s, _, err := projections.Load(ctx, g.cfg.Log, r, id)
	if err != nil || !s.Known() {
		return err
	}
	d, ok := s.Deadline()
	if !ok {
		return nil
	}
	if d.At.After(g.now()) {
		return g.setDeadline(ctx, s)
	}
	_, _, err = projections.Decide(ctx, g.cfg.Log, r, id, func(s projections.Session) (*events.Draft, error) {
		return deadlineDraft(s, g.now())
	})
	return err
}

// deadlineDraft is what a deadline that has come appends: a session that was never claimed ends at once, one whose instance
// does not come up goes back to the queue or is given up, one with an instance is terminated in order.
func deadlineDraft(s projections.Session, now time.Time) (*events.Draft, error) {
	d, ok := s.Deadline()
	if !ok || d.At.After(now) {
		return nil, nil
	}
	var name events.Name
	var data any
	switch {
	case d.Kind == projections.DeadlineQueue:
		name, data = events.Expired, events.EndedData{Reason: d.Reason}
	case d.Kind == projections.DeadlineLaunch && s.Attempt < projections.MaxAttempts:
		name, data = events.Requeued, events.RequeuedData{Attempt: s.Attempt, Reason: d.Reason}
	case d.Kind == projections.DeadlineLaunch:
		name, data = events.AgentLost, events.EndedData{Agent: s.Agent, Attempt: s.Attempt, Reason: d.Reason}
	default:
		name, data = events.Terminating, events.TerminatingData{By: d.By, Reason: d.Reason}
	}
	draft := events.NewDraft(s.Region, s.ID, events.Gateway, name, data)
	return &draft, nil
}
