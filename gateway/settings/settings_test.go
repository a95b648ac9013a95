package settings

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
)

// following starts settings of their own on a log.
func following(t *testing.T, server *eventstest.Server, start Values, changed func(Values)) (*Live, *events.Log) {
	t.Helper()
	log, err := events.New(server.Connect(t), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	l := New(start, changed)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- l.Follow(ctx, log) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("follow ended with %v", err)
		}
	})
	select {
	case <-l.Ready():
	case <-time.After(20 * time.Second):
		t.Fatal("the settings are not ready")
	}
	return l, log
}

// A change holds at every gateway, outlives all of them, tells who made it, and can be taken back.
func TestChangesReachEveryGateway(t *testing.T) {
	t.Parallel()
	server := eventstest.Start(t)
	eventstest.NewLog(t, server.Connect(t), events.StreamsConfig{})
	start := Default()
	start.CORSOrigins = []string{"https://one.example.net"}
	var told atomic.Int64
	one, log := following(t, server, start, nil)
	two, _ := following(t, server, Default(), func(v Values) { told.Store(int64(v.SharesPerSession)) })
	require.EqualValues(t, 5, told.Load(), "told of the start")

	value := func(s string) *string { return &s }
	require.NoError(t, one.Change(t.Context(), log, "shares_per_session", value("7"), "anna"))
	require.NoError(t, one.Change(t.Context(), log, "cors_origins", value(" https://a.example.net , *"), "ben"))
	require.Equal(t, 7, one.Values().SharesPerSession, "at once where it was asked for")
	later, _ := following(t, server, Default(), nil)
	for _, l := range []*Live{two, later} {
		eventstest.Wait(t, 20*time.Second, func() string {
			if v := l.Values(); v.SharesPerSession != 7 || strings.Join(v.CORSOrigins, ",") != "https://a.example.net,*" {
				return "the change at another gateway"
			}
			return ""
		})
	}
	require.EqualValues(t, 7, told.Load())
	for _, it := range one.Items() {
		switch it.Name {
		case "shares_per_session":
			require.Equal(t, []string{"7", "5", "anna"}, []string{it.Value, it.Default, it.Account})
			require.WithinDuration(t, time.Now(), it.Changed, time.Minute)
		case "cors_origins":
			require.Equal(t, []string{"https://a.example.net,*", "https://one.example.net", "ben"}, []string{it.Value, it.Default, it.Account})
		default:
			require.Equal(t, it.Default, it.Value)
			require.Empty(t, it.Account)
		}
		require.NotEmpty(t, it.Text)
	}
	require.NoError(t, one.Change(t.Context(), log, "cors_origins", nil, "ben"))
	require.Equal(t, start.CORSOrigins, one.Values().CORSOrigins, "what the gateway was started with")
}

// A value that this version does not understand, which a newer gateway may have let in, counts as not set.
func TestForeignValues(t *testing.T) {
	t.Parallel()
	server := eventstest.Start(t)
	eventstest.NewLog(t, server.Connect(t), events.StreamsConfig{})
	l, log := following(t, server, Default(), nil)
	for item, v := range map[string]string{"shares_per_session": "many", "of_tomorrow": "1"} {
		seq, err := log.Append(t.Context(), events.NewSettingDraft(item, events.SettingData{Value: &v}))
		require.NoError(t, err)
		require.NoError(t, l.state.Wait(t.Context(), seq))
	}
	require.Equal(t, Default(), l.Values())
}

// Values are checked in words that name the item, and a good one is shown as it was given.
func TestValues(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ good, bad []string }{
		"cors_origins":           {[]string{"", "*", "https://a.example.net,http://localhost:8080", "https://a:80,http://[::1]:8080"}, []string{"example.net", "https://a.example.net/", "ftp://a", "https://a/b", "https://u@a", "https://A.example.net", "https://a:443", "http://a:80", "http://:80"}},
		"cors_headers":           {[]string{"", "X-Request-Id,X-B"}, []string{"*", "a b", "a:b", "cookie", strings.Repeat("x", 5000)}},
		"cors_methods":           {[]string{"", "PUT"}, []string{"P T", strings.Repeat("P,", 65)}},
		"public_url":             {[]string{"", "https://stream.example.net", "http://10.0.0.1:4000/base"}, []string{"stream.example.net", "ws://x", "https://", "https://a?b=c", "https://u:p@a", "https://a#b"}},
		"requests_per_second":    {[]string{"0", "100"}, []string{"-1", "", "1.5", "x", "1000000001", "NaN"}},
		"sessions_per_account":   {[]string{"0", "100"}, []string{"-1", "", "0x1"}},
		"sockets_per_account":    {[]string{"0", "100"}, []string{"-1"}},
		"shares_per_session":     {[]string{"0", "100"}, []string{"-1", "101"}},
		"share_life_minutes":     {[]string{"1", "43200"}, []string{"0", "43201", "1h"}},
		"share_max_life_minutes": {[]string{"1", "43200"}, []string{"0", "43201"}},
	} {
		it, ok := find(name)
		require.True(t, ok, name)
		for _, text := range c.good {
			v := Default()
			require.NoError(t, it.set(&v, text), "%s=%s", name, text)
			require.Equal(t, text, it.show(v), name)
		}
		for _, text := range c.bad {
			v := Default()
			require.Error(t, it.set(&v, text), "%s=%s", name, text)
		}
	}
	l := New(Default(), nil)
	require.ErrorIs(t, l.Change(t.Context(), nil, "color", nil, ""), ErrUnknown)
	bad := "x"
	require.ErrorIs(t, l.Change(t.Context(), nil, "public_url", &bad, ""), ErrValue)
}

// Whatever the text, an item takes it or says why not; what it takes, it takes again as it shows it.
func FuzzItems(f *testing.F) {
	for _, text := range []string{"", "*", "5", "https://a.example.net", "X-A, X-B", "-1", "\x00"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, it := range items {
			v := Default()
			if it.set(&v, text) != nil {
				continue
			}
			again := Default()
			if err := it.set(&again, it.show(v)); err != nil || it.show(again) != it.show(v) {
				t.Errorf("%s: %q is shown as %q: %v", it.name, text, it.show(v), err)
			}
		}
	})
}
