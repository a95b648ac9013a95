package agent

import (
	"context"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"streamstack/agent/application"
)

// offer is the applications that an agent serves now.
type offer struct {
	now atomic.Pointer[application.Catalogue]
}

func newOffer(c application.Catalogue) *offer {
	o := &offer{}
	o.now.Store(&c)
	return o
}

func (o *offer) get() application.Catalogue { return *o.now.Load() }

// serve takes work for the applications, and follows their changes, until the context ends. Sessions that run are not
// touched by a change: their instances go on, whatever becomes of the application.
func (a *Agent) serve(ctx context.Context, group *errgroup.Group) {
	pulls := map[string]context.CancelFunc{} // by application
	apply := func(c application.Catalogue) {
		names := c.Names()
		for name, end := range pulls {
			if !slices.Contains(names, name) {
				end()
				delete(pulls, name)
			}
		}
		for _, name := range names {
			if pulls[name] != nil {
				continue
			}
			pulling, end := context.WithCancel(ctx)
			pulls[name] = end
			group.Go(func() error {
				defer end()
				err := a.pull(pulling, name)
				if pulling.Err() != nil && ctx.Err() == nil {
					return nil // the application is served no more, which ends its loop only
				}
				return err
			})
		}
	}
	apply(a.offer.get())
	if a.cfg.FollowApplications == nil {
		return
	}
	group.Go(func() error {
		return a.cfg.FollowApplications(ctx, a.offer.get(), func(c application.Catalogue) error {
			a.log.Info("the applications have changed", "names", c.Names())
			a.offer.now.Store(&c)
			apply(c)
			a.pool.poke()
			return a.announce(ctx)
		})
	})
}

// announce says online again, until it is said: the gateways offer what was said last.
func (a *Agent) announce(ctx context.Context) error {
	for {
		_, err := a.online(ctx, true)
		if err == nil {
			return nil
		}
		a.log.Warn("the gateways do not know the applications yet, trying again", "err", err)
		if err := pause(ctx, appendRetry); err != nil {
			return err
		}
	}
}
