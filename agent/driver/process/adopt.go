package process

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"streamstack/agent/driver"
)

// wholeInstance are the parts that a launch which came to its end has written down.
var wholeInstance = []driver.Part{driver.PartDisplay, driver.PartSound, driver.PartStreamer, driver.PartApplication}

// adoptedPoll is how often a part is looked at that is not our child, so that nobody tells us of its end. A pidfd could be
// waited for, but its status is the parent's alone to read either way.
const adoptedPoll = 100 * time.Millisecond

var _ driver.Adopter = (*Driver)(nil)

// Adopt takes over the instances of a run that died, by their state files; see [driver.Adopter].
func (d *Driver) Adopt(ctx context.Context) ([]driver.Instance, error) {
	boot, err := bootID()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(d.instances)
	if err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	var all []driver.Instance
	for _, entry := range entries {
		if !entry.IsDir() || !driver.ValidID(entry.Name()) {
			continue
		}
		if ctx.Err() != nil {
			return all, fmt.Errorf("process: adopt: %w", context.Cause(ctx))
		}
		s, err := readState(filepath.Join(d.instances, entry.Name()))
		if err != nil || s.Session != entry.Name() || s.Boot != boot || s.Owner.alive() || !s.whole() {
			continue // ended, somebody else's, or for Sweep
		}
		in, err := d.adopt(ctx, s)
		if err != nil {
			return all, err
		}
		all = append(all, in)
	}
	return all, nil
}

// whole tells whether the launch of an instance came to its end.
func (s state) whole() bool {
	for _, part := range wholeInstance {
		if _, started := s.Parts[part]; !started {
			return false
		}
	}
	return s.Runtime != "" && len(s.Cookie) > 0
}

// adopt makes an instance ours.
func (d *Driver) adopt(ctx context.Context, s state) (*instance, error) {
	in, err := d.admit(driver.Spec{Session: s.Session})
	if err != nil {
		return nil, err
	}
	owner, _ := readProcess(os.Getpid()) // we exist
	s.Owner = owner.identity
	in.group = groupOf(s)
	in.state, in.runtime, in.display, in.cookie = s, s.Runtime, s.Display, s.Cookie
	if s.Name != "" && s.Name != s.Session {
		_ = d.alias(in, s.Name, s.Session) // the place is its own
	}
	if err := s.write(in.folder); err != nil {
		d.forget(in) // it stays whose it was
		return nil, err
	}
	for part, id := range s.Parts {
		in.watch(adoptChild(part, id, in.logFile(logNames[part])))
	}
	if err := in.startKiosk(ctx); err != nil {
		in.log.Warn("the windows of an adopted instance are not managed", "session", in.ID(), "error", err)
	}
	go in.supervise(context.WithoutCancel(ctx)) // ends with the instance, which Close waits for
	return in, nil
}

// logNames are the parts' logs.
var logNames = map[driver.Part]string{
	driver.PartDisplay: "x", driver.PartSound: "sound", driver.PartStreamer: "streamer", driver.PartApplication: "application",
}

// adoptChild watches a process that somebody else started.
func adoptChild(part driver.Part, id identity, log string) *child {
	c := &child{identity: id, part: part, log: log, done: make(chan struct{}), adopted: true}
	go func() { // ends with the process
		for id.alive() {
			time.Sleep(adoptedPoll)
		}
		c.ended = time.Now()
		close(c.done)
	}()
	return c
}

// endingUnseen describes the end of a part that was not our child. How an application ended cannot be told, and most end
// because they are done.
func (c *child) endingUnseen() driver.Ending {
	e := driver.Ending{Part: c.part, ExitCode: -1, LogTail: logTail(c.log), Failed: c.part != driver.PartApplication}
	e.Reason = titles[c.part] + " ended; its exit status is not known, since the agent was restarted after it began"
	if line := tellingLine(e.LogTail); line != "" && e.Failed {
		e.Reason += "; last output: " + line
	}
	return e
}
