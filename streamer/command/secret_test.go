package command

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v3"

	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/events/eventstest"
	"streamstack/streamer/input/xdisplay/xorgtest"
)

const (
	region  events.Region    = "local"
	session events.SessionID = "0192f1c2-5d3e-4000-8000-00000000abcd"
	// password stands for whatever is secret in what the agent gives.
	password = "hunter2-and-more"
	patience = 60 * time.Second
)

// TestMain lets the test binary be a streamer of its own.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "role:streamer" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		err := Command().Run(ctx, os.Args[1:])
		stop()
		if err != nil {
			_, _ = os.Stderr.WriteString(err.Error() + "\n") // the exit status tells too
		}
		os.Exit(connect.ExitStatus(err))
	}
	os.Exit(m.Run())
}

// opening runs open in a command with a standard input, and keeps what is logged.
func opening(t *testing.T, stdin string, args ...string) (log string, err error) {
	t.Helper()
	var out bytes.Buffer
	cmd := Command()
	cmd.Reader, cmd.ErrWriter = strings.NewReader(stdin), &out
	cmd.Action = func(ctx context.Context, cmd *cli.Command) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		var secret []byte
		if cmd.String("nats") == "" {
			var err error
			if secret, err = standardInput(ctx, cmd); err != nil {
				return err
			}
		}
		l, _, err := open(ctx, cmd, secret, "local", session, slog.New(slog.NewTextHandler(&out, nil)))
		if err == nil {
			l.Conn().Close()
		}
		return err
	}
	err = cmd.Run(t.Context(), append([]string{"streamer", "--session", string(session), "--region", "local", "--screen", "640x480@30"}, args...))
	return out.String(), err
}

func TestTheWayIntoTheLog(t *testing.T) {
	server := eventstest.Start(t)
	_, err := opening(t, `{"nats":"`+server.URL()+`"}`)
	require.NoError(t, err)
	_, err = opening(t, "", "--nats", server.URL())
	require.NoError(t, err, "without standard input")
	t.Setenv("STREAMSTACK_NATS", server.URL())
	_, err = opening(t, "not read")
	require.NoError(t, err)
}

// Whatever is wrong with the secret, the message says what to do and does not repeat any of it.
func TestABadSecret(t *testing.T) {
	for name, stdin := range map[string]string{
		"nothing":      "",
		"no JSON":      password,
		"cut off":      `{"nats":"nats://u:` + password,
		"no address":   `{"creds":"` + password + `"}`,
		"other types":  `{"nats":7,"creds":"` + password + `"}`,
		"too long":     `{"nats":"nats://127.0.0.1:1","creds":"` + strings.Repeat(password, 10_000) + `"}`,
		"bad address":  `{"nats":"nats://u:` + password + `@[::1"}`,
		"no server":    `{"nats":"nats://u:` + password + `@127.0.0.1:1"}`,
		"bad creds":    `{"nats":"nats://127.0.0.1:1","creds":"` + password + `"}`,
		"unknown host": `{"nats":"nats://u:` + password + `@no-such-host.invalid:4222"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log, err := opening(t, stdin)
			require.Error(t, err)
			require.Equal(t, connect.ExitFailed, connect.ExitStatus(err))
			require.NotContains(t, err.Error()+log, password)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

// As an agent starts it: on a display, with the secret in its standard input and nowhere else.
func TestAsAProcess(t *testing.T) {
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

	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, "role:streamer")
	cmd.Env = append([]string{"DISPLAY=" + x.Display}, "STREAMSTACK_SESSION="+string(session), "STREAMSTACK_REGION=local", "STREAMSTACK_SCREEN=640x480@30",
		"STREAMSTACK_AUDIO=false", "HOME="+t.TempDir(), "PATH="+os.Getenv("PATH"))
	cmd.Stdin = strings.NewReader(`{"nats":"` + strings.Replace(server.URL(), "nats://", "nats://user:"+password+"@", 1) + `"}`)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	require.NoError(t, cmd.Start())
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()

	var ready events.ReadyData
	eventstest.Wait(t, patience, func() string {
		e, found := events.Event{}, false
		_ = log.History(t.Context(), region, session, 0, func(next events.Event) error { // asked again
			if next.Is(events.Streamer, events.Ready) {
				e, found = next, true
			}
			return nil
		})
		if !found || e.Decode(&ready) != nil {
			return "the streamer's ready"
		}
		return ""
	})
	require.NotEmpty(t, ready.Encoders)
	require.Equal(t, events.Screen{Width: 640, Height: 480, FPS: 30}, ready.Screen)
	for _, file := range []string{"environ", "cmdline"} {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/" + file)
		require.NoError(t, err)
		require.NotContains(t, string(text), password, file)
	}

	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-exited:
		require.NoError(t, err, "it ends with status 0: %s", output.String())
	case <-time.After(patience):
		t.Fatal("the streamer does not end")
	}
	require.NotContains(t, output.String(), password)
}
