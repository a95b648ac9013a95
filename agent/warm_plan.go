package agent

import (
	"slices"
	"time"

	"streamstack/agent/application"
	"streamstack/agent/driver"
)

// next says what is to be done: start one for an application after a wait, or end one, or nothing.
func (p *pool) next(room int, offered application.Catalogue) (app *application.Application, surplus *waiting, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	room = max(0, min(room, p.want)) // an agent that came back with fewer slots than it had sessions has less than none
	free := slices.Clone(p.idle)
	for _, a := range p.wanted(offered) {
		i := slices.IndexFunc(free, func(w *waiting) bool { return w.Fits(asked(a)) })
		switch {
		case i >= 0:
			free = slices.Delete(free, i, i+1)
		case app == nil:
			app = &a
		}
	}
	switch {
	case len(p.idle) > room:
		if len(free) == 0 {
			free = p.idle
		}
		return nil, free[len(free)-1], 0
	case app != nil && len(p.idle) == room: // one of another kind makes place
		if len(free) > 0 {
			return nil, free[len(free)-1], 0
		}
		app = nil
	}
	return app, nil, max(time.Until(p.until), time.Until(p.taken.Add(p.refill)))
}

// asked is a session of an application as it asks for it.
func asked(a application.Application) driver.Spec {
	return driver.Spec{Session: "asked", Application: a, Screen: driver.Screen{Width: a.Screen.Width, Height: a.Screen.Height, FPS: a.Screen.FPS}}
}

// wanted are the applications that instances shall wait for: those of the last sessions, then others that are offered. The caller
// holds the lock.
func (p *pool) wanted(offered application.Catalogue) (apps []application.Application) {
	names := offered.Names()
	for i, recent := 0, p.recent; len(apps) < p.want && len(names) > 0; {
		name := names[i%len(names)]
		if len(recent) > 0 {
			name, recent = recent[0], recent[1:]
		} else {
			i++
		}
		if a, ok := offered.Default(name); ok {
			apps = append(apps, a)
		}
	}
	return apps
}
