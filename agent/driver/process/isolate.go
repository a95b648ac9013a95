package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"streamstack/agent/application"
	"streamstack/agent/driver"
	"streamstack/agent/driver/process/confine"
)

// isolateTime bounds the trial of namespaces.
const isolateTime = 10 * time.Second

// CheckIsolation tells why applications cannot have namespaces of their own on this machine, and what to do; confine is Config.Confine.
func CheckIsolation(ctx context.Context, argv []string) error {
	ctx, cancel := context.WithTimeout(ctx, isolateTime)
	defer cancel()
	view := confine.View{Hide: []string{os.TempDir()}}
	cmd := exec.CommandContext(ctx, argv[0], slices.Concat(argv[1:], view.Args(), []string{"true"})...)
	cmd.SysProcAttr, cmd.Dir = confine.Attributes(), "/" // which is not hidden
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit) && len(out) > 0:
		return fmt.Errorf("process: applications cannot have namespaces of their own here: %s", strings.TrimSpace(string(out)))
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("process: applications cannot have namespaces of their own here: %w; allow them with sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0 and user.max_user_namespaces above 0, or run without --isolate", err)
	default:
		return fmt.Errorf("process: applications cannot have namespaces of their own here: %w", err)
	}
}

// checkIsolated refuses what cannot be had in namespaces.
func checkIsolated(a application.Application) error {
	if a.ADB.Port != 0 {
		return driver.Because(driver.ErrMissing, "the application %s has a port for shares, and with --isolate nobody outside reaches it: run it with an agent without --isolate", a.Name)
	}
	return nil
}

// view is what an isolated application sees of files: of the data folder, with the agent's credentials and other sessions in it, its home
// only; of the folders for temporary files, where other sessions have their sockets and cookies, its own session's.
func (in *instance) view() confine.View {
	return confine.View{
		Hide: append([]string{in.data, filepath.Dir(in.runtime), "/tmp"}, in.hide...),
		Keep: []string{in.home(), in.runtime, displaySocket(in.display)},
	}
}
