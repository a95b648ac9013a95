package sensors

import (
	"net"
	"sync"

	"streamstack/streamer/control"
)

// program is one connection. Its wishes are the hub's, under the hub's lock.
type program struct {
	conn net.Conn

	sensors   map[control.Sensor]bool
	textInput bool

	mu sync.Mutex
	// pending has the last line of each kind that is not written yet, in the order of kinds.
	pending map[string][]byte
	kinds   []string
	more    chan struct{} // of one: there is something pending

	once sync.Once
	gone chan struct{}
}

func newProgram(conn net.Conn) *program {
	return &program{conn: conn, sensors: map[control.Sensor]bool{}, pending: map[string][]byte{}, more: make(chan struct{}, 1), gone: make(chan struct{})}
}

// put has a line written, in place of an older one of its kind that still waits. It does not wait.
func (p *program) put(kind string, text []byte) {
	p.mu.Lock()
	if _, waits := p.pending[kind]; !waits {
		p.kinds = append(p.kinds, kind)
	}
	p.pending[kind] = text
	p.mu.Unlock()
	select {
	case p.more <- struct{}{}:
	default:
	}
}

// next takes the line that waits longest; nil for none.
func (p *program) next() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.kinds) == 0 {
		return nil
	}
	kind := p.kinds[0]
	p.kinds = p.kinds[1:]
	text := p.pending[kind]
	delete(p.pending, kind)
	return text
}

// write writes lines until the connection ends.
func (p *program) write() {
	for {
		select {
		case <-p.more:
		case <-p.gone:
			return
		}
		for text := p.next(); text != nil; text = p.next() {
			if _, err := p.conn.Write(text); err != nil {
				p.close()
				return
			}
		}
	}
}

func (p *program) close() {
	p.once.Do(func() {
		close(p.gone)
		_ = p.conn.Close() // what was not written is void
	})
}
