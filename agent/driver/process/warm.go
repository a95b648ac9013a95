package process

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"streamstack/agent/application"
	"streamstack/agent/driver"
	"streamstack/agent/driver/lifetime"
)

var _ driver.Warmer = (*Driver)(nil)

// warm is an instance that waits for a session; it implements driver.Warm. One goroutine owns it, [warm.wait], until Claim does.
type warm struct {
	*lifetime.Wait

	d  *Driver
	in *instance

	reports *os.File // what the streamer says
	lines   *bufio.Reader
}

// Warm starts an instance's display, sound and streamer; see [driver.Warmer]. It fits every application: what differs between
// them is started with the session.
func (d *Driver) Warm(ctx context.Context, spec driver.WarmSpec) (driver.Warm, error) {
	start := driver.Spec{Session: spec.ID, Application: spec.Application, Screen: spec.Screen, Streamer: driver.Streamer{Env: spec.Env}}
	start.Application.Limits = application.Limits{} // those of the session
	if err := start.Check(); err != nil {
		return nil, driver.Because(driver.ErrRefused, "process: %w", err)
	}
	in, err := d.admit(start)
	if err != nil {
		return nil, err
	}
	w := &warm{Wait: lifetime.NewWait(in.Life), d: d, in: in}
	if err := d.bring(ctx, in, func(ctx context.Context) error { return w.start(ctx, d.config.Streamer) }); err != nil {
		w.close()
		return nil, err
	}
	life := context.WithoutCancel(ctx)
	go w.Own(func() (bool, error) { return w.wait(life) }) // ends with the instance, which Close waits for, or with Claim
	return w, nil
}

// start starts all but the application, and returns when the streamer waits.
func (w *warm) start(ctx context.Context, streamer []string) error {
	if err := w.in.prepare(); err != nil {
		return err
	}
	readEnd, writeEnd, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("process: %w", err)
	}
	w.reports, w.lines = readEnd, bufio.NewReader(readEnd)
	err = w.in.startBase(ctx, streamer, writeEnd)
	_ = writeEnd.Close() // the child has its own: its end is then ours to see
	if err != nil {
		return err
	}
	_, err = w.report(ctx, func(r driver.WarmReport) bool { return r.Warm })
	return err
}

// report waits for what the streamer has to say next.
func (w *warm) report(ctx context.Context, good func(driver.WarmReport) bool) (r driver.WarmReport, err error) {
	// Closing would race with the reading; a deadline in the past ends it.
	defer context.AfterFunc(ctx, func() { _ = w.reports.SetReadDeadline(time.Unix(1, 0)) })()
	line, err := w.lines.ReadBytes('\n')
	if err != nil {
		return r, notReady(ctx, w.in.parts[driver.PartStreamer])
	}
	if err := json.Unmarshal(line, &r); err != nil || r.Error == "" && !good(r) {
		return r, errors.New("process: the streamer does not say what one that waits says: it is of another version than the agent")
	}
	if r.Error != "" {
		return r, fmt.Errorf("process: the streamer: %s", r.Error)
	}
	return r, nil
}

// wait owns the instance until it is claimed.
func (w *warm) wait(ctx context.Context) (gone bool, why error) {
	trim := time.NewTicker(logCheck)
	defer trim.Stop()
	for {
		select {
		case <-trim.C:
			w.in.trimLogs()
		case <-w.Taken():
			return false, nil
		case <-w.in.Stopping():
			w.end(ctx, driver.Ending{Reason: "stopped on request", ExitCode: -1})
			return true, nil
		case <-w.in.ends:
			cause := w.in.cause()
			w.end(ctx, cause)
			return true, fmt.Errorf("process: an instance that waited has ended: %s", cause.Reason)
		}
	}
}

func (w *warm) end(ctx context.Context, e driver.Ending) {
	w.in.finish(ctx, e)
	w.close()
}

func (w *warm) close() {
	if w.reports != nil {
		_ = w.reports.Close() // read to where it counts
	}
}

func (w *warm) ID() string { return w.in.name }

// Fits is false where Launch has something to say that Claim would say too late.
func (w *warm) Fits(spec driver.Spec) bool {
	if len(w.d.config.Confine) > 0 && checkIsolated(spec.Application) != nil {
		return false
	}
	return spec.Check() == nil && checkCommand(spec.Application, w.d.config.Self) == nil
}

// Stop ends it; see [driver.Warm].
func (w *warm) Stop(ctx context.Context) error {
	if err := w.End(ctx); err != nil {
		return fmt.Errorf("process: instance %s that waited is %w", w.ID(), err)
	}
	return nil
}

// Claim makes it a session's instance; see [driver.Warm].
func (w *warm) Claim(ctx context.Context, spec driver.Spec) (driver.Instance, error) {
	if err := w.Wait.Claim(); err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	defer w.close()
	if err := w.d.bring(ctx, w.in, func(ctx context.Context) error { return w.become(ctx, spec) }); err != nil {
		return nil, err
	}
	go w.in.supervise(context.WithoutCancel(ctx)) // ends with the instance, which Close waits for
	return w.in, nil
}

// become does what a launch does that a session is needed for.
func (w *warm) become(ctx context.Context, spec driver.Spec) error {
	in := w.in
	if err := spec.Check(); err != nil {
		return driver.Because(driver.ErrRefused, "process: %w", err)
	}
	screen, err := w.fit(ctx, spec.Screen)
	if err != nil {
		return fmt.Errorf("%w: %w", driver.ErrCold, err)
	}
	in.spec, in.screen = spec, screen
	if err := checkCommand(spec.Application, w.d.config.Self); err != nil {
		return err
	}
	if err := w.d.move(in); err != nil {
		return err
	}
	if err := in.limit(); err != nil {
		return err
	}
	if err := in.writeUserData(); err != nil {
		return err
	}
	if err := in.beforeStreamer(ctx); err != nil {
		return err
	}
	order, err := json.Marshal(driver.WarmOrder{Env: in.streamerEnvironment(), Secret: spec.Streamer.Secret}) //nolint:gosec // it is for the streamer's pipe
	if err != nil {
		return fmt.Errorf("process: the streamer's order: %w", err)
	}
	return in.goOn(ctx, w.d.config.Self, append(order, '\n'))
}

// fit has the streamer give the display a session's size, and returns what it has become.
func (w *warm) fit(ctx context.Context, s driver.Screen) (string, error) {
	width, height := displaySize(s.Width, s.Height)
	defer context.AfterFunc(ctx, func() { _ = w.in.order.SetWriteDeadline(time.Unix(1, 0)) })()
	line, err := json.Marshal(driver.WarmScreen{Screen: fmt.Sprintf("%dx%d@%d", width, height, s.FPS)})
	if err == nil {
		_, err = w.in.order.Write(append(line, '\n'))
	}
	if err != nil {
		return "", fmt.Errorf("process: the streamer that waits: %w", err)
	}
	r, err := w.report(ctx, func(r driver.WarmReport) bool { return r.Screen != "" })
	return r.Screen, err
}

// alias makes an instance known by its session, beside what it was started as.
func (d *Driver) alias(in *instance, name, session string) error {
	err := d.live.Alias(session, in, func() {
		in.mu.Lock()
		defer in.mu.Unlock()
		in.id, in.name, in.marker = session, name, d.marker(name)
	})
	if err == nil {
		err = d.live.Alias(name, in, func() {}) // it has it already unless it was adopted
	}
	if err != nil {
		return fmt.Errorf("process: %w", err)
	}
	return nil
}

// move gives an instance that waited its session's place and folder. Its processes know the folder by its old name, which is left
// as a link; their marker stays what it was.
func (d *Driver) move(in *instance) error {
	session := in.spec.Session
	if err := d.alias(in, in.name, session); err != nil { // first: a Sweep must find it alive all the time
		return err
	}
	old, folder := in.folder, filepath.Join(d.instances, session)
	if err := in.clearFolder(folder); err != nil {
		return err
	}
	if err := os.Rename(old, folder); err != nil {
		return fmt.Errorf("process: %w", err)
	}
	in.folder, in.state.Session = folder, session
	if err := in.state.write(folder); err != nil {
		return err
	}
	if err := os.Symlink(session, old); err != nil {
		return fmt.Errorf("process: %w", err)
	}
	return nil
}
