package projections

import (
	"streamstack/events"
	"streamstack/projections/snapshot"
)

// Schema implements [State].
func (m *Sessions) Schema() snapshot.Schema { return snapshot.SchemaOf(sessionsVersion, Session{}) }

// sessionBytes is about what a session takes in a snapshot, to make room at once.
const sessionBytes = 192

// Dump implements [State].
func (m *Sessions) Dump() []byte {
	w := snapshot.NewWriter(1024 + len(m.byID)*sessionBytes)
	w.Uint(uint64(m.at))
	w.Uint(uint64(len(m.totals)))
	for _, s := range sortedKeys(m.totals) {
		w.Word(string(s))
		w.Uint(uint64(m.totals[s]))
	}
	w.Uint(uint64(len(m.byID)))
	ready := readyWriter{w: w, seen: map[*events.ReadyData]string{}}
	for _, x := range m.roster.rows {
		if x.s == nil {
			continue
		}
		dumpSession(w, x.s)
		ready.write(x.s.Ready)
	}
	return w.Bytes()
}

// Restore implements [State].
func (m *Sessions) Restore(state []byte) error {
	r := snapshot.NewReader(state)
	n := NewSessions()
	n.at = events.Seq(r.Uint())
	for range r.Count() {
		n.totals[Status(r.Word())] = int(r.Uint())
	}
	ready := readyReader{r: r, seen: map[string]*events.ReadyData{}}
	for range r.Count() {
		s := restoreSession(r)
		s.Ready = ready.read()
		if !r.OK() {
			break
		}
		n.enter(s)
		n.loads.move(s, burden{})
	}
	if err := r.Err(); err != nil {
		return err
	}
	*m = *n
	return nil
}

// dumpSession writes a session but for Ready, which sessions share.
func dumpSession(w *snapshot.Writer, s *Session) {
	w.Text(string(s.ID))
	w.Word(string(s.Region))
	w.Word(s.App)
	w.Int(int64(s.AppVersion))
	w.Bool(s.Joinable)
	w.Bool(s.Ephemeral)
	w.Bool(s.IdleTimeMin != nil)
	if s.IdleTimeMin != nil {
		w.Int(int64(*s.IdleTimeMin))
	}
	dumpScreen(w, s.Screen)
	w.Word(s.Account)
	w.Word(string(s.Status))
	w.Word(s.StatusMessage)
	w.Word(string(s.Agent))
	w.Int(int64(s.Attempt))
	w.Bool(s.Claimed)
	w.Time(s.ClaimedAt)
	w.Text(s.Instance)
	w.Text(string(s.Peer))
	w.Int(int64(s.Generation))
	w.Uint(uint64(s.JoinedSeq))
	w.Text(string(s.Connected))
	w.Bool(s.Ever)
	dumpList(w, s.Viewers, func(v Viewer) {
		w.Text(string(v.Peer))
		w.Int(int64(v.Number))
		w.Uint(uint64(v.JoinedSeq))
		w.Time(v.JoinedAt)
		w.Bool(v.Connected)
	})
	w.Int(int64(s.Watched))
	w.Uint(uint64(s.ReadySeq))
	w.Bool(s.HasExtraData)
	w.Time(s.CreatedAt)
	w.Time(s.ChangedAt)
	w.Time(s.QueuedSince)
	w.Time(s.QuietSince)
	dumpList(w, s.Shares, func(x Share) {
		w.Text(string(x.ID))
		w.Word(x.Type)
		w.Text(x.Description)
		w.Time(x.CreatedAt)
		w.Time(x.ExpiresAt)
	})
	w.Word(string(s.Ending))
	w.Uint(uint64(s.First))
	w.Uint(uint64(s.Last))
}

func restoreSession(r *snapshot.Reader) *Session {
	s := &Session{
		ID: events.SessionID(r.Text()), Region: events.Region(r.Word()), App: r.Word(), AppVersion: int(r.Int()),
		Joinable: r.Bool(), Ephemeral: r.Bool(),
	}
	if r.Bool() {
		minutes := int(r.Int())
		s.IdleTimeMin = &minutes
	}
	s.Screen, s.Account = restoreScreen(r), r.Word()
	s.Status, s.StatusMessage = Status(r.Word()), r.Word()
	s.Agent, s.Attempt, s.Claimed = events.AgentID(r.Word()), int(r.Int()), r.Bool()
	s.ClaimedAt, s.Instance = r.Time(), r.Text()
	s.Peer, s.Generation, s.JoinedSeq = events.PeerID(r.Text()), int(r.Int()), events.Seq(r.Uint())
	s.Connected, s.Ever = events.PeerID(r.Text()), r.Bool()
	s.Viewers = restoreList(r, func() Viewer {
		return Viewer{Peer: events.PeerID(r.Text()), Number: int(r.Int()), JoinedSeq: events.Seq(r.Uint()), JoinedAt: r.Time(), Connected: r.Bool()}
	})
	s.Watched = int(r.Int())
	s.ReadySeq, s.HasExtraData = events.Seq(r.Uint()), r.Bool()
	s.CreatedAt, s.ChangedAt, s.QueuedSince, s.QuietSince = r.Time(), r.Time(), r.Time(), r.Time()
	s.Shares = restoreList(r, func() Share {
		return Share{ID: events.ShareID(r.Text()), Type: r.Word(), Description: r.Text(), CreatedAt: r.Time(), ExpiresAt: r.Time()}
	})
	s.Ending, s.First, s.Last = events.Name(r.Word()), events.Seq(r.Uint()), events.Seq(r.Uint())
	return s
}
