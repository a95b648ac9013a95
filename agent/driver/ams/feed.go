package ams

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// maxEvent bounds one event of the socket, in bytes.
const maxEvent = 1 << 20

// pingEvery is how often an open socket is asked whether it still stands: a cut cable says nothing.
const pingEvery = 20 * time.Second

// anew is what is watched to learn that the socket stands again.
const anew = ""

// feed tells by AMS's event socket when to look at an operation or an instance (section 5).
type feed struct {
	client             *client
	pollOpen, pollShut time.Duration

	mu       sync.Mutex
	open     bool
	watchers map[string]map[chan struct{}]struct{} // by id of operation or instance
}

func newFeed(c *client, t times) *feed {
	return &feed{client: c, pollOpen: t.pollOpen, pollShut: t.pollShut, watchers: map[string]map[chan struct{}]struct{}{}}
}

// watch gives a channel that gets something whenever there may be news of one of the ids, until done is called.
func (f *feed) watch(ids ...string) (news <-chan struct{}, done func()) {
	ch := make(chan struct{}, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		if f.watchers[id] == nil {
			f.watchers[id] = map[chan struct{}]struct{}{}
		}
		f.watchers[id][ch] = struct{}{}
	}
	return ch, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, id := range ids {
			delete(f.watchers[id], ch)
			if len(f.watchers[id]) == 0 {
				delete(f.watchers, id)
			}
		}
	}
}

// wait returns when it is time to look: at news, or after the time for which the socket is trusted.
func (f *feed) wait(ctx context.Context, news <-chan struct{}) error {
	f.mu.Lock()
	every := f.pollShut
	if f.open {
		every = f.pollOpen
	}
	f.mu.Unlock()
	timer := time.NewTimer(every)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return fmt.Errorf("ams: %w", context.Cause(ctx))
	case <-news:
	case <-timer.C:
	}
	return nil
}

// tell wakes who watches id.
func (f *feed) tell(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for ch := range f.watchers[id] {
		wake(ch)
	}
}

func wake(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default: // it has not looked since the last one
	}
}

// set notes whether the socket stands. Either change wakes all: nothing is replayed, and a timer may be the long one.
func (f *feed) set(open bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open == open {
		return
	}
	f.open = open
	for id, of := range f.watchers {
		for ch := range of {
			if id != anew || open {
				wake(ch)
			}
		}
	}
}

func (f *feed) isOpen() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open
}

// run keeps the socket open until the context ends.
func (f *feed) run(ctx context.Context) {
	pause := retryFirst
	for {
		began := time.Now()
		err := f.listen(ctx)
		f.set(false)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > retryMost {
			pause = retryFirst
		}
		f.client.log.Warn("AMS's event socket is shut, asking by itself meanwhile", "err", err, "again", pause)
		if sleep(ctx, pause) != nil {
			return
		}
		pause = min(2*pause, retryMost)
	}
}

// listen opens the socket and reads it until it breaks.
func (f *feed) listen(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var pinging sync.WaitGroup
	defer pinging.Wait()
	defer cancel()
	u := *f.client.base
	u.Path, u.RawQuery = "/1.0/events", "type=all"
	dial, dialled := context.WithTimeout(ctx, f.client.request)
	conn, _, err := websocket.Dial(dial, u.String(), &websocket.DialOptions{HTTPClient: f.client.http}) //nolint:bodyclose // Dial has read it
	dialled()
	if err != nil {
		return fmt.Errorf("ams: event socket: %w", err)
	}
	defer func() { _ = conn.CloseNow() }() // nobody waits for its answer
	conn.SetReadLimit(maxEvent)
	f.set(true)
	pinging.Go(func() {
		defer cancel()
		for sleep(ctx, pingEvery) == nil {
			wait, waited := context.WithTimeout(ctx, f.client.request)
			err := conn.Ping(wait)
			waited()
			if err != nil {
				return
			}
		}
	})
	for {
		_, text, err := conn.Read(ctx)
		if err != nil {
			return fmt.Errorf("ams: event socket: %w", err)
		}
		if id := subject(text); id != "" {
			f.tell(id)
		}
	}
}

// subject is the id of the operation or instance that an event is about; empty for one of another kind.
func subject(text []byte) string {
	var e struct {
		Type     string `json:"type"`
		Metadata struct {
			ID     string `json:"id"`
			Source string `json:"source"`
		} `json:"metadata"`
	}
	if json.Unmarshal(text, &e) != nil {
		return ""
	}
	switch e.Type {
	case "operation":
		return e.Metadata.ID
	case "lifecycle":
		if source := strings.TrimSuffix(e.Metadata.Source, "/"); source != "" {
			return path.Base(source) // its exact form is not told; the last element is the id
		}
	}
	return ""
}
