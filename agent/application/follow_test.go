package application

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events/eventstest"
)

// Files that change, come and go are loaded again; one that is not sound is reported with line and field, and nothing
// changes until it is.
func TestFollow(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "racks[1-4]") // no pattern
	require.NoError(t, os.Mkdir(folder, 0o700))
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	write("a.yaml", "name: one\ncommand: [xterm]\n")
	known, err := Load(folder)
	require.NoError(t, err)
	output := &eventstest.Output{}
	f := Follower{Path: folder, Log: slog.New(slog.NewTextHandler(output, nil)), Every: 100 * time.Millisecond}
	got := make(chan []string, 10)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- f.Follow(ctx, known, func(c Catalogue) error { got <- c.Names(); return nil })
	}()
	next := func(want ...string) {
		t.Helper()
		select {
		case names := <-got:
			require.Equal(t, want, names)
		case <-time.After(20 * time.Second):
			t.Fatalf("no change; wanted %v; the log: %s", want, output)
		}
	}
	write("b.yml", "name: two\ncommand: [xterm]\n")
	next("one", "two")
	write("b.yml", "name: two\ncommand: [xterm]\nscreen: {width: 0}\n")
	eventstest.Wait(t, 20*time.Second, func() string {
		if text := output.String(); !strings.Contains(text, "b.yml:3") || !strings.Contains(text, "width") {
			return "the line and the field of the mistake; the log: " + text
		}
		return ""
	})
	require.Empty(t, got)
	write("c.txt", "not ours")
	write("b.yml", "name: three\ncommand: [xterm]\n")
	next("one", "three")
	require.NoError(t, os.Remove(filepath.Join(folder, "b.yml")))
	next("one")
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)

	refused := errors.New("no")
	write("b.yml", "name: four\ncommand: [xterm]\n")
	require.ErrorIs(t, f.Follow(t.Context(), known, func(c Catalogue) error {
		if !slices.Contains(c.Names(), "four") {
			return fmt.Errorf("what changed before it began is missing: %v", c.Names())
		}
		return refused
	}), refused)
}
