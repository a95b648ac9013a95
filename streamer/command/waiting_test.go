package command

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/streamer/input/xdisplay/xorgtest"
	"streamstack/streamer/instance"
)

// waiting is a streamer that is up before its session.
type waiting struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	reports *bufio.Reader
	output  bytes.Buffer // to be read when it has exited
	exited  chan error
}

func startWaiting(t *testing.T, display, marker string) *waiting {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	readEnd, writeEnd, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _ = readEnd.Close() })
	w := &waiting{cmd: exec.CommandContext(t.Context(), self, "role:streamer"), reports: bufio.NewReader(readEnd), exited: make(chan error, 1)}
	w.cmd.Env = []string{"DISPLAY=" + display, "STREAMSTACK_SESSION=warm-1", "STREAMSTACK_REGION=local", "STREAMSTACK_SCREEN=640x480@30",
		"STREAMSTACK_WARM=/dev/fd/3", instance.Marker + "=" + marker, "HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	w.cmd.Stdout, w.cmd.Stderr, w.cmd.ExtraFiles = &w.output, &w.output, []*os.File{writeEnd}
	w.in, err = w.cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, w.cmd.Start())
	require.NoError(t, writeEnd.Close())
	go func() { w.exited <- w.cmd.Wait() }()
	require.Equal(t, warmReport{Warm: true}, w.report(t))
	return w
}

func (w *waiting) report(t *testing.T) (r warmReport) {
	t.Helper()
	line, err := w.reports.ReadBytes('\n')
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(line, &r))
	return r
}

func (w *waiting) say(t *testing.T, what any) {
	t.Helper()
	require.NoError(t, json.NewEncoder(w.in).Encode(what))
}

func (w *waiting) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-w.exited:
		return err
	case <-time.After(patience):
		t.Fatal("the streamer does not end")
		return nil
	}
}

// A streamer that waits gives the display the session's size and then is that session's streamer; what it is asked to be is not in its
// environment as others see it.
func TestAStreamerThatWaits(t *testing.T) {
	t.Parallel()
	x := xorgtest.Start(t, 640, 480)
	server := eventstest.Start(t)
	log := eventstest.NewLog(t, server.Connect(t), events.StreamsConfig{})
	_, err := log.Append(t.Context(), events.NewDraft(region, session, events.Gateway, events.Created, events.CreatedData{App: "testcard"}))
	require.NoError(t, err)
	_, err = log.JetStream().CreateOrUpdateConsumer(t.Context(), events.SessionsStream, jetstream.ConsumerConfig{
		Durable: events.SessionConsumer(session), FilterSubject: events.SessionFilter(region, session),
		AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 1,
	})
	require.NoError(t, err)

	w := startWaiting(t, x.Display, "host/"+uuid.NewString())
	w.say(t, warmScreen{Screen: "801x600@24"})
	require.Equal(t, warmReport{Screen: "802x600@24"}, w.report(t))
	w.say(t, warmOrder{Env: []string{"STREAMSTACK_SESSION=" + string(session), "STREAMSTACK_SCREEN=802x600@24", "STREAMSTACK_AUDIO=false"},
		Secret: []byte(`{"nats":"` + strings.Replace(server.URL(), "nats://", "nats://user:"+password+"@", 1) + `"}`)})
	require.NoError(t, w.in.Close())
	var ready events.ReadyData
	eventstest.Wait(t, patience, func() string {
		found := false
		_ = log.History(t.Context(), region, session, 0, func(e events.Event) error { // asked again
			found = found || e.Is(events.Streamer, events.Ready) && e.Decode(&ready) == nil
			return nil
		})
		select {
		case err := <-w.exited:
			t.Fatalf("%v: %s", err, w.output.String())
		default:
		}
		if !found {
			return "the streamer's ready"
		}
		return ""
	})
	require.Equal(t, events.Screen{Width: 802, Height: 600, FPS: 24}, ready.Screen)
	require.NotEmpty(t, ready.Encoders)
	require.NoError(t, w.cmd.Process.Signal(os.Interrupt))
	_ = w.end(t) // by a signal that it does not take
	require.NotContains(t, w.output.String(), password)
}

// What the display cannot be is said, and ends the streamer; so does nonsense, which is not repeated.
func TestAStreamerThatWaitsInVain(t *testing.T) {
	t.Parallel()
	x := xorgtest.Start(t, 640, 480)
	w := startWaiting(t, x.Display, "")
	w.say(t, warmScreen{Screen: "99999x480@30"})
	require.Contains(t, w.report(t).Error, "does not take this size")
	require.Error(t, w.end(t))

	w = startWaiting(t, x.Display, "")
	_, err := io.WriteString(w.in, password+"\n")
	require.NoError(t, err)
	require.Error(t, w.end(t))
	require.Contains(t, w.output.String(), "different versions")
	require.NotContains(t, w.output.String(), password)
}

// Who waits for an agent that has died ends what it shares its instance with: one that was up before its session, and one that was held
// until the display would be there.
func TestAnAbandonedStreamer(t *testing.T) {
	t.Parallel()
	x := xorgtest.Start(t, 640, 480)
	other := func(marker string) <-chan error {
		cmd := exec.CommandContext(t.Context(), "sleep", "600")
		cmd.Env = []string{instance.Marker + "=" + marker}
		require.NoError(t, cmd.Start())
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		return ended
	}
	marker := "host/" + uuid.NewString()
	shares := other(marker)
	w := startWaiting(t, x.Display, marker)
	require.NoError(t, w.in.Close())
	require.Error(t, <-shares, "it was ended")
	require.Error(t, w.end(t))
	require.Contains(t, w.output.String(), "the agent is gone")

	marker = "host/" + uuid.NewString()
	shares = other(marker)
	self, err := os.Executable()
	require.NoError(t, err)
	held := exec.CommandContext(t.Context(), self, "role:streamer")
	held.Env = []string{"DISPLAY=:none", "STREAMSTACK_SESSION=" + string(session), "STREAMSTACK_REGION=local", "STREAMSTACK_SCREEN=640x480@30",
		instance.Marker + "=" + marker, "HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	in, err := held.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, held.Start())
	require.NoError(t, in.Close())
	require.Error(t, <-shares, "it was ended")
	require.Error(t, held.Wait())
}
