package timeline

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/events"
)

var update = flag.Bool("update", false, "write the golden files anew")

// stories are whole lives of sessions; testdata holds what people are told of each.
var stories = map[string]func(*script){
	"good": func(s *script) {
		s.created().ready().negotiated(peer1, []string{hostLine, srflxLine}, []string{hostLine, ""}).connected(peer1, "host", "host").
			disconnected(45*time.Second, peer1, events.ReasonLeft).
			step(time.Millisecond, events.Gateway, events.Terminating, events.TerminatingData{By: "client_left", Reason: "its client has left"}).
			step(180*time.Millisecond, events.Agent, events.Terminated, events.EndedData{Agent: "a1", Attempt: 1, Reason: "its client has left"})
	},
	"displaced": func(s *script) {
		s.created().ready().negotiated(peer1, []string{hostLine}, []string{hostLine}).connected(peer1, "host", "host").
			step(10*time.Second, events.Gateway, events.Joined, events.JoinedData{Peer: peer2, Generation: 2, Role: "slave", Screen: &events.Screen{Width: 1080, Height: 2340, FPS: 30}}).
			negotiated(peer2, []string{srflxLine}, []string{hostLine}).
			disconnected(5*time.Millisecond, peer1, events.ReasonDisplaced).
			step(time.Millisecond, events.Streamer, events.Resized, events.ResizedData{Peer: peer2, Screen: events.Screen{Width: 1080, Height: 2340, FPS: 30}}).
			connected(peer2, "host", "srflx").
			step(20*time.Hour, events.Streamer, events.Disconnected, events.DisconnectedData{Peer: peer2, Reason: events.ReasonLost, Connected: true}).
			step(30*time.Minute, events.Gateway, events.Terminating, events.TerminatingData{By: "idle", Reason: "no client for 30 minutes"}).
			step(time.Second, events.Agent, events.Terminated, events.EndedData{Agent: "a1", Attempt: 1, Reason: "no client for 30 minutes"})
	},
	"application-crashed": func(s *script) {
		code := 139
		s.created().launched(1).step(800*time.Millisecond, events.Agent, events.Failed, events.FailedData{
			Agent: "a1", Attempt: 1, Part: "application", Reason: "xterm ended before the stream was ready", ExitCode: &code, Signal: "SIGSEGV",
			LogTail: "loading\n\x1b]0;owned\x07cannot open font\nSegmentation fault\n",
		})
	},
	"nobody-came": func(s *script) {
		s.created().ready().
			step(5*time.Minute, events.Gateway, events.Terminating, events.TerminatingData{By: "idle", Reason: "nobody connected within 5 minutes"}).
			step(200*time.Millisecond, events.Agent, events.Terminated, events.EndedData{Agent: "a1", Attempt: 1, Reason: "nobody connected within 5 minutes"})
	},
	"no-agent": func(s *script) {
		s.created().attached(peer1).step(time.Minute, events.Gateway, events.Expired, events.EndedData{Reason: "no agent claimed it within a minute"})
	},
	"still-running": func(s *script) {
		s.created().ready().negotiated(peer1, []string{hostLine}, []string{hostLine}).connected(peer1, "host", "prflx")
	},
	"second-attempt": func(s *script) {
		s.created().claimed(1).step(time.Second, events.Agent, events.AttemptFailed, events.FailedData{Agent: "a1", Attempt: 1, Part: "display", Reason: "no X server: Xorg is not installed"}).
			step(time.Millisecond, events.Gateway, events.Requeued, events.RequeuedData{Attempt: 1, Reason: "the claim was released"})
	},
	"turn-relay": func(s *script) {
		s.created().ready().negotiated(peer1, []string{relayLine, relayLine, ""}, []string{hostLine, srflxLine}).connected(peer1, "prflx", "relay").
			step(3*time.Second, events.Gateway, events.Terminating, events.TerminatingData{By: "account:admin", Reason: "deleted by admin"}).
			disconnected(time.Millisecond, peer1, events.ReasonEnded).
			step(90*time.Millisecond, events.Agent, events.Terminated, events.EndedData{Agent: "a1", Attempt: 1, Reason: "deleted by admin"})
	},
	"no-pair-expired": func(s *script) { // a week later: descriptions and candidates are gone
		s.created().ready().attached(peer1).
			step(3*time.Millisecond, events.Client, events.Settings, events.SettingsData{Peer: peer1, Settings: events.Raw(`{"api_version":2}`)}).
			step(30*time.Second, events.Streamer, events.Disconnected, events.DisconnectedData{Peer: peer1, Reason: events.ReasonLost, Tried: []events.TriedData{
				{Local: "host", Remote: "host", Protocol: "udp", Count: 4}, {Local: "host", Remote: "srflx", Protocol: "udp", Count: 2}}}).
			step(5*time.Minute, events.Gateway, events.Terminating, events.TerminatingData{By: "idle", Reason: "nobody connected within 5 minutes"}).
			step(time.Second, events.Agent, events.Terminated, events.EndedData{Agent: "a1", Attempt: 1, Reason: "nobody connected within 5 minutes"})
	},
	"no-pair": func(s *script) {
		s.created().ready().negotiated(peer1, []string{hostLine, "nonsense"}, []string{hostLine, srflxLine}).
			step(30*time.Second, events.Streamer, events.Disconnected, events.DisconnectedData{Peer: peer1, Reason: events.ReasonLost,
				Tried: []events.TriedData{{Local: "host", Remote: "host", Protocol: "udp", Count: 1}}}).
			step(5*time.Minute, events.Gateway, events.AgentLost, events.EndedData{Agent: "a1", Reason: "its heartbeat stopped"}).
			step(time.Minute, events.Gateway, events.Terminating, events.TerminatingData{By: "account:admin", Reason: "deleted by admin"})
	},
	"quarantined": func(s *script) {
		s.created().claimed(1).
			step(time.Second, events.Agent, events.Terminated, events.EndedData{Reason: "forged"}).quarantine("ce-source disagrees with the subject").
			step(time.Second, events.Streamer, "thermal", map[string]any{"celsius": 91}).
			step(-2*time.Second, events.Client, events.Message, events.MessageData{Peer: peer1, Message: events.Raw(`{"type":"\u001b[2Jhello"}`)}).
			step(time.Second, events.Streamer, events.Ready, "no object")
	},
}

func TestGoldenTimelines(t *testing.T) {
	for name, story := range stories {
		t.Run(name, func(t *testing.T) {
			s := newScript(t)
			story(s)
			var b bytes.Buffer
			p := NewPrinter(&b, false, time.UTC)
			p.Timeline(Build(s.list), "")
			require.NoError(t, p.Flush())
			golden(t, name, b.String())
		})
	}
}

// golden compares a text with what testdata holds of this name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func TestWhyNeverConnected(t *testing.T) {
	end := func(s *script) *script {
		return s.step(time.Minute, events.Agent, events.Terminated, events.EndedData{Reason: "over"})
	}
	for want, story := range map[string]func(*script) *script{
		"no agent claimed the session, and no client opened its socket.": func(s *script) *script { return s.created() },
		"no instance was launched.":                                      func(s *script) *script { return s.created().attached(peer1).claimed(1) },
		"no streamer was ready.":                                         func(s *script) *script { return s.created().attached(peer1).launched(1) },
		"no client opened its socket.":                                   func(s *script) *script { return s.created().ready() },
		"the client never sent its settings.":                            func(s *script) *script { return s.created().ready().attached(peer1) },
		"there is no offer in the log.": func(s *script) *script {
			return s.created().ready().attached(peer1).step(0, events.Client, events.Settings, events.SettingsData{Peer: peer1, Settings: events.Raw(`{}`)})
		},
		"nobody answered the offer.": func(s *script) *script {
			return s.created().ready().attached(peer1).step(0, events.Streamer, events.Offer, events.SDPData{Peer: peer1, SDP: "v=0"})
		},
		"there is no candidate of the client.": func(s *script) *script { return s.created().ready().negotiated(peer1, nil, []string{hostLine}) },
		"there is no candidate of the streamer.": func(s *script) *script {
			return s.created().ready().negotiated(peer1, []string{hostLine}, []string{""})
		},
		"the streamer refused the client: no codec in common.": func(s *script) *script {
			return s.created().ready().attached(peer1).step(0, events.Streamer, events.Disconnected,
				events.DisconnectedData{Peer: peer1, Reason: events.ReasonRefused, Message: "no codec in common"})
		},
	} {
		require.Equal(t, "Never connected: "+want, "Never connected"+strings.SplitN(Build(end(story(newScript(t))).list).Outcome, "Never connected", 2)[1])
	}
}

func TestStillRunningSaysWhatItWaitsFor(t *testing.T) {
	for want, story := range map[string]func(*script) *script{
		"Still running: waits for an agent to claim it.":                           func(s *script) *script { return s.created() },
		"Still running: claimed by agent a1, no instance was launched so far.":     func(s *script) *script { return s.created().claimed(1) },
		"Still running: claimed by agent a1, no streamer was ready so far.":        func(s *script) *script { return s.created().launched(1) },
		"Still running: ready, not connected so far: no client opened its socket.": func(s *script) *script { return s.created().ready() },
		"Still running: being ended: no reason given.":                             func(s *script) *script { return s.created().ready().step(0, events.Gateway, events.Terminating, nil) },
		"Nothing is known of this session: its creation is not in the log.":        func(s *script) *script { return s.claimed(1) },
		"Still running: no client now; the last one left.": func(s *script) *script {
			return s.created().ready().connected(peer1, "host", "host").disconnected(0, peer1, events.ReasonLeft)
		},
	} {
		require.Equal(t, want, Build(story(newScript(t)).list).Outcome)
	}
}

func TestCandidateKind(t *testing.T) {
	for line, want := range map[string]string{
		hostLine: "host", "a=" + srflxLine: "srflx", relayLine + "\r\n": "relay", "": "end", "a=end-of-candidates": "end",
		"candidate:1 1 tcp 1 2001:db8::1 9 typ prflx tcptype active": "prflx",
		"candidate:1 1 udp 1 h 9 typ magic":                          "unknown", "candidate": "unknown",
	} {
		require.Equal(t, want, candidateKind(line), line)
	}
}

func FuzzCandidateKind(f *testing.F) {
	for _, line := range []string{hostLine, srflxLine, relayLine, "", "candidate:"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		require.Contains(t, kindOrder, candidateKind(line))
	})
}

// anyEvent draws events as hostile as a log can hold: any actor, name and payload, in any order of sequences and times.
func anyEvent() *rapid.Generator[events.Event] {
	names := []events.Name{"", "thermal", "\x1b[31m"}
	for n := range summaries {
		names = append(names, n)
	}
	payload := rapid.OneOf(
		rapid.SampledFrom([]string{
			`{}`, `null`, `[]`, `"x"`, `7`, `{"peer":"` + string(peer1) + `"}`, `{"peer":"p","generation":-3}`, `{"peer":7}`, ``, `{"log_tail":"\u001b]0;x\u0007"}`,
			`{"app":"a","screen":{"width":-1}}`, `{"peer":"p","connected":true,"reason":"left"}`, `{"candidate":"candidate:1 1 udp 1 h 9 typ host"}`,
			`{"reason":"\u202e\u0000\n","attempt":1,"exit_code":-9}`, `{"settings":[]}`, `{"sdp":"m=\na=candidate:\n"}`,
		}),
		rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) }),
	)
	return rapid.Custom(func(t *rapid.T) events.Event {
		e := events.Event{
			Sequence: events.Seq(rapid.Uint64().Draw(t, "seq")), Data: events.Raw(payload.Draw(t, "data")),
			Subject: rapid.String().Draw(t, "subject"), Quarantine: rapid.SampledFrom([]string{"", "", "", "no\x1b[2J"}).Draw(t, "quarantine"),
			Actor:   rapid.SampledFrom([]events.Actor{events.Gateway, events.Agent, events.Streamer, events.Client, "", "\x07"}).Draw(t, "actor"),
			Name:    rapid.SampledFrom(names).Draw(t, "name"),
			Session: rapid.SampledFrom([]events.SessionID{session, session, "", "\x1b"}).Draw(t, "session"),
			Time:    time.Unix(rapid.Int64Range(-1e12, 1e12).Draw(t, "time"), 0),
		}
		e.Type = rapid.SampledFrom([]string{events.TypeOf(e.Name), events.TypeOf(e.Name), events.TypeOf(e.Name) + "9", ""}).Draw(t, "type")
		return e
	})
}

func TestNoHistoryPanicsOrReachesTheTerminal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newScript(nil)
		s.list = rapid.SliceOfN(anyEvent(), 0, 40).Draw(t, "events")
		if rapid.Bool().Draw(t, "known") {
			s.list = append([]events.Event{{Sequence: 1, Session: session, Region: region, Actor: events.Gateway, Name: events.Created, Type: events.TypeOf(events.Created), Data: events.Raw(`{}`)}}, s.list...)
		}
		built := Build(s.list)
		total := 0
		for _, e := range built.Entries {
			total += e.Count
		}
		if total != len(s.list) {
			t.Fatalf("%d of %d events are told of", total, len(s.list))
		}
		var b bytes.Buffer
		p := NewPrinter(&b, false, time.UTC)
		p.Timeline(built, "17")
		for _, e := range s.list {
			p.Event(e)
		}
		if err := p.Flush(); err != nil {
			t.Fatal(err)
		}
		if i := strings.IndexFunc(b.String(), unprintable); i >= 0 {
			t.Fatalf("unprintable at %d: %q", i, b.String()[i:])
		}
		if !strings.HasSuffix(built.Outcome, ".") {
			t.Fatalf("no sentence: %q", built.Outcome)
		}
	})
}

func unprintable(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.0 ms", 1500 * time.Microsecond: "1.5 ms", 412 * time.Millisecond: "412 ms", -3 * time.Millisecond: "-3.0 ms",
		1234 * time.Millisecond: "1.2 s", 2 * time.Minute: "2m", 63 * time.Second: "1m3s", time.Hour: "1h", 25*time.Hour + 3*time.Minute: "25h3m",
		70 * time.Second: "1m10s", 10 * time.Hour: "10h", 10*time.Hour + 10*time.Minute: "10h10m", 10 * time.Minute: "10m",
		999 * time.Hour: "999h", -1000 * time.Hour: "-41 days", 800_000 * time.Hour: "33333 days", time.Time{}.Sub(time.Unix(0, 0)): "-292 years",
		time.Unix(1<<40, 0).Sub(time.Unix(0, 0)): "292 years",
	} {
		require.Equal(t, want, duration(d), d)
	}
}

func TestColoursOnlyWhereTheyAreUnderstood(t *testing.T) {
	require.False(t, Colourful(&bytes.Buffer{}))
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	t.Cleanup(func() { _ = null.Close() })
	require.False(t, Colourful(null))

	s := newScript(t).created()
	var b bytes.Buffer
	p := NewPrinter(&b, true, time.UTC)
	p.Timeline(Build(s.list), "")
	require.NoError(t, p.Flush())
	require.Contains(t, b.String(), "\x1b[36mgateway.created\x1b[0m")
}
