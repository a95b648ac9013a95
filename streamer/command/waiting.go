package command

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/streamer"
	"streamstack/streamer/display"
	"streamstack/streamer/instance"
)

// What an agent and a streamer that is up before its session say to each other: agent/driver has the same words, and says what
// they are for (WarmReport, WarmScreen, WarmOrder).
type (
	warmReport struct {
		Warm   bool   `json:"warm,omitempty"`
		Screen string `json:"screen,omitempty"`
		Error  string `json:"error,omitempty"`
	}
	warmScreen struct {
		Screen string `json:"screen"`
	}
	warmOrder struct {
		Env    []string `json:"env"`
		Secret []byte   `json:"secret"`
	}
)

const (
	// maxWarmLine bounds a line of an agent's: a secret of maxSecret in base64, and some settings.
	maxWarmLine = 2 * maxSecret
	// forkTime is how long a process may be between its agent's fork and its own beginning, when it has no marker yet. An agent
	// that is killed in that moment leaves one that the first look does not find.
	forkTime = time.Second
)

// errAbandoned: who started the streamer has gone before it said what for.
var errAbandoned = errors.New("streamer: standard input ended before it said what to stream: the agent is gone, and so is this instance")

// standardInput reads what the agent gives: all of standard input. The agent starts the streamer before the display and keeps
// its end of the pipe until the streamer may go; should it die meanwhile, nothing comes, and nobody else would ever end the
// instance.
func standardInput(ctx context.Context, cmd *cli.Command) ([]byte, error) {
	return within(ctx, func() ([]byte, error) {
		text, err := io.ReadAll(io.LimitReader(cmd.Root().Reader, maxSecret))
		if err == nil && len(text) == 0 && os.Getenv(instance.Marker) != "" {
			err = errAbandoned
		}
		return text, err
	})
}

// within reads what may never come, as long as there is somebody who waits for it.
func within(ctx context.Context, read func() ([]byte, error)) ([]byte, error) {
	type result struct {
		text []byte
		err  error
	}
	got := make(chan result, 1)
	go func() { // ends with the reading, or with the process
		text, err := read()
		got <- result{text, err}
	}()
	select {
	case r := <-got:
		if r.err != nil && !errors.Is(r.err, errAbandoned) {
			return nil, fmt.Errorf("streamer: read standard input: %w", r.err)
		}
		return r.text, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("streamer: %w", ctx.Err())
	}
}

// abandoned ends what the streamer shares its instance with, if err says that nobody else will.
func abandoned(ctx context.Context, err error, log *slog.Logger) error {
	if !errors.Is(err, errAbandoned) {
		return err
	}
	marker := os.Getenv(instance.Marker)
	first := instance.End(ctx, marker, log)
	select {
	case <-time.After(forkTime):
	case <-ctx.Done():
	}
	return errors.Join(err, first, instance.End(ctx, marker, log))
}

// wait is a streamer that is up before its session: it says so in the file report, gives the display the size that is asked for,
// and streams the session that it then gets. What does not depend on the session is done by then.
func wait(ctx context.Context, cmd *cli.Command, report string, log *slog.Logger) error {
	out, err := os.OpenFile(report, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("streamer: --warm: %w", err)
	}
	defer func() { _ = out.Close() }() // nothing is buffered
	say := func(r warmReport) error {
		line, err := json.Marshal(r)
		if err == nil {
			_, err = out.Write(append(line, '\n'))
		}
		if err != nil {
			return fmt.Errorf("streamer: --warm: %w", err)
		}
		return nil
	}
	found := encoders(ctx, log)
	if err := say(warmReport{Warm: true}); err != nil {
		return err
	}
	in := bufio.NewReaderSize(io.LimitReader(cmd.Root().Reader, 2*maxWarmLine), maxWarmLine)
	var want warmScreen
	if err := nextLine(ctx, in, &want); err != nil {
		return abandoned(ctx, err, log)
	}
	got, err := fit(ctx, os.Getenv("DISPLAY"), want.Screen)
	if err != nil {
		return errors.Join(err, say(warmReport{Error: err.Error()}))
	}
	if err := say(warmReport{Screen: got}); err != nil {
		return err
	}
	var order warmOrder
	if err := nextLine(ctx, in, &order); err != nil {
		return abandoned(ctx, err, log)
	}
	if err := become(order.Env); err != nil {
		return err
	}
	next := command(found)
	next.Reader, next.Writer, next.ErrWriter = bytes.NewReader(order.Secret), cmd.Root().Writer, cmd.Root().ErrWriter
	return next.Run(fresh{ctx}, []string{"streamer"}) //nolint:contextcheck // fresh is ctx
}

// fresh is a context in which no command runs yet: one would be the next one's parent, with its flags and its standard input.
type fresh struct{ context.Context } //nolint:containedctx // it is one

func (fresh) Value(any) any { return nil }

// nextLine reads one JSON document.
func nextLine(ctx context.Context, in *bufio.Reader, into any) error {
	line, err := within(ctx, func() ([]byte, error) {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			err = errAbandoned
		}
		return line, err
	})
	if err != nil {
		return err
	}
	if json.Unmarshal(line, into) != nil { // whose error may repeat what is secret
		return errors.New("streamer: standard input holds no order for a streamer that waits: agent and streamer are of different versions")
	}
	return nil
}

// fit gives the display the size of a screen, and returns what it has become.
func fit(ctx context.Context, name, screen string) (string, error) {
	s, err := parseScreen(screen)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, fitTime)
	defer cancel()
	if s.Width, s.Height, err = display.Resize(ctx, name, s.Width+s.Width%2, s.Height+s.Height%2, s.FPS); err != nil {
		return "", err //nolint:wrapcheck // it says what and where
	}
	return formatScreen(s), nil
}

// fitTime bounds the change of a display that nobody draws on yet.
const fitTime = 5 * time.Second

func formatScreen(s events.Screen) string { return fmt.Sprintf("%dx%d@%d", s.Width, s.Height, s.FPS) }

// become takes over the environment that the streamer would have been started with.
func become(env []string) error {
	for _, pair := range env {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return errors.New("streamer: an order's environment is NAME=value")
		}
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("streamer: an order's environment: %w", err)
		}
	}
	return os.Unsetenv(connect.EnvName("warm")) //nolint:wrapcheck // its name is a good one
}

// command is [Command] with the encoders that were found before; nil: they are looked for.
func command(found []streamer.Encoder) *cli.Command {
	c := Command()
	if found != nil {
		c.Action = func(ctx context.Context, cmd *cli.Command) error {
			known := make(chan []streamer.Encoder, 1)
			known <- found
			return stream(ctx, cmd, known)
		}
	}
	return c
}
