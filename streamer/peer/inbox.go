package peer

import (
	"context"
	"sync"
	"time"
)

// SCTP has one receive window for all channels of a client (RFC 9260, section 3.3.2): when it is full of what one channel's program has
// not read, the client may send nothing on any, and its clicks wait. There is no window per channel. So each channel is read into a
// queue of its own, and costs the others nothing up to there. A full one holds the client back, as a sender that pushes without end
// must be, but only for as long as its program still takes a part of it in a time that a hand on a mouse hardly notices; else the channel ends.
const (
	// inboxSize bytes may wait in one channel, with messageCost for each message.
	inboxSize, messageCost = 4 << 20, 64
	// inboxRoom bytes must be free before a full inbox takes more, within inboxPatience. A program that takes less than 0.9 MB/s of what
	// is pushed at it loses its channel; one that takes more has its back-pressure.
	inboxRoom, inboxPatience = 256 << 10, 300 * time.Millisecond
	// receiveWindow is that of the association, bytes: what may come during inboxPatience on 100 Mbit/s.
	receiveWindow = 4 << 20
)

// channelMessage is one message of a data channel.
type channelMessage struct {
	data []byte
	text bool
}

// inbox holds what was read of a channel and not yet received. One goroutine puts, one takes, anybody ends it.
type inbox struct {
	mu      sync.Mutex
	list    []channelMessage
	held    int
	refused bool // nothing more is taken in
	ended   bool
	came    chan struct{} // a token when there may be something to take, or the end
	room    chan struct{} // likewise room
}

func newInbox() *inbox {
	return &inbox{came: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// put takes a message in, and tells whether the inbox is full. One that has ended drops it.
func (b *inbox) put(m channelMessage) (full bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refused || b.ended {
		return false
	}
	b.list = append(b.list, m)
	b.held += len(m.data) + messageCost
	token(b.came)
	return b.held >= inboxSize
}

// short tells that less than half of the inbox is used.
func (b *inbox) short() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held < inboxSize/2 && !b.refused && !b.ended
}

// waitForRoom waits for room, or for the end of the inbox or of ctx. It returns false when there is none of them within inboxPatience.
func (b *inbox) waitForRoom(ctx context.Context) bool {
	late := time.NewTimer(inboxPatience)
	defer late.Stop()
	for {
		b.mu.Lock()
		enough := b.ended || b.held <= inboxSize-inboxRoom
		b.mu.Unlock()
		if enough {
			return true
		}
		select {
		case <-b.room:
		case <-ctx.Done():
			return true
		case <-late.C:
			return false
		}
	}
}

// take waits for a message; false means that there will be none.
func (b *inbox) take() (m channelMessage, ok bool) {
	for {
		b.mu.Lock()
		if len(b.list) > 0 {
			m, b.list[0] = b.list[0], channelMessage{}
			b.list = b.list[1:]
			b.held -= len(m.data) + messageCost
			b.mu.Unlock()
			token(b.room)
			return m, true
		}
		over := b.refused || b.ended
		b.mu.Unlock()
		if over {
			token(b.came) // for who asks again
			return m, false
		}
		<-b.came
	}
}

// refuse lets nothing more in; what waits can still be taken.
func (b *inbox) refuse() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refused = true
	token(b.came)
}

// end drops what waits and lets nothing more in.
func (b *inbox) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	b.list, b.held = nil, 0
	token(b.came)
	token(b.room)
}

// token puts one into a channel of one, if it holds none.
func token(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
