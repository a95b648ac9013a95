package ams

import (
	"context"
	"fmt"
	"reflect"
	"sync"

	"streamstack/agent/application"
	"streamstack/agent/driver"
)

// defaultScreen is what a session gets whose request names none: AMS's applications name none (section 11).
var defaultScreen = application.Screen{Width: 1280, Height: 720, FPS: 60}

// remoteApp is an application as AMS tells it (section 6).
type remoteApp struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Status    string `json:"status"`
	Resources struct {
		CPUs     int    `json:"cpus"`
		Memory   string `json:"memory"`
		Disk     string `json:"disk-size"`
		GPUSlots int    `json:"gpu-slots"`
	} `json:"resources"`
	VM       bool `json:"vm"`
	Versions []struct {
		Number    int    `json:"number"`
		Status    string `json:"status"`
		Published bool   `json:"published"`
	} `json:"versions"`
}

const statusReady = "ready"

// streamable are the versions that can be launched by name: ready and published (section 6). Empty: the application
// cannot be streamed.
func (a remoteApp) streamable() (versions []int) {
	if a.Status != statusReady {
		return nil
	}
	for _, v := range a.Versions {
		if v.Status == statusReady && v.Published && v.Number >= 0 {
			versions = append(versions, v.Number)
		}
	}
	return versions
}

// apps is what AMS had when it was asked last.
type apps struct {
	mu     sync.Mutex
	byName map[string]remoteApp
	odd    map[string]bool // names that no subject can carry, told once each
}

// Applications asks AMS for the applications that can be streamed, with their published versions.
//
// Version 0, AMS's first, can only be had as the latest: a session's version 0 means that. An application whose name is no
// token ([a-z0-9][a-z0-9-]{0,62}) is left out, with a line in the log.
func (d *Driver) Applications(ctx context.Context) (application.Catalogue, error) {
	var all []remoteApp
	if err := d.client.get(ctx, "/1.0/applications", recursive(), &all); err != nil {
		return application.Catalogue{}, err
	}
	byName := map[string]remoteApp{}
	var found []application.Application
	for _, a := range all {
		versions := a.streamable()
		if len(versions) == 0 {
			continue
		}
		if !application.ValidName(a.Name) {
			d.apps.skip(a.Name, func() {
				d.config.Log.Warn("an application of AMS is not offered: its name must be 1 to 63 of a-z, 0-9 and -", "app", a.Name)
			})
			continue
		}
		byName[a.Name] = a
		for _, v := range versions {
			found = append(found, application.Application{Name: a.Name, Version: v, Screen: defaultScreen, Audio: true})
		}
	}
	c, err := application.New(found...)
	if err != nil {
		return application.Catalogue{}, fmt.Errorf("ams: %w", err)
	}
	d.apps.set(byName)
	return c, nil
}

// FollowApplications calls changed whenever AMS's applications are others than known, until ctx ends or changed fails.
// While AMS is away they stay as they are.
func (d *Driver) FollowApplications(ctx context.Context, known application.Catalogue, changed func(application.Catalogue) error) error {
	for {
		if err := sleep(ctx, d.config.times.sync); err != nil {
			return fmt.Errorf("ams: applications: %w", err)
		}
		now, err := d.Applications(ctx)
		if err != nil {
			if ctx.Err() == nil {
				d.config.Log.Warn("AMS does not tell its applications, they count as they were", "err", err)
			}
			continue
		}
		if reflect.DeepEqual(now.All(), known.All()) {
			continue
		}
		if err := changed(now); err != nil {
			return err
		}
		known = now
	}
}

// lookup is the id of an application.
func (d *Driver) lookup(ctx context.Context, name string) (string, error) {
	if a, found := d.apps.get(name); found {
		return a.ID, nil
	}
	if _, err := d.Applications(ctx); err != nil {
		return "", err
	}
	a, found := d.apps.get(name)
	if !found {
		return "", driver.Because(driver.ErrMissing, "ams: AMS has no application %s that can be streamed: it must be ready, with a published version", name)
	}
	return a.ID, nil
}

func (a *apps) get(name string) (remoteApp, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	app, found := a.byName[name]
	return app, found
}

func (a *apps) set(byName map[string]remoteApp) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.byName = byName
}

// skip calls tell for a name that was not skipped before.
func (a *apps) skip(name string, tell func()) {
	a.mu.Lock()
	told := a.odd[name]
	if a.odd == nil {
		a.odd = map[string]bool{}
	}
	a.odd[name] = true
	a.mu.Unlock()
	if !told {
		tell()
	}
}

// all lists what AMS had when it was asked last.
func (a *apps) all() (list []remoteApp) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, app := range a.byName {
		list = append(list, app)
	}
	return list
}
