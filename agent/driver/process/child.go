package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"streamstack/agent/driver"
	"streamstack/agent/driver/process/cgroup"
	"streamstack/agent/driver/process/confine"
)

// titles name the parts in sentences.
var titles = map[driver.Part]string{
	driver.PartDisplay:     "the X server",
	driver.PartSound:       "the sound server (PulseAudio)",
	driver.PartStreamer:    "the streamer",
	driver.PartApplication: "the application",
}

// command is a child to start.
type command struct {
	part   driver.Part
	argv   []string
	env    []string
	folder string
	log    string
	stdin  *os.File   // nil is /dev/null
	extra  []*os.File // from file descriptor 3 on
	group  *cgroup.Group
	// confined has it run in namespaces of its own.
	confined bool
}

// child is a part that was started. It is waited for from the start; done is closed when it has ended.
type child struct {
	identity
	part    driver.Part
	log     string
	started time.Time
	done    chan struct{}
	adopted bool // not our child
	// confined tells that a signal that ended the program is told by an exit status (package confine).
	confined bool
	// Set before done is closed; the state of one that was adopted stays nil.
	state *os.ProcessState
	ended time.Time
}

// start runs a command as the leader of a session of its own.
func start(c command) (*child, error) {
	log, err := openLog(c.log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()            // the child has its own
	cmd := exec.Command(c.argv[0], c.argv[1:]...) //nolint:noctx // it outlives the call; end ends it
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = c.env, c.folder, log, log, c.extra
	if c.stdin != nil {
		cmd.Stdin = c.stdin // an *os.File in an interface must not be a typed nil
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if c.confined {
		cmd.SysProcAttr = confine.Attributes()
	}
	launch := cmd.Start
	if c.group != nil {
		launch = func() error { return c.group.Start(cmd) }
	}
	if err := launch(); err != nil {
		return nil, startError(c, err)
	}
	ch := &child{part: c.part, log: c.log, started: time.Now(), done: make(chan struct{}), confined: c.confined}
	ch.PID = cmd.Process.Pid
	if info, ok := readProcess(ch.PID); ok { // a zombie is still there until Wait
		ch.Start = info.Start
	}
	go func() {
		_ = cmd.Wait() // the state says it all
		ch.state, ch.ended = cmd.ProcessState, time.Now()
		close(ch.done)
	}()
	return ch, nil
}

func startError(c command, err error) error {
	if errors.Is(err, exec.ErrNotFound) {
		return driver.Because(driver.ErrMissing, "process: %s cannot start: the command %q is not in PATH; install it", titles[c.part], c.argv[0])
	}
	return fmt.Errorf("process: %s cannot start: %w", titles[c.part], err)
}

// hasEnded does not wait.
func (c *child) hasEnded() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// end sends SIGTERM to the child's process group, and SIGKILL after the grace; it returns when the child has ended.
func (c *child) end(grace time.Duration) {
	if c.hasEnded() || c.adopted && !c.alive() {
		return
	}
	// The group cannot be another's: its leader has not been waited for, or a member keeps the number from reuse. One that
	// was adopted has been looked at a moment ago.
	_ = syscall.Kill(-c.PID, syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
		_ = syscall.Kill(-c.PID, syscall.SIGKILL)
		<-c.done
	}
}

// ending describes the end of the child for a person. Call it when done is closed.
func (c *child) ending() driver.Ending {
	if c.adopted {
		return c.endingUnseen()
	}
	e := driver.Ending{Part: c.part, ExitCode: c.state.ExitCode(), LogTail: logTail(c.log), Failed: true}
	how := fmt.Sprintf("exited with status %d", e.ExitCode)
	if signal, ok := c.signal(); ok {
		e.Signal, e.ExitCode = signal.String(), -1
		how = fmt.Sprintf("was ended by signal %d (%s)", int(signal), e.Signal)
	}
	e.Reason = fmt.Sprintf("%s %s after %s", titles[c.part], how, duration(c.ended.Sub(c.started)))
	if c.part == driver.PartApplication && e.ExitCode == 0 {
		e.Failed = false
	} else if line := tellingLine(e.LogTail); line != "" && !c.killed() {
		e.Reason += "; last output: " + line
	}
	return e
}

// killed tells whether somebody else ended the child: what it said last has nothing to do with that.
func (c *child) killed() bool {
	signal, ok := c.signal()
	return ok && (signal == syscall.SIGKILL || signal == syscall.SIGTERM)
}

// signal is the one that ended the child, if one did.
func (c *child) signal() (syscall.Signal, bool) {
	if status, ok := c.state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return status.Signal(), true
	}
	if c.confined {
		return confine.Signal(c.state.ExitCode())
	}
	return 0, false
}

// duration is rounded to what a person wants to know.
func duration(d time.Duration) time.Duration {
	if d < 10*time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(time.Second)
}
