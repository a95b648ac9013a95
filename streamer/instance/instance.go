// Package instance ends what a streamer shares its instance with: the application, the display and the sound.
//
// That is the agent's to do. But an agent that was killed, and stays away until its sessions count as lost, leaves instances
// that nobody ends: the streamer is the one part that reads the log and gets to know. The processes of one instance are
// found by a variable in their environments, which they get at their start (agent/driver/process); where there is none, as
// in a container, the streamer's end is the container's.
package instance

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Marker is the variable that all processes of one instance have in common.
const Marker = "STREAMSTACK_INSTANCE"

const (
	// grace is how long the others have to end in order.
	grace = time.Second
	// poll is how often they are looked for meanwhile.
	poll = 20 * time.Millisecond
	// killTime is how long they may take to be gone once they are killed.
	killTime = 3 * time.Second
)

// End ends all processes, but our own, whose [Marker] is what is given: by SIGTERM, and after a second by SIGKILL. It returns
// when they are gone, or with an error when some stay. An empty marker is nobody's.
func End(ctx context.Context, marker string, log *slog.Logger) error {
	if marker == "" {
		return nil
	}
	began, told := time.Now(), map[int]bool{}
	for {
		others, err := marked(marker)
		if err != nil || len(others) == 0 {
			return err
		}
		for _, pid := range others {
			switch {
			case time.Since(began) > grace:
				_ = syscall.Kill(pid, syscall.SIGKILL) // gone meanwhile: nothing to do
			case !told[pid]:
				told[pid] = true
				log.Info("ending a process of the instance, whose session is over", "pid", pid)
				_ = syscall.Kill(pid, syscall.SIGTERM)
			}
		}
		if time.Since(began) > grace+killTime {
			return fmt.Errorf("instance: %d processes, such as %d, do not end", len(others), others[0])
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("instance: %d processes are left: %w", len(others), ctx.Err())
		case <-time.After(poll):
		}
	}
}

// marked lists the processes with the marker, without ourselves and those that only wait to be asked for their status.
func marked(marker string) (pids []int, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("instance: %w", err)
	}
	want := []byte(Marker + "=" + marker)
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		environ, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "environ")) // a zombie's is empty
		if err != nil {
			continue
		}
		for variable := range bytes.SplitSeq(environ, []byte{0}) {
			if bytes.Equal(variable, want) {
				pids = append(pids, pid)
				break
			}
		}
	}
	return pids, nil
}
