package projections

import (
	"time"

	"streamstack/events"
)

// Status of a session (gateway-api.md, section 9).
type Status string

// The statuses.
const (
	StatusCreated     Status = "created"
	StatusActive      Status = "active"
	StatusError       Status = "error"
	StatusTerminating Status = "terminating"
	StatusTerminated  Status = "terminated"
)

// Session is the state of one session, folded from its events by [Session.Apply].
type Session struct {
	ID         events.SessionID
	Region     events.Region
	App        string
	AppVersion int
	Joinable   bool
	Ephemeral  bool
	// IdleTimeMin is in minutes; nil where none was asked for.
	IdleTimeMin *int
	Screen      events.Screen
	Account     string

	Status        Status
	StatusMessage string

	// Agent and Attempt are of the last claim; Instance of the last launch, empty when it is gone.
	Agent    events.AgentID
	Attempt  int
	Claimed  bool // somebody holds the session now
	Instance string
	// ClaimedAt is when the last claim was made.
	ClaimedAt time.Time

	// Peer is the client that was let in last; all earlier ones are displaced.
	Peer       events.PeerID
	Generation int
	// JoinedSeq is where the negotiation of Peer begins in the log.
	JoinedSeq events.Seq
	// Connected is the peer that streams now, empty when there is none. Ever tells whether any ever did.
	Connected events.PeerID
	Ever      bool
	// Viewers are the clients that only watch, in the order in which they were let in; nil when there is none. Copies of a
	// session have them in common: they are never changed in place. Watched counts all that ever were.
	Viewers []Viewer
	Watched int
	// Ready is what the streamer said of itself, at ReadySeq; nil before.
	Ready    *events.ReadyData
	ReadySeq events.Seq
	// HasExtraData tells that an extra_data event follows the creation (until it expires).
	HasExtraData bool

	CreatedAt time.Time
	ChangedAt time.Time
	// QueuedSince is since when the session waits for an agent, if it does: its creation, or its last return to the queue.
	QueuedSince time.Time
	// QuietSince is since when nobody has streamed from a session that could be: its streamer became ready, a client
	// was let in, or the last one went. Zero before the streamer is ready.
	QuietSince time.Time
	// Shares are those that stand, oldest first; nil when there is none. Copies of a session have them in common: they are
	// never changed in place.
	Shares []Share
	// Ending is the event that ended the last launch, empty while it lives.
	Ending events.Name

	// First is the session's creation, Last the last event that was folded. It is nothing to expect when appending: later
	// events that no fold depends on are not counted.
	First, Last events.Seq
}

// Known tells whether the session was ever created.
func (s Session) Known() bool { return s.First > 0 }

// Ended tells whether the session has come to its end. One in [StatusError] may be claimed anew.
func (s Session) Ended() bool { return s.Ending != "" }

// Live tells whether the session waits for an instance or has one.
func (s Session) Live() bool { return s.Known() && !s.Ended() }

// Gone tells whether the API answers 404: an ephemeral session whose instance ended in order. One that failed is kept,
// so that its message can be read.
func (s Session) Gone() bool { return s.Ended() && s.Ephemeral && s.Status == StatusTerminated }

// Apply folds one event of this session. It returns the state unchanged for an event it has seen, does not know
// (also in this version), or must not trust. A session's first event is its creation; whatever comes before is ignored.
func (s Session) Apply(e events.Event) Session {
	s.apply(e, folds[foldKey{e.Actor, e.Name}])
	return s
}

// apply is Apply in place; f folds what the event says, nil for one that says nothing.
func (s *Session) apply(e events.Event, f func(*Session, events.Event)) {
	if e.Sequence <= s.Last || !e.Sound() || e.Session == "" || (!s.Known() && e.Name != events.Created) {
		return
	}
	if f == nil {
		return // an event that expires must leave no trace
	}
	f(s, e)
	s.Last, s.ChangedAt = e.Sequence, when(e)
}

// when is the server's time of an event, so that clocks of different machines do not mix; an event that was not read
// from a stream has only the publisher's.
func when(e events.Event) time.Time {
	if e.Stored.IsZero() {
		return e.Time
	}
	return e.Stored
}

type foldKey struct {
	actor events.Actor
	name  events.Name
}

var folds = map[foldKey]func(*Session, events.Event){
	{events.Gateway, events.Created}:       foldCreated,
	{events.Gateway, events.Joined}:        foldJoined,
	{events.Gateway, events.Shared}:        foldShared,
	{events.Gateway, events.ShareRevoked}:  foldShareRevoked,
	{events.Gateway, events.Terminating}:   foldTerminating,
	{events.Gateway, events.Requeued}:      foldRequeued,
	{events.Gateway, events.Expired}:       foldExpired,
	{events.Gateway, events.AgentLost}:     foldAgentLost,
	{events.Agent, events.Claimed}:         foldClaimed,
	{events.Agent, events.Launched}:        foldLaunched,
	{events.Agent, events.AttemptFailed}:   foldAttemptFailed,
	{events.Agent, events.Terminated}:      foldTerminated,
	{events.Agent, events.Failed}:          foldFailed,
	{events.Streamer, events.Ready}:        foldReady,
	{events.Streamer, events.Connected}:    foldConnected,
	{events.Streamer, events.Resized}:      foldResized,
	{events.Streamer, events.Disconnected}: foldDisconnected,
}

// data decodes an event's payload; what does not decode leaves zero values, for a fold cannot fail.
func data[T any](e events.Event) (v T) {
	if err := e.Decode(&v); err != nil {
		var zero T
		return zero
	}
	return v
}

func foldCreated(s *Session, e events.Event) {
	if s.Known() {
		return // one creation; verify reports the second
	}
	d := data[events.CreatedData](e)
	*s = Session{
		ID: e.Session, Region: e.Region, App: d.App, AppVersion: d.AppVersion, Joinable: d.Joinable, Ephemeral: d.Ephemeral,
		IdleTimeMin: d.IdleTimeMin, Screen: d.Screen, Account: d.Account,
		Status: StatusCreated, CreatedAt: when(e), QueuedSince: when(e), First: e.Sequence, HasExtraData: d.HasExtraData,
	}
}

func foldJoined(s *Session, e events.Event) {
	d := data[events.JoinedData](e)
	if d.Role == events.RoleViewer {
		s.admitViewer(e, d)
		return
	}
	s.Peer, s.Generation, s.JoinedSeq = d.Peer, d.Generation, e.Sequence
	if s.Ready != nil {
		s.QuietSince = when(e)
	}
}

func foldTerminating(s *Session, e events.Event) {
	if s.Status == StatusTerminating {
		return // the first reason counts
	}
	d := data[events.TerminatingData](e)
	if s.Ended() {
		// One that failed, or that is kept, is deleted: it has nothing left to stop.
		s.Status, s.StatusMessage, s.Ephemeral = StatusTerminated, d.Reason, true
		return
	}
	s.Status, s.StatusMessage = StatusTerminating, d.Reason
}

func foldRequeued(s *Session, e events.Event) {
	s.requeue(e, data[events.RequeuedData](e).Reason)
}

// requeue lets go of the instance: the session waits for an agent again, unless somebody has asked for its end.
func (s *Session) requeue(e events.Event, why string) {
	if s.Ended() {
		return
	}
	s.Claimed, s.Agent, s.Instance, s.Connected, s.Ready, s.QueuedSince = false, "", "", "", nil, when(e)
	s.dropViewers(func(v Viewer) bool { return v.Connected }) // their streamer is gone; the others wait for the next
	if s.Status != StatusTerminating {
		s.Status, s.StatusMessage = StatusCreated, why
	}
}

func foldExpired(s *Session, e events.Event) {
	s.end(events.Expired, StatusTerminated, data[events.EndedData](e).Reason)
}

func foldAgentLost(s *Session, e events.Event) {
	s.end(events.AgentLost, StatusError, data[events.EndedData](e).Reason)
}

// late tells whether what an agent says of an attempt comes too late: the session went back to the queue, or is at another
// attempt by now. An event that names none is about the current one.
func (s *Session) late(attempt int) bool { return attempt != 0 && (!s.Claimed || attempt != s.Attempt) }

func foldTerminated(s *Session, e events.Event) {
	if d := data[events.EndedData](e); !s.late(d.Attempt) {
		s.end(events.Terminated, StatusTerminated, d.Reason)
	}
}

func foldFailed(s *Session, e events.Event) {
	if d := data[events.FailedData](e); !s.late(d.Attempt) {
		s.end(events.Failed, StatusError, d.Reason)
	}
}

func foldAttemptFailed(s *Session, e events.Event) {
	if d := data[events.FailedData](e); !s.late(d.Attempt) {
		s.requeue(e, d.Reason)
	}
}

func foldClaimed(s *Session, e events.Event) {
	d := data[events.ClaimedData](e)
	if s.Ended() && s.Status != StatusError {
		return
	}
	s.Ending, s.Claimed, s.Agent, s.Attempt, s.Instance = "", true, d.Agent, d.Attempt, ""
	s.ClaimedAt = when(e)
	if s.Status == StatusError {
		s.Status, s.StatusMessage = StatusCreated, ""
	}
}

func foldLaunched(s *Session, e events.Event) {
	if d := data[events.LaunchedData](e); s.Claimed && !s.late(d.Attempt) {
		s.Instance = d.Instance
	}
}

// foldReady takes a streamer's word only when the agent has launched one: launched comes before the streamer is let go,
// so a ready without it is of an earlier attempt.
func foldReady(s *Session, e events.Event) {
	d := data[events.ReadyData](e)
	s.becomeReady(e, &d)
}

// becomeReady keeps d, which must not change any more.
func (s *Session) becomeReady(e events.Event, d *events.ReadyData) {
	if s.Instance == "" {
		return
	}
	s.Ready, s.ReadySeq, s.QuietSince = d, e.Sequence, when(e)
	if s.Status == StatusCreated {
		s.Status, s.StatusMessage = StatusActive, ""
	}
}

func foldConnected(s *Session, e events.Event) {
	if s.Ready == nil {
		return // the session has ended, or the streamer is of an earlier attempt
	}
	d := data[events.ConnectedData](e)
	if i := s.viewerIndex(d.Peer); i >= 0 {
		s.viewerConnected(i)
		return
	}
	if d.Peer != "" {
		s.Connected, s.Ever = d.Peer, true
	}
}

func foldResized(s *Session, e events.Event) {
	if d := data[events.ResizedData](e); d.Screen.Width > 0 && d.Screen.Height > 0 {
		s.Screen = d.Screen
	}
}

func foldDisconnected(s *Session, e events.Event) {
	d := data[events.DisconnectedData](e)
	if s.viewerIndex(d.Peer) >= 0 {
		s.dropViewers(func(v Viewer) bool { return v.Peer == d.Peer })
		return
	}
	if d.Peer != "" && d.Peer == s.Connected {
		s.Connected, s.QuietSince = "", when(e)
	}
}

// end takes the first ending only: exactly one per launch.
func (s *Session) end(by events.Name, status Status, why string) {
	if s.Ended() {
		return
	}
	s.Ending, s.Status, s.StatusMessage = by, status, why
	s.Claimed, s.Connected, s.Instance, s.Ready, s.Viewers = false, "", "", nil, nil
}
