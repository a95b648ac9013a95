// Package gamepad plays the client's gamepads on devices that it has the kernel make (uinput): an application then finds a gamepad of the
// standard layout in /dev/input, as if one had been plugged in. A pad is made at its first message, and let go when its client leaves.
//
// The devices are the host's, not the display's: an application that may read /dev/input sees the pads of all sessions of that host.
// Give each instance a container of its own where that matters.
package gamepad

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"streamstack/streamer/control"
)

// Pads are the gamepads of one session. Its methods may be called from any goroutine.
type Pads struct {
	path string
	log  *slog.Logger

	mu     sync.Mutex
	closed bool
	pads   [control.MaxGamepad + 1]*pad
}

// pad is a gamepad and what its buttons and axes are.
type pad struct {
	device *device
	state  state
}

// ErrClosed tells that the pads were taken away.
var ErrClosed = errors.New("gamepad: closed")

// Open looks whether gamepads can be made here: path must be one that can be written, Path but in tests. The error tells what is missing
// and what to do about it.
func Open(path string, log *slog.Logger) (*Pads, error) {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("gamepad: no gamepads: load the module uinput and let this user write %s: %w", path, err)
	}
	return &Pads{path: path, log: log}, nil
}

// Handle plays a message; one that is not about a gamepad does nothing.
func (p *Pads) Handle(message control.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch m := message.(type) {
	case control.GamepadButton:
		return p.play(m.Pad, func(s *state) []event { return s.button(m.Index, m.Pressed) })
	case control.GamepadAxis:
		return p.play(m.Pad, func(s *state) []event { return s.axis(m.Index, m.Value) })
	}
	return nil
}

// play changes a pad, which is made first if need be.
func (p *Pads) play(index int, change func(*state) []event) error {
	if p.closed {
		return ErrClosed
	}
	if index < 0 || index >= len(p.pads) {
		return fmt.Errorf("gamepad: no pad %d: 0 to %d", index, control.MaxGamepad)
	}
	if p.pads[index] == nil {
		d, err := makeDevice(p.path, fmt.Sprintf("streamstack gamepad %d", index+1))
		if err != nil {
			return err
		}
		p.pads[index] = &pad{device: d}
		p.log.Info("gamepad: made", "pad", index)
	}
	return p.pads[index].write(change(&p.pads[index].state))
}

func (d *pad) write(events []event) error {
	if len(events) == 0 {
		return nil
	}
	return d.device.write(events)
}

// ReleaseAll lets every button and stick go: the client is gone. The pads stay, for the next client to use.
func (p *Pads) ReleaseAll() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, d := range p.pads {
		if d != nil {
			errs = append(errs, d.write(d.state.release()))
		}
	}
	return errors.Join(errs...)
}

// Close takes the pads away. It may be called more than once.
func (p *Pads) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for i, d := range p.pads {
		if d != nil {
			errs = append(errs, d.device.close())
			p.pads[i] = nil
		}
	}
	p.closed = true
	return errors.Join(errs...)
}
