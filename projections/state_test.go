package projections_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/events"
	"streamstack/projections"
	"streamstack/projections/snapshot"
)

var update = flag.Bool("update", false, "write the golden files anew")

// drawHistory draws steps of several sessions in any interleaving, and whether what expires has.
func drawHistory(t *rapid.T) (all, lasting []events.Event) {
	for i, n := range rapid.SliceOfN(rapid.IntRange(1, 5), 0, 60).Draw(t, "sessions") {
		st := drawStep(t)
		e := eventOf(events.SessionID(fmt.Sprintf("s-%d", n)), i+1, st.actor, st.name, st.data)
		if rapid.IntRange(0, 9).Draw(t, "quarantine") == 0 {
			e.Quarantine = "no"
		}
		all = append(all, e)
		if !events.ShortLived(e.Name) {
			lasting = append(lasting, e)
		}
	}
	return all, lasting
}

// folded is a model after events.
func folded[S projections.State](empty S, lists ...[]events.Event) S {
	for _, e := range slices.Concat(lists...) {
		empty.Fold(e)
	}
	return empty
}

// shown is all that a sessions model says, but for the place in the log.
func shown(m *projections.Sessions) (list []projections.Session, totals map[projections.Status]int) {
	totals = map[projections.Status]int{}
	for _, s := range []projections.Status{projections.StatusCreated, projections.StatusActive, projections.StatusError, projections.StatusTerminating, projections.StatusTerminated} {
		totals[s] = m.Total(s)
	}
	return m.List(), totals
}

// A snapshot at any point and the events after it give what the whole log gives, whether candidates and the like have
// expired before the snapshot, after it, or not at all.
func TestSnapshotAndTailEqualFullReplay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all, lasting := drawHistory(t)
		cut := events.Seq(rapid.IntRange(0, len(all)).Draw(t, "cut"))
		upTo := func(list []events.Event) []events.Event {
			return slices.DeleteFunc(slices.Clone(list), func(e events.Event) bool { return e.Sequence > cut })
		}
		after := func(list []events.Event) []events.Event {
			return slices.DeleteFunc(slices.Clone(list), func(e events.Event) bool { return e.Sequence <= cut })
		}
		want, totals := shown(folded(projections.NewSessions(), all))
		for name, parts := range map[string][2][]events.Event{
			"nothing expired": {upTo(all), after(all)}, "expired after the snapshot": {upTo(all), after(lasting)}, "expired before": {upTo(lasting), after(lasting)},
		} {
			restored := projections.NewSessions()
			if err := restored.Restore(folded(projections.NewSessions(), parts[0]).Dump()); err != nil {
				t.Fatal(name, err)
			}
			got, gotTotals := shown(folded(restored, parts[1]))
			if !reflect.DeepEqual(want, got) || !reflect.DeepEqual(totals, gotTotals) {
				t.Fatalf("%s, snapshot at %d:\n%+v\nfull replay:\n%+v", name, cut, got, want)
			}
		}
		// Nothing but what is shown is in a model, so the whole models agree where no event is missing.
		restored := projections.NewSessions()
		if err := restored.Restore(folded(projections.NewSessions(), upTo(all)).Dump()); err != nil {
			t.Fatal(err)
		}
		if got, want := folded(restored, after(all)).Dump(), folded(projections.NewSessions(), all).Dump(); !slices.Equal(got, want) {
			t.Fatalf("the models differ:\n%q\n%q", got, want)
		}
	})
}

// drawAgentEvent and drawAccountEvent draw steps of the other streams.
func drawAgentEvent(t *rapid.T, seq int) events.Event {
	apps := rapid.SampledFrom([][]events.ApplicationData{nil, {}, {{Name: "testcard", Versions: []int{1, 3}, Screen: events.Screen{Width: 2}}, {Name: "xterm"}}}).Draw(t, "applications")
	id := rapid.SampledFrom([]events.AgentID{"a1", "a2", "a3"}).Draw(t, "agent")
	d := events.NewAgentDraft(rapid.SampledFrom([]events.Region{"local", "r2"}).Draw(t, "region"), id, events.AgentOnline,
		events.OnlineData{Driver: "process", Slots: rapid.IntRange(0, 9).Draw(t, "slots"), Version: "v1", Applications: apps})
	if rapid.Bool().Draw(t, "offline") {
		d = events.NewAgentDraft("local", id, events.AgentOffline, events.OfflineData{Reason: "drained"})
	}
	return drafted(seq, d)
}

func drawAccountEvent(t *rapid.T, seq int) events.Event {
	name := rapid.SampledFrom([]events.Name{events.AccountCreated, events.AccountCreated, events.AccountDeleted, events.AccountExpired}).Draw(t, "name")
	return drafted(seq, events.NewAccountDraft(rapid.SampledFrom([]string{"ada", "bob", "eve"}).Draw(t, "account"), name,
		events.AccountData{TokenID: rapid.StringN(0, 5, 9).Draw(t, "token"), Expiry: "2027-01-01T00:00:00Z"}))
}

// drafted is a draft's event as it is read from its stream.
func drafted(seq int, d events.Draft) events.Event {
	e := event(seq, "", "", d.Data)
	e.Subject, e.Type, e.Region, e.Session = d.Subject, d.Type, "", ""
	return e
}

func TestSnapshotAndTailEqualFullReplayOfAgentsAndAccounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 30).Draw(t, "events")
		cut := rapid.IntRange(0, n).Draw(t, "cut")
		var agents, accounts []events.Event
		for i := range n {
			agents, accounts = append(agents, drawAgentEvent(t, i+1)), append(accounts, drawAccountEvent(t, i+1))
		}
		a, c := projections.NewAgents(), projections.NewAccounts()
		if err := a.Restore(folded(projections.NewAgents(), agents[:cut]).Dump()); err != nil {
			t.Fatal(err)
		}
		if err := c.Restore(folded(projections.NewAccounts(), accounts[:cut]).Dump()); err != nil {
			t.Fatal(err)
		}
		if got, want := folded(a, agents[cut:]), folded(projections.NewAgents(), agents); !reflect.DeepEqual(got, want) {
			t.Fatalf("agents:\n%+v\nfull replay:\n%+v", got, want)
		}
		if got, want := folded(c, accounts[cut:]), folded(projections.NewAccounts(), accounts); !reflect.DeepEqual(got, want) {
			t.Fatalf("accounts:\n%+v\nfull replay:\n%+v", got, want)
		}
	})
}

// models are empty states of all kinds, with a history whose state has something in every field.
func models() map[string]struct {
	empty   func() projections.State
	history []events.Event
	value   any // what the schema is made of
} {
	three := 3
	screen := events.Screen{Width: 1280, Height: 720, FPS: 60, Density: 160}
	other := "b7d9b0f6-0f2c-4b86-8f0e-1f5a1f0d2a10"
	sessions := script(
		step{events.Gateway, events.Created, events.CreatedData{App: "testcard", AppVersion: 2, Joinable: true, IdleTimeMin: &three, Ephemeral: true, Screen: screen, Account: "ada", HasExtraData: true}},
		joined(peer1, 1), claimed(1), attemptFailed("display"), claimed(2),
		step{events.Agent, events.Launched, events.LaunchedData{Agent: agent1, Attempt: 2, Instance: "i1"}},
		step{events.Streamer, events.Ready, events.ReadyData{Encoders: []events.EncoderData{{Codec: "H264", Element: "x264enc", Hardware: true}}, Codecs: []string{"H264"}, Screen: screen, ADB: true, Via: events.ViaMaster,
			Discover: events.DiscoverData{MaxAPIVersion: 2, FPS: 60, Capabilities: []string{"resize"}}}},
		connected(peer1), step{events.Gateway, events.Shared, events.SharedData{ID: "share-1", Type: "adb", Description: "for bob", ExpiryAt: 1800000000}},
		watching("viewer-1", 1), watching("viewer-2", 2), connected("viewer-2"),
		terminating("left"),
	)
	failing := []step{created(kept), claimed(1), failed("crash")}
	for i, st := range failing {
		sessions = append(sessions, eventOf(events.SessionID(other), len(sessions)+i+1, st.actor, st.name, st.data))
	}
	online := events.NewAgentDraft("local", "a1", events.AgentOnline, events.OnlineData{Driver: "process", Slots: 4, Version: "v1",
		Applications: []events.ApplicationData{{Name: "testcard", Versions: []int{1, 2}, Screen: screen}},
		GPUs:         []events.GPUData{{Vendor: "nvidia", Device: "/dev/dri/renderD128"}}})
	drain := events.NewAgentDraft("local", "a1", events.AgentDrain, events.DrainData{By: "account:ada", Until: "2027-01-01T00:00:00Z"})
	token := events.AccountData{TokenID: "t1", Expiry: "2027-01-01T00:00:00Z", Scopes: "read"}
	accounts := []events.Event{drafted(1, events.NewAccountDraft("ada", events.AccountCreated, token)), drafted(2, events.NewAccountDraft("ada", events.AccountExpired, token))}
	return map[string]struct {
		empty   func() projections.State
		history []events.Event
		value   any
	}{
		"sessions": {func() projections.State { return projections.NewSessions() }, sessions, projections.Session{}},
		"agents":   {func() projections.State { return projections.NewAgents() }, []events.Event{drafted(1, online), drafted(2, drain)}, projections.Agent{}},
		"accounts": {func() projections.State { return projections.NewAccounts() }, accounts, projections.Account{}},
	}
}

// The golden files hold a schema, what it is made of, and the state of a fixed history. If a fold or an encoding changes
// without its version, snapshots of before would be misread: this says so, and -update refuses.
func TestSchemaChangesWithTheState(t *testing.T) {
	for name, m := range models() {
		t.Run(name, func(t *testing.T) {
			state := folded(m.empty(), m.history)
			got := fmt.Sprintf("schema %s\n%s\nstate %x\n", state.Schema(), snapshot.Layout(1, m.value), state.Dump())
			path := filepath.Join("testdata", "schema", name+".txt")
			want, err := os.ReadFile(path)
			if *update && string(want) != got {
				require.False(t, err == nil && len(want) > 23 && string(want[:23]) == got[:23], "the state changed, its schema did not: raise the version of %s in state.go", name)
				require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
				return
			}
			require.NoError(t, err)
			require.Equal(t, string(want), got, "raise the version of %s in state.go unless the layout changed, and run with -update", name)
		})
	}
}

// A field that nobody writes down would be lost by a restart: each of a state that has something in every field is
// read back.
func TestEveryFieldIsWrittenDown(t *testing.T) {
	for name, m := range models() {
		t.Run(name, func(t *testing.T) {
			state, restored := folded(m.empty(), m.history), m.empty()
			require.NoError(t, restored.Restore(state.Dump()))
			switch got := restored.(type) {
			case *projections.Sessions:
				whole, ok := state.(*projections.Sessions)
				require.True(t, ok)
				require.Equal(t, whole.List(), got.List())
				requireFilled(t, got.List())
			case *projections.Agents:
				require.Equal(t, state, restored)
				requireFilled(t, got.List(), "Again") // not of an agent, but of one announcement
			case *projections.Accounts:
				require.Equal(t, state, restored)
				requireFilled(t, got.List())
			}
		})
	}
}

// requireFilled checks that every field but some has a value in one of a list at least, so that the test above sees all.
func requireFilled[T any](t *testing.T, list []T, but ...string) {
	t.Helper()
	for _, f := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		if slices.Contains(but, f.Name) {
			continue
		}
		require.True(t, slices.ContainsFunc(list, func(v T) bool { return !reflect.ValueOf(v).FieldByIndex(f.Index).IsZero() }),
			"no value of the test's history has %s: add one", f.Name)
	}
}

func FuzzRestore(f *testing.F) {
	for _, m := range models() {
		f.Add(folded(m.empty(), m.history).Dump())
	}
	f.Fuzz(func(t *testing.T, state []byte) {
		for name, m := range models() {
			restored := folded(m.empty(), m.history)
			before := restored.Dump()
			begin := time.Now()
			if err := restored.Restore(state); err != nil {
				require.ErrorIs(t, err, snapshot.ErrCorrupt)
				require.Equal(t, before, restored.Dump(), "a failed restore left a mark")
				continue
			}
			again := m.empty()
			require.NoError(t, again.Restore(restored.Dump()), name)
			require.Equal(t, restored.Dump(), again.Dump(), name)
			require.Less(t, time.Since(begin), 10*time.Second)
		}
	})
}
