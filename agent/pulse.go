package agent

import (
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"streamstack/events"
	"streamstack/events/trust"
)

// pulse listens for a streamer's signs of life. It judges from the first one on (an image may hold an older streamer that
// gives none), and counts time on this machine's clock alone. It is for one goroutine.
type pulse struct {
	conn *nats.Conn
	sub  *nats.Subscription
	// beats gets something with each sign of life.
	beats chan struct{}
	// late fires when there was none for too long.
	late  *time.Timer
	limit time.Duration

	// reconnects is how often our own connection had been made anew when the time began to run.
	reconnects uint64
	doubt      bool
}

// listen begins to listen to a session's streamer.
func (a *Agent) listen(id events.SessionID) *pulse {
	p := &pulse{conn: a.cfg.Log.Conn(), beats: make(chan struct{}, 1), late: time.NewTimer(a.hangTime), limit: a.hangTime}
	p.late.Stop()
	var err error
	var renewed time.Time // of the subscription's own goroutine
	p.sub, err = p.conn.Subscribe(events.HeartbeatSubject(events.StreamerKey(a.cfg.Region, id)), func(m *nats.Msg) {
		if time.Since(renewed) > a.cfg.RenewEvery && a.renew(id, m.Data) {
			renewed = time.Now()
		}
		if h, ok := events.ParseHeartbeat(m.Data); ok && h.Asks {
			return // no sign of life, whose next could be late
		}
		select {
		case p.beats <- struct{}{}:
		default: // it has not been looked at since the last one
		}
	})
	if err != nil { // the connection is closed
		a.log.Warn("a streamer's signs of life are not heard", "session", id, "err", err)
	}
	return p
}

// renew gives a streamer that asks for it a new user, whose life begins now. What a heartbeat says is the streamer's word: by
// another key than its own it gets nothing that it could not hand on anyhow.
func (a *Agent) renew(id events.SessionID, beat []byte) (done bool) {
	h, ok := events.ParseHeartbeat(beat)
	if !ok || h.User == "" || a.cfg.Renew == nil {
		return false
	}
	token, err := a.cfg.Renew(a.cfg.Region, id, h.User)
	if err == nil {
		err = a.cfg.Log.Conn().Publish(trust.RenewSubject(a.cfg.Region, id), []byte(token))
	}
	if err != nil {
		a.log.Warn("a streamer's credentials are not renewed, trying again at its next heartbeat", "session", id, "err", err)
	}
	return err == nil
}

// begin lets the time run anew.
func (p *pulse) begin() {
	p.doubt, p.reconnects = false, p.conn.Stats().Reconnects
	p.late.Reset(p.limit)
}

// hangs tells, when the time is over, whether the streamer counts as hung. It does not where it is NATS that was away, or we:
// what had been said meanwhile then gets its time to arrive.
func (p *pulse) hangs() bool {
	switch {
	case !p.conn.IsConnected(), p.conn.Stats().Reconnects != p.reconnects:
		p.begin()
		return false
	case !p.doubt:
		p.doubt = true
		p.late.Reset(min(events.HeartbeatEvery, p.limit))
		return false
	}
	return true
}

func (p *pulse) end() {
	p.late.Stop()
	if p.sub != nil {
		_ = p.sub.Unsubscribe() // fails only when the connection is closed
	}
}

// hung is what has become of a streamer that hangs.
func (p *pulse) hung(tail string) events.FailedData {
	return events.FailedData{Part: "streamer", Cause: events.CauseHung, LogTail: tail,
		Reason: fmt.Sprintf("the streamer gave no sign of life for %s: it hung, and was ended", p.limit)}
}
