package docker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"streamstack/agent/application"
	"streamstack/agent/driver"
)

// pulls are the images that are being fetched.
type pulls struct {
	mu sync.Mutex
	of map[string]*pull
}

// pull fetches one image, for all who wait for it.
type pull struct {
	done chan struct{}
	err  error // set before done is closed

	mu     sync.Mutex
	layers map[string]layer // by id
}

type layer struct{ done, total int64 } // bytes

// image returns once the engine has an image, and tells while it is fetched. Fetching goes on when ctx ends.
func (d *Driver) image(ctx context.Context, name string, tell func(context.Context, driver.Pull)) error {
	if tell == nil {
		tell = func(context.Context, driver.Pull) {}
	}
	there, err := d.hasImage(ctx, name)
	if there || err != nil {
		return err
	}
	p, err := d.startPull(name)
	if err != nil {
		return err
	}
	told := p.progress(name)
	tell(ctx, told)
	tick := time.NewTicker(d.config.times.pulled)
	defer tick.Stop()
	for {
		select {
		case <-p.done:
			if p.err == nil {
				told = p.progress(name)
				told.Over = true
				tell(ctx, told)
			}
			return p.err
		case <-tick.C:
			if now := p.progress(name); now != told {
				told = now
				tell(ctx, told)
			}
		case <-ctx.Done():
			return driver.Because(driver.ErrMissing, "docker: image %s is not here yet: %d of %d bytes are fetched, and it is fetched on", name, told.Done, told.Total)
		}
	}
}

// Prefetch begins to fetch the images of applications that the engine lacks, so that no session has to wait for them. What
// fails is told in the log, and tried again by the first launch.
func (d *Driver) Prefetch(applications ...application.Application) {
	names := map[string]bool{}
	for _, a := range applications {
		names[d.config.image(a)] = true
	}
	for name := range names {
		_ = d.enter(func() { // a closed driver needs none
			if err := d.image(d.life, name, nil); err != nil && d.life.Err() == nil {
				d.config.Log.Warn("an image is missing", "image", name, "err", err)
			}
		})
	}
}

func (d *Driver) hasImage(ctx context.Context, name string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, d.config.times.request)
	defer cancel()
	_, err := d.api.ImageInspect(ctx, name)
	if err != nil && !errdefs.IsNotFound(err) {
		return false, d.kind(fmt.Errorf("docker: image %s: %w", name, err))
	}
	return err == nil, nil
}

// startPull begins to fetch an image, unless that is under way.
func (d *Driver) startPull(name string) (*pull, error) {
	d.pulls.mu.Lock()
	defer d.pulls.mu.Unlock()
	if p := d.pulls.of[name]; p != nil {
		return p, nil
	}
	p := &pull{done: make(chan struct{}), layers: map[string]layer{}}
	if err := d.enter(func() {
		p.err = d.pull(d.life, name, p)
		d.pulls.mu.Lock()
		delete(d.pulls.of, name)
		d.pulls.mu.Unlock()
		close(p.done)
	}); err != nil {
		return nil, err
	}
	if d.pulls.of == nil {
		d.pulls.of = map[string]*pull{}
	}
	d.pulls.of[name] = p
	return p, nil
}

// pull fetches an image. That there is none to be had is [driver.ErrMissing].
func (d *Driver) pull(ctx context.Context, name string, p *pull) error {
	began := time.Now()
	d.config.Log.Info("an image is missing, it is fetched", "image", name)
	auth, err := d.config.registryAuth(name)
	if err != nil {
		return err
	}
	stream, err := d.api.ImagePull(ctx, name, client.ImagePullOptions{RegistryAuth: auth})
	if err != nil {
		return d.pullError(name, err)
	}
	defer func() { _ = stream.Close() }() // read to its end
	for m, err := range stream.JSONMessages(ctx) {
		switch {
		case err != nil:
			return d.pullError(name, err)
		case m.Error != nil:
			return d.pullError(name, m.Error)
		case m.ID != "" && m.Progress != nil:
			p.note(m.ID, m.Progress.Current, m.Progress.Total)
		}
	}
	// Engines differ in how they say that it failed: what counts is whether it is there.
	there, err := d.hasImage(ctx, name)
	if err == nil && !there {
		err = d.pullError(name, errors.New("the engine ended without a word"))
	}
	if err == nil {
		d.config.Log.Info("the image is there", "image", name, "took", time.Since(began).Round(time.Millisecond))
	}
	return err
}

func (d *Driver) pullError(name string, err error) error {
	if away(err) {
		return d.kind(err)
	}
	if kind := d.kind(err); errors.Is(kind, driver.ErrFull) {
		return kind
	}
	return driver.Because(driver.ErrMissing, "docker: image %s is not here, and cannot be fetched: %w; build it (deployments/images) or name one that there is", name, err)
}

func (p *pull) note(id string, done, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.layers[id]
	l.total = max(l.total, total)
	l.done = max(l.done, min(done, l.total)) // it is unpacked after it was fetched, which counts from zero again
	p.layers[id] = l
}

func (p *pull) progress(image string) driver.Pull {
	p.mu.Lock()
	defer p.mu.Unlock()
	sum := driver.Pull{Image: image}
	for _, l := range p.layers {
		sum.Done += l.done
		sum.Total += l.total
	}
	return sum
}
