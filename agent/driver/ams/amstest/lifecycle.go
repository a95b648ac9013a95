package amstest

import (
	"context"
	"sync"
)

// instance is one with its machine.
type instance struct {
	Instance

	once    sync.Once
	ending  chan struct{} // closed when it shall end
	running Running       // guarded by the server's mutex
	up      chan struct{} // closed when the boot is over, well or not
}

func newInstance(id string) *instance {
	return &instance{Instance: Instance{ID: id}, ending: make(chan struct{}), up: make(chan struct{})}
}

// lifecycle publishes what has happened to an instance.
func (s *Server) lifecycle(in *instance, action string) {
	s.publish("lifecycle", map[string]string{"action": "instance-" + action, "source": instanceURL(in.ID)})
}

// state changes an instance's state (section 8) and publishes it; an instance that is gone has none.
func (s *Server) state(in *instance, status string, code int, message string) {
	s.mu.Lock()
	_, there := s.instances[in.ID]
	in.Status, in.StatusCode, in.ErrorMessage = status, code, message
	s.mu.Unlock()
	if !there {
		return
	}
	action := map[int]string{2: "scheduled", 3: "started", 4: "running", 5: "stopped", -1: "failed"}[code]
	s.lifecycle(in, action)
}

// boot takes an instance from created to running, and then watches its machine. With noWait the operation ends at once.
func (s *Server) boot(in *instance, l Launch, app Application, o *Operation, noWait bool) {
	defer close(in.up)
	s.state(in, "prepared", 2, "")
	if noWait || l.NoStart {
		s.finish(o, "")
	}
	if l.NoStart {
		return
	}
	s.state(in, "started", 3, "")
	ctx, cancel := context.WithCancel(s.life)
	defer cancel()
	s.work.Go(func() {
		select {
		case <-in.ending:
			cancel()
		case <-ctx.Done():
		}
	})
	running, err := s.machine.Boot(ctx, Boot{Instance: in.ID, Application: app, Version: in.AppVersion, Platform: l.Config.Platform,
		Display: l.Config.Display, UserData: []byte(l.UserData)})
	if err != nil {
		s.state(in, "error", -1, err.Error())
		if !noWait {
			s.finish(o, "failed to start instance")
		}
		return
	}
	s.mu.Lock()
	in.running = running
	s.mu.Unlock()
	s.state(in, "running", 4, "")
	if !noWait {
		s.finish(o, "")
	}
	s.work.Go(func() {
		select {
		case <-running.Done():
			select {
			case <-in.ending:
			default:
				s.state(in, "error", -1, "the instance's machine has ended")
			}
		case <-in.ending:
		case <-s.life.Done():
			_ = running.Stop(context.WithoutCancel(s.life)) // the test is over
		}
	})
}

// halt ends an instance's machine, once its boot is over.
func (s *Server) halt(in *instance) {
	in.once.Do(func() { close(in.ending) })
	<-in.up
	s.mu.Lock()
	running := in.running
	s.mu.Unlock()
	if running != nil {
		_ = running.Stop(s.life) // the test's end ends it
	}
}

// Fail has an instance fail, as if its node had died.
func (s *Server) Fail(id, message string) {
	if in := s.find(id); in != nil {
		s.halt(in)
		s.state(in, "error", -1, message)
	}
}

// Vanish has an instance gone without a word.
func (s *Server) Vanish(id string) {
	if in := s.find(id); in != nil {
		s.halt(in)
		s.mu.Lock()
		delete(s.instances, in.ID)
		s.mu.Unlock()
	}
}
