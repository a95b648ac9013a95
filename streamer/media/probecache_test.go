package media

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events/eventstest"
	"streamstack/streamer/media/encoder"
)

// cached probes with a folder, and tells how many encoders were really tried.
func cached(t *testing.T, folder string) (all []Encoder, tried int) {
	t.Helper()
	output := &eventstest.Output{}
	all = ProbeCached(t.Context(), slog.New(slog.NewTextHandler(output, nil)), folder)
	require.Len(t, all, len(rows))
	return all, strings.Count(output.String(), "probed an encoder")
}

// The second start on a machine tries nothing again; one after a change of the machine does.
func TestProbeIsRemembered(t *testing.T) {
	folder := t.TempDir()
	first, tried := cached(t, folder)
	require.Equal(t, len(rows), tried)
	again, tried := cached(t, folder)
	require.Zero(t, tried, "no hardware that failed for a moment here")
	require.Equal(t, first, again)

	file := filepath.Join(folder, probeFile)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	write := func(change func(*probed)) {
		var p probed
		require.NoError(t, json.Unmarshal(text, &p))
		change(&p)
		require.NoError(t, writeProbed(file, p))
	}
	for name, change := range map[string]func(*probed){
		"another machine": func(p *probed) { p.Key = "another" },
		"too old":         func(p *probed) { p.At = p.At.Add(-probeAge - time.Hour) },
		"from tomorrow":   func(p *probed) { p.At = p.At.Add(24 * time.Hour) },
	} {
		write(change)
		_, tried = cached(t, folder)
		require.Equal(t, len(rows), tried, name)
	}
	write(func(p *probed) { p.Encoders = p.Encoders[:len(p.Encoders)-1] })
	_, tried = cached(t, folder)
	require.Equal(t, 1, tried, "an encoder that is not in the file")

	for _, rubbish := range []string{"", "{", "[]", `{"key":7}`, strings.Repeat(" ", maxProbeFile+1)} {
		require.NoError(t, os.WriteFile(file, []byte(rubbish), 0o600))
		all, tried := cached(t, folder)
		require.Equal(t, len(rows), tried)
		require.Equal(t, first, all)
	}
	all, tried := cached(t, filepath.Join(folder, "missing"))
	require.Equal(t, len(rows), tried)
	require.Equal(t, first, all)
}

// A GPU that failed is tried again, for it may have been busy; one that worked is not, and neither is software.
func TestHardwareThatFailedIsTriedAgain(t *testing.T) {
	before := rows
	t.Cleanup(func() { rows = before })
	rows = nil
	for _, r := range before {
		if r.Element == "x264enc" || r.Element == "vp8enc" {
			r.Vendor = encoder.NVIDIA // as far as the cache can tell
		}
		rows = append(rows, r)
	}
	folder := t.TempDir()
	all, _ := cached(t, folder)
	for i := range all {
		if all[i].Name == "x264enc" || all[i].Name == "openh264enc" {
			all[i].OK, all[i].Reason = false, "out of sessions"
		}
	}
	require.NoError(t, writeProbed(filepath.Join(folder, probeFile), probed{probeKey(), time.Now(), all}))
	all, tried := cached(t, folder)
	require.Equal(t, 1, tried)
	for _, e := range all {
		if e.Name == "x264enc" {
			require.True(t, e.OK, "it works this time")
		}
		if e.Name == "openh264enc" {
			require.False(t, e.OK, "software does not change its mind")
		}
	}
}
