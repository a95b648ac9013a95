package guest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
)

// asInit runs this program once more, as a child, with the same arguments and streams, and waits for it and for every orphan
// of the container until it has ended; it returns the child's exit status. When ctx ends the child gets SIGTERM.
//
// The kernel ends whatever is left in the container when its first process has gone (pid_namespaces(7)).
func asInit(ctx context.Context) (int, error) {
	child, err := os.StartProcess("/proc/self/exe", os.Args, &os.ProcAttr{Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}, Env: os.Environ()}) //nolint:gosec // this program, as it was called
	if err != nil {
		return 1, fmt.Errorf("guest: %w", err)
	}
	// Its end is waited for below, together with the orphans': only its number and signals are asked of child.
	defer context.AfterFunc(ctx, func() { _ = child.Signal(syscall.SIGTERM) })()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 1, fmt.Errorf("guest: wait for the instance: %w", err)
		case pid == child.Pid && status.Signaled():
			return 128 + int(status.Signal()), nil // as shells have it
		case pid == child.Pid:
			return status.ExitStatus(), nil
		}
	}
}
