package process

import (
	"errors"
	"fmt"
	"strings"

	"streamstack/agent/application"
	"streamstack/agent/driver"
	"streamstack/agent/driver/process/cgroup"
)

// Limits says what becomes of the limits in applications' files.
type Limits string

const (
	// LimitsAuto enforces them where the host lets us, and warns where it does not. It is the default.
	LimitsAuto Limits = "auto"
	// LimitsEnforce refuses to run anything where the host does not.
	LimitsEnforce Limits = "enforce"
	// LimitsOff has control groups left alone.
	LimitsOff Limits = "off"
)

// Valid tells whether it is one of them.
func (l Limits) Valid() bool { return l == LimitsAuto || l == LimitsEnforce || l == LimitsOff }

// maxTasks is how many processes and threads an instance may have, whatever its file says: a browser with many pages has some
// hundreds, a fork bomb has as many as there is room for.
const maxTasks = 4096

// CheckLimits tells how limits are enforced on this host, or why they are not and what to do.
func CheckLimits() (how string, err error) {
	host, err := cgroup.Open()
	if err != nil {
		return "", err //nolint:wrapcheck // it says all
	}
	return host.String(), nil
}

// openGroups finds where groups can be made; nil where none are to be.
func openGroups(l Limits) (*cgroup.Host, error) {
	if l == LimitsOff {
		return nil, nil //nolint:nilnil // as the comment says
	}
	return cgroup.Open() //nolint:wrapcheck // it says all
}

// limitsOf are an application's.
func limitsOf(a application.Application) cgroup.Limits {
	return cgroup.Limits{Memory: a.Limits.Memory, CPUs: a.Limits.CPUs, Tasks: maxTasks}
}

// joinGroup makes the instance's group, whose folders are in the state before they are there.
func (in *instance) joinGroup() error {
	host, err := in.groups()
	if host == nil {
		in.warnOfLimits(err)
		return nil
	}
	name := groupName(in.marker)
	in.state.Groups = host.Group(name).Folders()
	if err := in.state.write(in.folder); err != nil {
		return err
	}
	if in.group, err = host.Make(name, limitsOf(in.spec.Application)); err != nil {
		return fmt.Errorf("process: limits: %w", err)
	}
	return nil
}

// limit gives an instance that waited the limits of the application that it gets.
func (in *instance) limit() error {
	if in.group == nil {
		_, err := in.groups()
		in.warnOfLimits(err)
		return nil
	}
	if err := in.group.Limit(limitsOf(in.spec.Application)); err != nil {
		return fmt.Errorf("process: limits: %w", err)
	}
	return nil
}

func (in *instance) warnOfLimits(err error) {
	if limits := in.spec.Application.Limits; err != nil && limits != (application.Limits{}) {
		in.log.Warn("the application's limits are not enforced", "session", in.ID(), "app", in.spec.Application.Name, "err", err)
	}
}

// overMemory tells that the kernel has ended a process of the instance for the memory that it used.
func (in *instance) overMemory() (e driver.Ending, over bool) {
	if in.group == nil || in.group.OOMKills() == 0 {
		return e, false
	}
	e = driver.Ending{Part: driver.PartApplication, Failed: true, OutOfMemory: true, ExitCode: -1, LogTail: logTail(in.logFile("application"))}
	e.Reason = "the instance used more memory than it is allowed"
	if limit := in.spec.Application.Limits.Memory; limit > 0 {
		e.Reason += fmt.Sprintf(" (%d MiB)", limit>>20)
	}
	e.Reason += ", and the kernel ended a process of it; raise limits.memory of the application if it needs more"
	return e, true
}

// members adds the processes of an instance's group to those that were found otherwise.
func members(group *cgroup.Group, found []processInfo, err error) ([]processInfo, error) {
	if group == nil || err != nil {
		return found, err
	}
	pids, err := group.Members()
	known := map[int]bool{}
	for _, p := range found {
		known[p.PID] = true
	}
	for _, pid := range pids {
		if p, ok := readProcess(pid); ok && !p.zombie && !known[pid] {
			found = append(found, p)
		}
	}
	return found, err
}

// groupOf is the group that a state names; nil for none.
func groupOf(s state) *cgroup.Group {
	if len(s.Groups) == 0 {
		return nil
	}
	return cgroup.Reopen(s.Groups)
}

// groupNamed is the group of an instance whose state cannot be read; nil for none.
func (d *Driver) groupNamed(marker string) map[string]string {
	host, err := d.groups()
	if err != nil || host == nil {
		return nil
	}
	return host.Group(groupName(marker)).Folders()
}

func groupName(marker string) string { return "streamstack-" + strings.ReplaceAll(marker, "/", "-") }

// errLimits is what Check says where limits must be enforced and cannot be.
func errLimits(err error) error {
	if errors.Is(err, cgroup.ErrUnavailable) {
		return fmt.Errorf("process: %w; or run without --limits %s", err, LimitsEnforce)
	}
	return err
}
