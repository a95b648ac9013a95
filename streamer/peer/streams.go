package peer

import (
	"fmt"
	"io"
	"sync"

	"github.com/pion/transport/v2/packetio"
)

// Whoever sends us RTP or RTCP names streams in it by numbers of 32 bits (SSRC; RFC 3550, section 3). pion makes a stream with a buffer
// for every number it meets, 31 in one report, and keeps them until the connection ends, read or not. So only as many keep what comes as
// a client has a use for: it sends a microphone, a camera and probes, and speaks of these and of our two.
const (
	rtpStreams, rtcpStreams = 8, 16
	// maxStreams is how many a connection may have in all; the rest of them forget what comes.
	maxStreams = 1000
	// Of one stream, in bytes: pion's own limits.
	rtpWaiting, rtcpWaiting = 1_000_000, 100_000
)

// errTooManyStreams ends the connection of a client that makes streams without end.
var errTooManyStreams = fmt.Errorf("more than %d streams (SSRC) named in one connection", maxStreams)

// streams makes the buffers of what comes in over one connection. Safe for concurrent use.
type streams struct {
	over  chan struct{} // closed when there are too many
	ended chan struct{} // closed by end

	mu        sync.Mutex
	rtp, rtcp int
	ending    sync.Once
}

func newStreams() *streams {
	return &streams{over: make(chan struct{}), ended: make(chan struct{})}
}

// buffer is pion's SettingEngine.BufferFactory. Once there are too many streams it waits for the end of the connection, and pion with it,
// so that there are no more, however long the owner takes.
func (s *streams) buffer(kind packetio.BufferPacketType, _ uint32) io.ReadWriteCloser {
	s.mu.Lock()
	made, most, size := &s.rtcp, rtcpStreams, rtcpWaiting
	if kind == packetio.RTPBufferPacket {
		made, most, size = &s.rtp, rtpStreams, rtpWaiting
	}
	*made++
	keeps, all := *made <= most, s.rtp+s.rtcp
	s.mu.Unlock()
	if all == maxStreams+1 {
		close(s.over)
	}
	if all > maxStreams {
		<-s.ended
	}
	if !keeps {
		return &nothing{closed: make(chan struct{})}
	}
	b := packetio.NewBuffer()
	b.SetLimitSize(size)
	return b
}

// end lets go of who waits. It may be called again.
func (s *streams) end() { s.ending.Do(func() { close(s.ended) }) }

// watchStreams ends the connection when it has too many streams.
func (p *Peer) watchStreams() {
	select {
	case <-p.ctx.Done():
	case <-p.streams.over:
		p.log.Warn("connection ended", "reason", errTooManyStreams)
		p.end(Left)
	}
}

// nothing is a buffer that forgets what is written to it. Its readers wait until it is closed.
type nothing struct {
	closed chan struct{}
	once   sync.Once
}

func (n *nothing) Write(b []byte) (int, error) { return len(b), nil }

func (n *nothing) Read([]byte) (int, error) {
	<-n.closed
	return 0, io.EOF
}

func (n *nothing) Close() error {
	n.once.Do(func() { close(n.closed) })
	return nil
}
