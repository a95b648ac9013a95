package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"streamstack/agent/driver"
	"streamstack/agent/driver/process/kiosk"
)

// instance is one session's processes. Launch starts them; from then on one goroutine, supervise, owns their end.
type instance struct {
	spec    driver.Spec
	folder  string // logs, home, state
	runtime string // sockets and configuration
	cache   string
	marker  string
	cookie  []byte
	log     *slog.Logger

	display int // its number; set by prepare

	mu    sync.Mutex // guards parts and state, while display and sound start side by side
	parts map[driver.Part]*child
	state state

	stopOnce sync.Once
	stopping chan struct{} // closed by the first request to stop
	kiosk    func()        // ends the kiosk and waits for it; nil when it never ran

	ended  func() // gives the session's place back
	done   chan struct{}
	ending driver.Ending // set before done is closed
}

func (in *instance) ID() string            { return in.spec.Session }
func (in *instance) Done() <-chan struct{} { return in.done }

func (in *instance) Ending() driver.Ending {
	select {
	case <-in.done:
		return in.ending
	default:
		return driver.Ending{}
	}
}

func (in *instance) requestStop() { in.stopOnce.Do(func() { close(in.stopping) }) }

func (in *instance) Stop(ctx context.Context) error {
	in.requestStop()
	select {
	case <-in.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("process: instance %s is still ending: %w", in.ID(), context.Cause(ctx))
	}
}

// start starts a part and writes it down for a later Sweep.
func (in *instance) start(c command) (*child, error) {
	c.folder = in.home()
	in.mu.Lock()
	defer in.mu.Unlock()
	ch, err := start(c)
	if err != nil {
		return nil, err
	}
	in.parts[c.part] = ch
	in.state.Parts[c.part] = ch.identity
	return ch, in.state.write(in.folder)
}

// launch starts all parts, in order. After an error the caller ends what has been started.
func (in *instance) launch(ctx context.Context, streamer []string, self string) error {
	if err := in.prepare(); err != nil {
		return err
	}
	began := time.Now()
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
	if in.spec.BeforeStreamer != nil {
		if err := in.spec.BeforeStreamer(ctx); err != nil {
			return fmt.Errorf("process: before the streamer: %w", err)
		}
	}
	if err := in.startStreamer(streamer); err != nil {
		return err
	}
	_, err := in.start(command{
		part: driver.PartApplication, argv: in.spec.Application.Argv(self),
		env: in.applicationEnvironment(), log: in.logFile("application"),
	})
	return err
}

// prepare makes the folders and writes the state, before anything runs.
func (in *instance) prepare() error {
	if _, err := os.Stat(filepath.Join(in.folder, stateFile)); err == nil {
		return fmt.Errorf("process: an earlier run left %s behind; Sweep comes first: %w", in.ID(), driver.ErrExists)
	}
	if err := os.RemoveAll(in.folder); err != nil { // an earlier attempt's logs
		return fmt.Errorf("process: %w", err)
	}
	for _, folder := range []string{in.home(), in.cache} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return fmt.Errorf("process: %w", err)
		}
	}
	if len(in.spec.UserData) > 0 {
		if err := os.WriteFile(in.userDataFile(), in.spec.UserData, 0o600); err != nil {
			return fmt.Errorf("process: user data: %w", err)
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
	if in.display, err = pickDisplay(); err != nil {
		return err
	}
	in.state = state{Session: in.ID(), Owner: owner.identity, Boot: boot, Runtime: in.runtime, Display: in.display, Cookie: in.cookie,
		Parts: make(map[driver.Part]identity)}
	return in.state.write(in.folder)
}

// startStreamer hands over the secret in a pipe that is full before the streamer starts, so nothing waits for it.
func (in *instance) startStreamer(argv []string) error {
	c := command{part: driver.PartStreamer, argv: argv, env: in.streamerEnvironment(), log: in.logFile("streamer")}
	if secret := in.spec.Streamer.Secret; len(secret) > 0 {
		readEnd, writeEnd, err := os.Pipe()
		if err != nil {
			return fmt.Errorf("process: %w", err)
		}
		defer func() { _ = readEnd.Close() }() // the child has its own
		_, err = writeEnd.Write(secret)
		if err := errors.Join(err, writeEnd.Close()); err != nil {
			return fmt.Errorf("process: the streamer's secret: %w", err)
		}
		c.stdin = readEnd
	}
	_, err := in.start(c)
	return err
}

// startKiosk begins to manage the windows. It lives until the instance ends, not only as long as ctx.
func (in *instance) startKiosk(ctx context.Context) error {
	manager, err := kiosk.Connect(ctx, displaySocket(in.display), in.cookie, in.log)
	if err != nil {
		return fmt.Errorf("process: %w", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := manager.Run(ctx); err != nil {
			in.log.Debug("the kiosk ended", "session", in.ID(), "error", err) // the X server's end tells the same
		}
	}()
	in.kiosk = func() { cancel(); <-ended }
	return nil
}

// supervise waits for the first end or a request to stop, ends everything, and tells why.
func (in *instance) supervise() {
	ended := make(chan struct{}, len(in.parts))
	for _, c := range in.parts {
		go func() { <-c.done; ended <- struct{}{} }() // ends with the part, and every part is ended below
	}
	trim := time.NewTicker(logCheck)
	defer trim.Stop()
	for {
		select {
		case <-trim.C:
			in.trimLogs()
		case <-in.stopping:
			in.finish(driver.Ending{Reason: "stopped on request", ExitCode: -1})
			return
		case <-ended:
			settled := time.NewTimer(settle)
			select {
			case <-settled.C:
			case <-in.stopping:
				settled.Stop()
			}
			in.finish(in.cause())
			return
		}
	}
}

// cause is the end that explains the others: an X server's end takes every client along.
func (in *instance) cause() driver.Ending {
	for _, part := range []driver.Part{driver.PartDisplay, driver.PartSound, driver.PartStreamer, driver.PartApplication} {
		if c := in.parts[part]; c != nil && c.hasEnded() {
			return c.ending()
		}
	}
	return driver.Ending{}
}

func (in *instance) trimLogs() {
	for _, c := range in.parts {
		if err := trimLog(c.log, logLimit); err != nil {
			in.log.Warn("a log could not be shortened", "session", in.ID(), "error", err)
		}
	}
}

// finish ends every process, cleans up, and lets Done be seen.
func (in *instance) finish(ending driver.Ending) {
	in.endParts()
	in.trimLogs()
	if err := cleanInstance(in.folder, in.state); err != nil {
		in.log.Warn("an ended instance left something behind", "session", in.ID(), "error", err)
	}
	in.ending = ending
	in.ended()
	close(in.done)
}

// endParts ends application, streamer, sound and display, in this order, with all that descends from them.
func (in *instance) endParts() {
	parts := in.state.identities()
	find := func() ([]processInfo, error) {
		return belonging(parts, func(marker string) bool { return marker == in.marker })
	}
	in.terminateStrays(find)
	if c := in.parts[driver.PartApplication]; c != nil {
		c.end(applicationGrace)
	}
	if c := in.parts[driver.PartStreamer]; c != nil {
		c.end(streamerGrace)
	}
	if in.kiosk != nil {
		in.kiosk()
	}
	var last sync.WaitGroup
	last.Go(func() {
		if c := in.parts[driver.PartSound]; c != nil {
			c.end(soundGrace)
		}
	})
	if c := in.parts[driver.PartDisplay]; c != nil {
		c.end(displayGrace)
	}
	last.Wait()
	if err := killAll(find); err != nil {
		in.log.Error("processes of an ended instance are left", "session", in.ID(), "error", err)
	}
}

// terminateStrays asks those of the application's processes to end that are in other sessions than the parts'; its
// own session is asked next.
func (in *instance) terminateStrays(find func() ([]processInfo, error)) {
	found, err := find()
	if err != nil {
		in.log.Warn("processes cannot be listed", "session", in.ID(), "error", err)
		return
	}
	for _, p := range found {
		ofPart := slices.ContainsFunc(in.state.identities(), func(id identity) bool { return id.PID == p.session })
		if !ofPart {
			p.signal(syscall.SIGTERM)
		}
	}
}
