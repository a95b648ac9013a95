package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"streamstack/agent/driver"
)

// Sweep ends the instances of a run that died, and what is left of ours that could not be cleaned; see [driver.Driver]. It finds them by their state files, and processes
// whose file is lost by the marker in their environment.
func (d *Driver) Sweep(ctx context.Context) ([]string, error) {
	boot, err := bootID()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(d.instances)
	if err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	var (
		swept []string
		kept  = make(map[string]bool) // sessions of a run that lives, ours included
		errs  []error
	)
	for _, entry := range entries {
		session := entry.Name()
		if !entry.IsDir() || !driver.ValidID(session) {
			continue
		}
		s, err := readState(filepath.Join(d.instances, session))
		switch {
		case errors.Is(err, fs.ErrNotExist): // it ended
			continue
		case d.live.Lives(session), err == nil && s.Boot == boot && s.Owner.alive() && s.Owner.PID != os.Getpid():
			kept[session], kept[s.Name] = true, true
			continue
		case err != nil: // cut short by the crash: the marker finds what it named
			d.config.Log.Warn("an instance's state cannot be read", "session", session, "error", err)
			s = state{Session: session, Groups: d.groupNamed(d.marker(session))}
		}
		if ctx.Err() != nil {
			return swept, fmt.Errorf("process: sweep: %w", context.Cause(ctx))
		}
		if err := d.sweepOne(ctx, session, s, boot); err != nil {
			errs = append(errs, err)
			continue
		}
		swept = append(swept, session)
	}
	errs = append(errs, d.sweepUnlisted(ctx, kept))
	return swept, errors.Join(append(errs, d.prune())...)
}

// sweepOne ends one instance's processes and removes its files.
func (d *Driver) sweepOne(ctx context.Context, session string, s state, boot string) error {
	var parts []identity
	if s.Boot == boot { // else nothing of it can run
		for _, id := range s.Parts {
			if id.alive() { // the number of a part that is gone says nothing
				parts = append(parts, id)
			}
		}
	}
	if err := killAll(ctx, func() ([]processInfo, error) {
		found, err := belonging(parts, func(marker string) bool { return marker == d.marker(cmp.Or(s.Name, session)) })
		return members(groupOf(s), found, err)
	}); err != nil {
		return err
	}
	return cleanInstance(ctx, filepath.Join(d.instances, session), s)
}

// sweepUnlisted ends processes that carry our marker and belong to no instance that is known to live.
func (d *Driver) sweepUnlisted(ctx context.Context, kept map[string]bool) error {
	return killAll(ctx, func() ([]processInfo, error) {
		return belonging(nil, func(marker string) bool {
			session, ours := strings.CutPrefix(marker, d.host+"/")
			return ours && !kept[session] && !d.live.Lives(session)
		})
	})
}

// prune drops the logs of instances that ended long ago. One with a state is another run's, or could not be cleaned.
func (d *Driver) prune() error {
	err := d.live.Prune(d.instances, func(path string) bool {
		_, err := os.Stat(filepath.Join(path, stateFile))
		return err != nil
	})
	if err != nil {
		return fmt.Errorf("process: %w", err)
	}
	return nil
}

// cleanInstance removes the files of an instance whose processes have ended. The state goes last: until then the
// instance is found by a Sweep.
func cleanInstance(ctx context.Context, folder string, s state) error {
	var errs []error
	if s.Display > 0 {
		errs = append(errs, removeDisplaySocket(s.Display))
	}
	if s.Runtime != "" {
		errs = append(errs, os.RemoveAll(s.Runtime))
	}
	errs = append(errs, os.RemoveAll(filepath.Join(folder, "home")))
	if s.Name != "" && s.Name != s.Session {
		if err := os.Remove(filepath.Join(filepath.Dir(folder), s.Name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if group := groupOf(s); group != nil {
		errs = append(errs, group.Remove(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("process: %w", err)
	}
	if err := os.Remove(filepath.Join(folder, stateFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("process: %w", err)
	}
	return nil
}
