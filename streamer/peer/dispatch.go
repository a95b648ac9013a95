package peer

import "sync"

// maxPendingMessages is how many messages wait for their handler before the client is held back.
const maxPendingMessages = 128

// dispatcher calls the handlers: one at a time, in order, on its own goroutine.
type dispatcher struct {
	mu      sync.Mutex
	queue   []func()
	closed  bool
	changed *sync.Cond
	done    chan struct{}
}

func newDispatcher() *dispatcher {
	d := &dispatcher{done: make(chan struct{})}
	d.changed = sync.NewCond(&d.mu)
	go d.run()
	return d
}

// post queues a call and never waits: for what is rare by nature, such as states and candidates.
func (d *dispatcher) post(call func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.push(call)
}

// postWait queues a call once there is room: for what the client sends, as often as it likes.
func (d *dispatcher) postWait(call func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.queue) >= maxPendingMessages && !d.closed {
		d.changed.Wait()
	}
	d.push(call)
}

func (d *dispatcher) push(call func()) {
	if d.closed {
		return
	}
	d.queue = append(d.queue, call)
	d.changed.Broadcast()
}

func (d *dispatcher) run() {
	defer close(d.done)
	for {
		call, ok := d.next()
		if !ok {
			return
		}
		call()
	}
}

func (d *dispatcher) next() (call func(), ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.queue) == 0 && !d.closed {
		d.changed.Wait()
	}
	if d.closed {
		return nil, false
	}
	call = d.queue[0]
	d.queue[0] = nil
	d.queue = d.queue[1:]
	d.changed.Broadcast()
	return call, true
}

// stop drops what is queued and starts nothing more; the call that runs is ended when done is closed.
func (d *dispatcher) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.queue = nil
	d.changed.Broadcast()
}
