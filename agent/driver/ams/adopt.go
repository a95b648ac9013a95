package ams

import (
	"context"
	"errors"
	"fmt"

	"streamstack/agent/driver"
)

var _ driver.Adopter = (*Driver)(nil)

// Adopt takes over the instances that carry the agent's tag and a session's; see [driver.Adopter]. Also those that still
// start: AMS goes on with a launch whatever becomes of who asked for it. One of two for the same session is left to Sweep.
func (d *Driver) Adopt(ctx context.Context) ([]driver.Instance, error) {
	all, err := d.client.tagged(ctx, d.tag())
	if err != nil {
		return nil, err
	}
	var found []driver.Instance
	for _, r := range all {
		if r.session() == "" {
			continue
		}
		in, err := d.admit(driver.Spec{Session: r.session()})
		switch {
		case errors.Is(err, driver.ErrExists):
			continue // ours already, or a second one
		case err != nil:
			return found, fmt.Errorf("ams: take over instance %s: %w", r.ID, err)
		}
		in.setRemote(r.ID)
		found = append(found, in)
		go func() {
			defer d.work.Done()
			in.supervise(d.life)
		}()
	}
	d.start()
	return found, nil
}
