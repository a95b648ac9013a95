package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"streamstack/agent/application"
	"streamstack/agent/driver/process"
	"streamstack/events"
)

// streamerRole is a streamer that reads its secret, finds its consumer, says that it is ready, and waits for its end.
func streamerRole() {
	if err := streamTo(context.Background()); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	sleepRole()
}

func streamTo(ctx context.Context) error {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	var secret StreamerSecret
	if err := json.Unmarshal(text, &secret); err != nil {
		return err
	}
	nc, err := nats.Connect(secret.NATS)
	if err != nil {
		return err
	}
	log, err := events.New(nc, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	id := events.SessionID(os.Getenv("STREAMSTACK_SESSION"))
	if _, err := log.JetStream().Consumer(ctx, events.SessionsStream, events.SessionConsumer(id)); err != nil {
		return err
	}
	leaks := "nothing leaks"
	if all := strings.Join(append(os.Environ(), os.Args...), "\n"); strings.Contains(all, secret.Creds) || strings.Contains(all, secret.NATS) {
		leaks = "the secret is in the environment"
	}
	_, err = log.Append(ctx, events.NewDraft(events.Region(os.Getenv("STREAMSTACK_REGION")), id, events.Streamer, events.Ready,
		events.ReadyData{Codecs: []string{os.Getenv("STREAMSTACK_SCREEN"), leaks}}))
	return err
}

func sleepRole() {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	<-term
}

func crashRole() { fmt.Println("the disk is on fire"); os.Exit(3) }

// With real processes: display, sound, streamer and application start, end on request, and a crash explains itself.
func TestWithTheProcessDriver(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	self, err := os.Executable()
	require.NoError(t, err)
	data := t.TempDir()
	d, err := process.New(process.Config{Data: data, Self: self, Streamer: []string{self, "role:streamer"}})
	require.NoError(t, err)
	cfg, nc := r.config("a1", 2, nil)
	cfg.Driver, cfg.DriverName = d, "process"
	screen := application.Screen{Width: 640, Height: 480, FPS: 30}
	cfg.Applications, err = application.New(
		application.Application{Name: "xterm", Version: 1, Command: []string{self, "role:sleep"}, Screen: screen, Audio: true},
		application.Application{Name: "glxgears", Version: 1, Command: []string{self, "role:crash"}, Screen: screen},
	)
	require.NoError(t, err)
	a := r.run(cfg, nc)

	id := r.session(func(c *events.CreatedData) { c.HasExtraData = true })
	r.append(id, events.Gateway, events.ExtraData, events.ExtraDataData{ExtraData: events.Raw(`"for the application"`)})
	ready := r.until(id, events.Ready)
	require.Equal(t, []string{"1280x720@30", "nothing leaks"}, decoded[events.ReadyData](t, ready).Codecs)
	words, _ := r.history(id)
	require.Equal(t, []string{"gateway.created", "gateway.extra_data", "agent.claimed", "agent.launched", "streamer.ready"}, inOrder(words, "agent.claimed", "gateway.extra_data"))
	user, err := os.ReadFile(filepath.Join(data, "instances", string(id), "home", "user-data.json"))
	require.NoError(t, err)
	require.Contains(t, string(user), `"extra_data":"for the application"`)
	r.append(id, events.Gateway, events.Terminating, events.TerminatingData{Reason: "deleted"})
	require.Equal(t, "deleted", decoded[events.EndedData](t, r.until(id, events.Terminated)).Reason)

	bad := r.create(func(c *events.CreatedData) { c.App = "glxgears" })
	r.queue(bad, "glxgears")
	e := decoded[events.FailedData](t, r.until(bad, events.Failed))
	require.Equal(t, "application", e.Part)
	require.Equal(t, 3, *e.ExitCode)
	require.Contains(t, e.LogTail, "the disk is on fire")
	require.NotEmpty(t, e.Reason)

	last := r.session()
	r.until(last, events.Ready)
	began := time.Now()
	a.drained(t)
	require.Less(t, time.Since(began), drainWithin)
	require.Equal(t, []string{"agent.terminated"}, r.endings(last))
	left, err := d.Sweep(t.Context())
	require.NoError(t, err)
	require.Empty(t, left)
}

// inOrder puts two words that may come in either order into the one given.
func inOrder(words []string, one, other string) []string {
	for i := 1; i < len(words); i++ {
		if words[i-1] == one && words[i] == other {
			words[i-1], words[i] = other, one
		}
	}
	return words
}
