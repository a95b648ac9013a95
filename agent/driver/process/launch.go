package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"streamstack/agent/application"
	"streamstack/agent/driver"
)

// launch starts all parts, in order. After an error the caller ends what has been started.
func (in *instance) launch(ctx context.Context, streamer []string, self string) error {
	if err := checkCommand(in.spec.Application, self); err != nil { // rather now than when all else runs
		return err
	}
	if err := in.prepare(); err != nil {
		return err
	}
	if err := in.writeUserData(); err != nil {
		return err
	}
	if err := in.startBase(ctx, streamer, nil); err != nil {
		return err
	}
	if err := in.beforeStreamer(ctx); err != nil {
		return err
	}
	return in.goOn(ctx, self, in.spec.Streamer.Secret)
}

// goOn starts the application and lets the streamer go, last: once that is ready the instance is whole, and outlives us.
func (in *instance) goOn(ctx context.Context, self string, order []byte) error {
	if err := in.startApplication(self); err != nil {
		return err
	}
	return in.letGo(ctx, order)
}

// startBase starts the streamer, which waits for its standard input, then display and sound, and returns when these are up.
//
// The streamer comes first since it is who ends the instance should we be killed now and never come back: it sees the end of its
// standard input, with nothing in it. (It also loads its libraries meanwhile.) report, if not nil, is its file descriptor 3.
func (in *instance) startBase(ctx context.Context, streamer []string, report *os.File) error {
	began := time.Now()
	if err := in.startStreamer(streamer, report); err != nil {
		return err
	}
	base, baseCtx := errgroup.WithContext(ctx)
	base.Go(func() error { return in.startDisplay(baseCtx) })
	base.Go(func() error { return in.startSound(baseCtx) })
	if err := base.Wait(); err != nil {
		return err
	}
	if err := in.startKiosk(ctx); err != nil {
		return err
	}
	in.log.Debug("display and sound are up", "session", in.ID(), "display", in.display, "took", time.Since(began))
	return nil
}

func checkCommand(a application.Application, self string) error {
	argv := a.Argv(self)
	if _, err := exec.LookPath(argv[0]); err != nil {
		return startError(command{part: driver.PartApplication, argv: argv}, err)
	}
	return nil
}

// prepare makes the folders and writes the state, before anything runs.
func (in *instance) prepare() error {
	if err := in.clearFolder(in.folder); err != nil {
		return err
	}
	for _, folder := range []string{in.home(), in.cache} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return fmt.Errorf("process: %w", err)
		}
	}
	boot, err := bootID()
	if err != nil {
		return err
	}
	owner, _ := readProcess(os.Getpid()) // we exist
	if in.runtime, err = runtimeFolder(); err != nil {
		return err
	}
	in.linkSockets()
	if in.display, err = pickDisplay(); err != nil {
		return err
	}
	width, height := displaySize(in.spec.Screen.Width, in.spec.Screen.Height)
	in.screen = fmt.Sprintf("%dx%d@%d", width, height, in.spec.Screen.FPS)
	in.state = state{Session: in.ID(), Name: in.name, Owner: owner.identity, Boot: boot, Runtime: in.runtime, Display: in.display, Cookie: in.cookie,
		Parts: make(map[driver.Part]identity)}
	if err := in.state.write(in.folder); err != nil {
		return err
	}
	return in.joinGroup()
}

// clearFolder removes an earlier attempt's logs.
func (in *instance) clearFolder(folder string) error {
	if _, err := os.Stat(filepath.Join(folder, stateFile)); err == nil {
		return fmt.Errorf("process: an earlier run left %s behind; Sweep comes first: %w", filepath.Base(folder), driver.ErrExists)
	}
	if err := os.RemoveAll(folder); err != nil {
		return fmt.Errorf("process: %w", err)
	}
	return nil
}

func (in *instance) writeUserData() error {
	if len(in.spec.UserData) == 0 {
		return nil
	}
	if err := os.WriteFile(in.userDataFile(), in.spec.UserData, 0o600); err != nil {
		return fmt.Errorf("process: user data: %w", err)
	}
	return nil
}

func (in *instance) beforeStreamer(ctx context.Context) error {
	if in.spec.BeforeStreamer == nil {
		return nil
	}
	if err := in.spec.BeforeStreamer(ctx); err != nil {
		return fmt.Errorf("process: before the streamer: %w", err)
	}
	return nil
}

// startStreamer starts the streamer, which reads its standard input when it is let go.
func (in *instance) startStreamer(argv []string, report *os.File) error {
	readEnd, writeEnd, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("process: %w", err)
	}
	defer func() { _ = readEnd.Close() }() // the child has its own
	in.order = writeEnd
	c := command{part: driver.PartStreamer, argv: argv, env: in.streamerEnvironment(), log: in.logFile("streamer"), stdin: readEnd}
	if report != nil {
		c.env, c.extra = append(c.env, "STREAMSTACK_WARM=/dev/fd/3"), []*os.File{report}
	}
	_, err = in.start(c)
	return err
}

// letGo gives the streamer what it waits for. A pipe holds a secret as a whole (driver.MaxSecret), so that nothing waits for the
// streamer; one that has ended already tells so by its end.
func (in *instance) letGo(ctx context.Context, order []byte) error {
	defer context.AfterFunc(ctx, func() { _ = in.order.SetWriteDeadline(time.Unix(1, 0)) })()
	_, err := in.order.Write(order)
	if errors.Is(err, syscall.EPIPE) {
		err = nil
	}
	if err := errors.Join(err, in.order.Close()); err != nil {
		return fmt.Errorf("process: the streamer's secret: %w", err)
	}
	in.order = nil
	return nil
}

func (in *instance) startApplication(self string) error {
	confined := slices.Clone(in.confine)
	if len(confined) > 0 {
		confined = append(confined, in.view().Args()...)
	}
	_, err := in.start(command{
		part: driver.PartApplication, argv: slices.Concat(confined, in.spec.Application.Argv(self)),
		env: in.applicationEnvironment(), log: in.logFile("application"), confined: len(in.confine) > 0,
	})
	return err
}
