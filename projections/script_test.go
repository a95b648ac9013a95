package projections_test

import (
	"encoding/json"
	"fmt"
	"time"

	"streamstack/events"
	"streamstack/projections"
)

const (
	region  events.Region    = "local"
	session events.SessionID = "0192f1c2-5d3e-4000-8000-00000000abcd"
	agent1  events.AgentID   = "agent-1"
	peer1   events.PeerID    = "peer-1"
	peer2   events.PeerID    = "peer-2"
)

// begin is when every script begins; each of its events comes a second after the one before.
var begin = time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)

func at(seq int) time.Time { return begin.Add(time.Duration(seq) * time.Second) }

// event makes an event of the session as it is read from the log.
func event(seq int, a events.Actor, n events.Name, data any) events.Event {
	return eventOf(session, seq, a, n, data)
}

func eventOf(id events.SessionID, seq int, a events.Actor, n events.Name, data any) events.Event {
	raw, err := json.Marshal(data)
	if err != nil {
		panic(err) //nolint:forbidigo // a test's own data
	}
	return events.Event{
		Subject: events.Subject{Region: region, Session: id, Actor: a, Name: n}.String(), Type: events.TypeOf(n),
		Region: region, Session: id, Actor: a, Name: n, Sequence: events.Seq(seq), Time: at(seq), Stored: at(seq), Data: raw,
	}
}

// step is an event without its place.
type step struct {
	actor events.Actor
	name  events.Name
	data  any
}

func fold(list []events.Event) (s projections.Session) {
	for _, e := range list {
		s = s.Apply(e)
	}
	return s
}

// script numbers the steps from 1 on.
func script(steps ...step) []events.Event {
	list := make([]events.Event, len(steps))
	for i, st := range steps {
		list[i] = event(i+1, st.actor, st.name, st.data)
	}
	return list
}

// The steps of an ordinary life.
func created(change ...func(*events.CreatedData)) step {
	d := events.CreatedData{App: "testcard", Ephemeral: true, Screen: events.Screen{Width: 1280, Height: 720, FPS: 30}}
	for _, c := range change {
		c(&d)
	}
	return step{events.Gateway, events.Created, d}
}

func joinable(d *events.CreatedData) { d.Joinable = true }
func kept(d *events.CreatedData)     { d.Ephemeral = false }
func idle(minutes int) func(*events.CreatedData) {
	return func(d *events.CreatedData) { d.IdleTimeMin = &minutes }
}

func joined(p events.PeerID, generation int) step {
	return step{events.Gateway, events.Joined, events.JoinedData{Peer: p, Generation: generation, Role: "slave"}}
}

func watching(p events.PeerID, number int) step {
	return step{events.Gateway, events.Joined, events.JoinedData{Peer: p, Generation: number, Role: events.RoleViewer}}
}

func terminating(why string) step {
	return step{events.Gateway, events.Terminating, events.TerminatingData{By: "account:a", Reason: why}}
}

func requeued(why string) step {
	return step{events.Gateway, events.Requeued, events.RequeuedData{Attempt: 2, Reason: why}}
}

func expired(why string) step {
	return step{events.Gateway, events.Expired, events.EndedData{Reason: why}}
}

func agentLost(why string) step {
	return step{events.Gateway, events.AgentLost, events.EndedData{Agent: agent1, Reason: why}}
}

func claimed(attempt int) step {
	return step{events.Agent, events.Claimed, events.ClaimedData{Agent: agent1, Attempt: attempt, Driver: "process"}}
}

func launched() step { return launchedAs(1) }

func launchedAs(attempt int) step {
	return step{events.Agent, events.Launched, events.LaunchedData{Agent: agent1, Attempt: attempt, Instance: fmt.Sprintf("i%d", attempt)}}
}

func shared(id events.ShareID, expires time.Time) step {
	return step{events.Gateway, events.Shared, events.SharedData{ID: id, Type: "adb", ExpiryAt: expires.Unix()}}
}

func shareRevoked(id events.ShareID) step {
	return step{events.Gateway, events.ShareRevoked, events.ShareRevokedData{ID: id, Reason: events.ShareDeleted}}
}

func attemptFailed(why string) step {
	return step{events.Agent, events.AttemptFailed, events.FailedData{Agent: agent1, Attempt: 1, Reason: why}}
}

func terminated(why string) step {
	return step{events.Agent, events.Terminated, events.EndedData{Agent: agent1, Reason: why}}
}

func failed(why string) step {
	return step{events.Agent, events.Failed, events.FailedData{Agent: agent1, Attempt: 1, Part: "application", Reason: why}}
}

func ready() step {
	return step{events.Streamer, events.Ready, events.ReadyData{Codecs: []string{"VP8"}}}
}

func connected(p events.PeerID) step {
	return step{events.Streamer, events.Connected, events.ConnectedData{Peer: p, Codec: "VP8"}}
}

func disconnected(p events.PeerID, why string) step {
	return step{events.Streamer, events.Disconnected, events.DisconnectedData{Peer: p, Reason: why, Connected: true}}
}
