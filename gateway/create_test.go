package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
)

// What clients send for app_version and extra_data arrives in the log as it was meant.
func TestCreateTakesWhatTheSDKSends(t *testing.T) {
	t.Parallel()
	r := house(t)
	for field, want := range map[string]int{`"3"`: -1, `3`: -1, `"2"`: 2, `2`: 2, `-1`: 0, `"-1"`: 0, `null`: 0, `""`: 0} {
		body := `{"app":"testcard","app_version":` + field + `,"region":"","joinable":false,"extra_data":null,"screen":{"width":1280,"height":720,"fps":60,"density":240}}`
		a := r.do(http.MethodPost, "/1.0/sessions/", body)
		if want < 0 { // a version that nobody has
			require.Equal(t, http.StatusBadRequest, a.StatusCode, field)
			require.Contains(t, a.Error, "no version 3")
			continue
		}
		require.Equal(t, http.StatusCreated, a.StatusCode, "%s: %s", field, a.Error)
		var c created
		a.into(t, &c)
		var d events.CreatedData
		require.NoError(t, r.stack.awaits(c.ID, "gateway.created", 1).Decode(&d))
		require.Equal(t, want, d.AppVersion, field)
		require.Equal(t, events.Screen{Width: 1280, Height: 720, FPS: 60, Density: 240}, d.Screen)
		require.False(t, d.HasExtraData)
		require.True(t, d.Ephemeral)
		require.Equal(t, "tester", d.Account)
	}
	for _, extra := range []string{`{"a":[1,null],"b":"ü"}`, `"text"`, `5`, `[]`, `false`} {
		c := r.create(`{"app":"testcard","extra_data":` + extra + `}`)
		var d events.ExtraDataData
		require.NoError(t, r.stack.awaits(c.ID, "gateway.extra_data", 1).Decode(&d))
		require.JSONEq(t, extra, string(d.ExtraData))
	}
	// An odd size becomes even; what is not asked for is the application's.
	c := r.create(`{"app":"testcard","screen":{"width":801,"height":601},"idle_time_min":0,"ephemeral":false,"unknown":{}}`)
	var d events.CreatedData
	require.NoError(t, r.stack.awaits(c.ID, "gateway.created", 1).Decode(&d))
	require.Equal(t, events.Screen{Width: 802, Height: 602, FPS: 30, Density: 96}, d.Screen)
	require.False(t, d.Ephemeral)
	require.Zero(t, *d.IdleTimeMin)
}

// badBodies are refused with 400, or with 413, in words that name the field.
var badBodies = map[string]string{
	``:                                     "app is required",
	`{}`:                                   "app is required",
	`{"app":""}`:                           "app is required",
	` null `:                               "must be a JSON object, not null",
	`{"app":"nobody-has-it"}`:              `"nobody-has-it" is not known`,
	`{"app":"Not A Name"}`:                 "is not known",
	`{"app":5}`:                            "app must not be a JSON number",
	`{"app":"testcard"`:                    "not valid JSON",
	`{"app":"testcard"}}`:                  "not valid JSON",
	`[]`:                                   "must be a JSON object",
	`"x"`:                                  "must be a JSON object",
	"{\"app\":\"\xff\"}":                   "UTF-8",
	`{"app":"testcard","app_version":1.5}`: "app_version",
	`{"app":"testcard","app_version":"x"}`: "app_version",
	`{"app":"testcard","app_version":-2}`:  "app_version",
	`{"app":"testcard","app_version":{}}`:  "app_version",
	`{"app":"testcard","app_version":99999999999999999999}`:                             "app_version",
	`{"app":"testcard","region":1}`:                                                     "region",
	`{"app":"testcard","joinable":"yes"}`:                                               "joinable",
	`{"app":"testcard","ephemeral":0}`:                                                  "ephemeral",
	`{"app":"testcard","idle_time_min":-1}`:                                             "idle_time_min",
	`{"app":"testcard","idle_time_min":"5"}`:                                            "idle_time_min",
	`{"app":"testcard","idle_time_min":1.5}`:                                            "idle_time_min",
	`{"app":"testcard","idle_time_min":99999999}`:                                       "idle_time_min",
	`{"app":"testcard","screen":[]}`:                                                    "screen",
	`{"app":"testcard","screen":{"width":"1280"}}`:                                      "screen.width",
	`{"app":"testcard","screen":{"width":0}}`:                                           "screen.width",
	`{"app":"testcard","screen":{"height":-1}}`:                                         "screen.height",
	`{"app":"testcard","screen":{"width":99999}}`:                                       "screen.width",
	`{"app":"testcard","screen":{"width":3842,"height":2160}}`:                          "more than 3840 x 2160",
	`{"app":"testcard","screen":{"fps":0}}`:                                             "screen.fps",
	`{"app":"testcard","screen":{"density":71}}`:                                        "screen.density",
	`{"app":"testcard","extra_data":"` + strings.Repeat("x", events.MaxUserData) + `"}`: "extra_data",
	`{"app":"` + strings.Repeat("x", maxBody) + `"}`:                                    "bytes",
}

func TestBadCreates(t *testing.T) {
	t.Parallel()
	r := house(t)
	for body, why := range badBodies {
		a := r.do(http.MethodPost, "/1.0/sessions", body)
		want := http.StatusBadRequest
		if len(body) > maxBody {
			want = http.StatusRequestEntityTooLarge
		}
		require.Equal(t, want, a.StatusCode, "%.80s", body)
		require.Contains(t, a.Error, why, "%.80s", body)
		require.NotContains(t, a.Error, "Go ", "%.80s", body)
		require.NotContains(t, a.Error, "gateway", "%.80s", body)
		require.Less(t, len(a.Error), 300)
	}
}

// Known, but it cannot be hosted now: 404, and the message says which of application, room and region is missing.
func TestNobodyCanHost(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	r := s.gateway()
	s.agent("a1", 1, "testcard")
	s.agent("gone", 5, "xterm")
	r.serving("xterm")
	_, err := s.log.Append(t.Context(), events.NewAgentDraft(region, "gone", events.AgentOffline, events.OfflineData{Reason: "drained"}))
	require.NoError(t, err)
	eventstest.Wait(t, within, func() string {
		if _, alive := r.agentsNow(); len(alive) != 1 {
			return "one agent less"
		}
		return ""
	})
	refused := func(body, code, why string) {
		t.Helper()
		a := r.do(http.MethodPost, "/1.0/sessions", body)
		require.Equal(t, http.StatusNotFound, a.StatusCode)
		require.Equal(t, code, a.Code)
		require.Contains(t, a.Error, why)
	}
	refused(`{"app":"xterm"}`, "application_not_served", "xterm")
	refused(`{"app":"testcard","region":"mars"}`, "unknown_region", `"mars" does not exist; known regions: local`)
	refused(`{"app":"testcard","region":"A.B >"}`, "unknown_region", `"A.B >" does not exist`) // no region could be called so
	first := r.create()
	refused(`{"app":"testcard"}`, "no_capacity", "all slots are taken")
	s.claim(first.ID, r)
	refused(`{"app":"testcard","region":"local"}`, "no_capacity", "in region local")
	s.say(first.ID, events.Agent, events.Terminated, events.EndedData{Reason: "done"}, r)
	r.create()
}

// A storm of bad requests leaves no goroutine behind. Not parallel: it counts goroutines.
func TestBadRequestsLeaveNothing(t *testing.T) {
	r := house(t)
	storm := func() {
		var wg sync.WaitGroup
		for body := range badBodies {
			wg.Go(func() {
				for _, path := range []string{"/1.0/sessions", "/1.0/sessions/x/join", "/1.0/sessions/X/join", "/1.0/sessions/x/sockets/slave"} {
					for _, try := range []func() error{
						func() error { _, err := r.try(http.MethodPost, path, body); return err },
						func() error {
							_, err := r.try(http.MethodGet, path+"?token=x&limit=x", body, "Authorization", "x")
							return err
						},
					} {
						// A server may answer and hang up before it has read a body that it does not want (RFC 9110, section 10.1.1).
						if err := try(); err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
							t.Error(err)
						}
					}
				}
			})
		}
		wg.Wait()
	}
	storm()
	before := runtime.NumGoroutine()
	storm()
	eventstest.Wait(t, within, func() string {
		if n := runtime.NumGoroutine(); n > before+3 { // the server's own housekeeping comes and goes
			return fmt.Sprintf("%d goroutines to end", n-before)
		}
		return ""
	})
}

// Joins that meet all get their turn, or are told to try again; the last one in the log is the session's peer.
func TestJoinsAtOnce(t *testing.T) {
	t.Parallel()
	r := house(t)
	c := r.create()
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			a, err := r.try(http.MethodPost, "/1.0/sessions/"+string(c.ID)+"/join", `{"screen":{"width":640,"height":480}}`)
			if err != nil || (a.StatusCode != http.StatusOK && a.StatusCode != http.StatusServiceUnavailable) {
				t.Errorf("join: %v %s", err, a.Error)
			}
		})
	}
	wg.Wait()
	_, all := r.stack.history(c.ID)
	generation := 0
	for _, e := range all {
		if e.Name == events.Joined {
			generation++
			var d events.JoinedData
			require.NoError(t, e.Decode(&d))
			require.Equal(t, generation, d.Generation, "each join has its own generation")
		}
	}
	require.Greater(t, generation, 1)
}

// Whatever a body says, the answer is a success or a failure of the client's, never ours.
func FuzzCreate(f *testing.F) {
	for body := range badBodies {
		f.Add([]byte(body))
	}
	f.Add([]byte(`{"app":"testcard","screen":{"width":1}}`))
	g := New(Config{Logger: discard(), Tokens: nil})
	close(g.alive.ready)
	g.sessions.Caught()
	g.agents.Caught()
	g.accounts.Caught()
	f.Fuzz(func(t *testing.T, body []byte) {
		c := g.echo.NewContext(httptest.NewRequest(http.MethodPost, "/1.0/sessions", bytes.NewReader(body)), &deadlined{httptest.NewRecorder()})
		rec, ok := c.Response().Writer.(*deadlined)
		require.True(t, ok)
		err := g.createSession(c)
		if err == nil {
			t.Fatal("a session without an agent")
		}
		g.onError(err, c)
		var a answer
		require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &a))
		if a.StatusCode < 400 || a.StatusCode >= 500 || a.Error == "" || len(a.Error) > 1000 {
			t.Fatalf("%d %s", a.StatusCode, a.Error)
		}
	})
}

// deadlined is a recorder that takes deadlines, as a connection does.
type deadlined struct{ *httptest.ResponseRecorder }

func (*deadlined) SetReadDeadline(time.Time) error { return nil }
