package docker

import (
	"cmp"
	"context"
)

// Reach asks an engine whether it could run instances, and about its machine, without a driver: of the configuration it takes Engine
// and TLS*, and it leaves nothing behind. What the error says is for a person.
func Reach(ctx context.Context, c Config) (Machine, error) {
	c.Engine = cmp.Or(c.Engine, DefaultEngine)
	if c.times == (times{}) {
		c.times = defaultTimes()
	}
	if err := c.checkEngine(); err != nil {
		return Machine{}, err
	}
	api, err := newClient(c)
	if err != nil {
		return Machine{}, err
	}
	defer func() { _ = api.Close() }() // everything was read
	d := &Driver{config: c, api: api}
	if err := d.Check(ctx); err != nil {
		return Machine{}, err
	}
	return d.Machine(ctx)
}
