package process

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"streamstack/agent/driver"
	"streamstack/agent/driver/lifetime"
	"streamstack/agent/driver/process/cgroup"
	"streamstack/agent/driver/process/kiosk"
)

// instance is one session's processes. Launch starts them; from then on one goroutine, supervise, owns their end.
type instance struct {
	*lifetime.Life

	spec    driver.Spec
	name    string // what it was started as: the session, or what waited for one
	folder  string // logs, home, state
	runtime string // sockets and configuration
	cache   string
	marker  string
	cookie  []byte
	log     *slog.Logger
	groups  func() (*cgroup.Host, error)
	confine []string
	data    string        // the folder of all
	hide    []string      // what an isolated application does not see, besides
	sockets string        // where a link to its sockets is wanted, empty for nowhere
	group   *cgroup.Group // nil where there are none

	display int      // its number; set by prepare
	screen  string   // the display's size and rate as they are, WxH@FPS
	order   *os.File // our end of the streamer's standard input, until it is let go

	mu    sync.Mutex // guards id, parts and state, while display and sound start side by side
	id    string     // the session's, or the name while there is none
	parts map[driver.Part]*child
	state state
	ends  chan struct{} // gets something with each part's end; there is room for all

	kiosk func() // ends the kiosk and waits for it; nil when it never ran

	ended func() // gives the session's place back
}

func (in *instance) ID() string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.id
}

func (in *instance) Stop(ctx context.Context) error {
	if err := in.End(ctx); err != nil {
		return fmt.Errorf("process: instance %s is %w", in.ID(), err)
	}
	return nil
}

// start starts a part and writes it down for a later Sweep.
func (in *instance) start(c command) (*child, error) {
	c.folder, c.group = in.home(), in.group
	in.mu.Lock()
	defer in.mu.Unlock()
	ch, err := start(c)
	if err != nil {
		return nil, err
	}
	in.watch(ch)
	in.state.Parts[c.part] = ch.identity
	return ch, in.state.write(in.folder)
}

// watch makes a part one of the instance's.
func (in *instance) watch(c *child) {
	in.parts[c.part] = c
	go func() { <-c.done; in.ends <- struct{}{} }() // ends with the part, which nothing outlives
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

// supervise waits for the first end or a request to stop, ends everything, and tells why. Its context outlives the call that started it.
func (in *instance) supervise(ctx context.Context) {
	trim := time.NewTicker(logCheck)
	defer trim.Stop()
	for {
		select {
		case <-trim.C:
			in.trimLogs()
			if e, over := in.overMemory(); over {
				in.finish(ctx, e)
				return
			}
		case <-in.Stopping():
			in.finish(ctx, driver.Ending{Reason: "stopped on request", ExitCode: -1})
			return
		case <-in.ends:
			in.finish(ctx, in.cause())
			return
		}
	}
}

// cause is the end that explains the others, when the first has been seen: an X server's end takes every client along.
func (in *instance) cause() driver.Ending {
	settled := time.NewTimer(settle)
	defer settled.Stop()
	select {
	case <-settled.C:
	case <-in.Stopping():
	}
	if e, over := in.overMemory(); over {
		return e
	}
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
func (in *instance) finish(ctx context.Context, ending driver.Ending) {
	in.endParts(ctx)
	if in.order != nil {
		_ = in.order.Close() // nobody reads any more
	}
	in.trimLogs()
	if err := cleanInstance(ctx, in.folder, in.state); err != nil {
		in.log.Warn("an ended instance left something behind", "session", in.ID(), "error", err)
	}
	in.ended()
	in.Finish(ending)
}

// endParts ends application, streamer, sound and display, in this order, with all that descends from them.
func (in *instance) endParts(ctx context.Context) {
	parts := in.state.identities()
	find := func() ([]processInfo, error) {
		found, err := belonging(parts, func(marker string) bool { return marker == in.marker })
		return members(in.group, found, err)
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
	if err := killAll(ctx, find); err != nil {
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
