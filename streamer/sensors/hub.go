// Package sensors hands what the client's device senses to the programs of an instance: acceleration (and with it a rotation made by hand),
// gyroscope, orientation, location, and whether the client's on-screen keyboard is up. And it asks the client for what they want.
//
// A program connects to a Unix socket and reads lines of JSON, at first the last of each kind, as the contract asks: what was sensed once
// holds until something else is. A program that reads slowly misses readings and never the last one. What it wants it writes, also as
// lines:
//
//	{"activate":"gyroscope"}   readings of a sensor: gyroscope, acceleration or orientation
//	{"deactivate":"gyroscope"}
//	{"text_input":true}        an editable field has the focus: the client may show its keyboard
//	{"text_input":false}
//
// A wish ends with its program's connection, and every client that comes is told of the wishes there are.
package sensors

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"

	"streamstack/streamer/control"
)

const (
	// maxPrograms bounds the connections.
	maxPrograms = 16
	// maxLine is the longest line of a program, in bytes.
	maxLine = 1024
)

// known are the sensors that a client has.
var known = []control.Sensor{control.SensorAcceleration, control.SensorGyroscope, control.SensorOrientation}

// Hub is the socket with its programs. Its methods may be called from any goroutine, and none waits for a program or a client.
type Hub struct {
	listener net.Listener
	log      *slog.Logger
	work     sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	programs map[*program]bool
	// last has the last line of each kind, in the order of their first coming.
	last  map[string][]byte
	kinds []string
	// client is nil while there is none.
	client *client
}

// Listen makes the socket, for programs of the same user. The context bounds nothing but the making.
func Listen(ctx context.Context, path string, log *slog.Logger) (*Hub, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("sensors: %w", err)
	}
	h := &Hub{listener: listener, log: log, programs: map[*program]bool{}, last: map[string][]byte{}}
	h.work.Go(h.accept)
	return h, nil
}

// Handle hands a message on; one that is not about a sensor, the location or the on-screen keyboard does nothing.
func (h *Hub) Handle(message control.Message) {
	kind, text := line(message)
	if kind == "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, before := h.last[kind]; !before {
		h.kinds = append(h.kinds, kind)
	}
	h.last[kind] = text
	for p := range h.programs {
		p.put(kind, text)
	}
}

// Attach tells a new client what is wanted of it, and everything that is later, by send, which must not wait. The client that was attached
// last counts. The returned function ends that.
func (h *Hub) Attach(send func(message []byte) error) (detach func()) {
	c := &client{send: send, sensors: map[control.Sensor]bool{}} // clients begin with everything off
	h.mu.Lock()
	defer h.mu.Unlock()
	h.client = c
	h.tell()
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.client == c {
			h.client = nil
		}
	}
}

// Close ends the socket and all connections. It may be called more than once.
func (h *Hub) Close() error {
	h.mu.Lock()
	err := h.listener.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	h.closed = true
	for p := range h.programs {
		p.close()
	}
	h.mu.Unlock()
	h.work.Wait()
	if err != nil {
		return fmt.Errorf("sensors: %w", err)
	}
	return nil
}

func (h *Hub) accept() {
	for {
		conn, err := h.listener.Accept()
		if err != nil {
			return // closed
		}
		h.mu.Lock()
		if h.closed || len(h.programs) >= maxPrograms {
			h.mu.Unlock()
			_ = conn.Close() // nothing was said
			h.log.Warn("sensors: a program is refused", "limit", maxPrograms)
			continue
		}
		p := newProgram(conn)
		h.programs[p] = true
		for _, kind := range h.kinds {
			p.put(kind, h.last[kind])
		}
		h.work.Go(p.write)
		h.work.Go(func() { h.serve(p) })
		h.mu.Unlock()
	}
}

// serve reads a program's wishes until it goes.
func (h *Hub) serve(p *program) {
	lines := bufio.NewScanner(p.conn)
	lines.Buffer(make([]byte, 0, maxLine), maxLine)
	for lines.Scan() {
		var wish struct {
			Activate, Deactivate control.Sensor
			TextInput            *bool `json:"text_input"`
		}
		if err := json.Unmarshal(lines.Bytes(), &wish); err != nil {
			h.log.Info("sensors: a line that is no JSON object is ignored")
			continue
		}
		h.mu.Lock()
		if slices.Contains(known, wish.Activate) {
			p.sensors[wish.Activate] = true
		}
		delete(p.sensors, wish.Deactivate)
		if wish.TextInput != nil {
			p.textInput = *wish.TextInput
		}
		h.tell()
		h.mu.Unlock()
	}
	p.close()
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.programs, p)
	h.tell()
}

// client is who is told of the wishes, and what of.
type client struct {
	send      func(message []byte) error
	sensors   map[control.Sensor]bool
	textInput bool
}

// tell tells the client what has changed since it was told last.
func (h *Hub) tell() {
	c := h.client
	if c == nil {
		return
	}
	text := false
	for p := range h.programs {
		text = text || p.textInput
	}
	for _, sensor := range known {
		wanted := false
		for p := range h.programs {
			wanted = wanted || p.sensors[sensor]
		}
		if wanted == c.sensors[sensor] {
			continue
		}
		c.sensors[sensor] = wanted
		if wanted {
			h.say(control.ActivateSensor(sensor))
		} else {
			h.say(control.DeactivateSensor(sensor))
		}
	}
	if text == c.textInput {
		return
	}
	c.textInput = text
	if text {
		h.say(control.ShowIME())
	} else {
		h.say(control.HideIME())
	}
}

func (h *Hub) say(message []byte, err error) {
	if err == nil {
		err = h.client.send(message)
	}
	if err != nil {
		h.log.Info("sensors: the client is not told of a wish", "error", err)
	}
}
