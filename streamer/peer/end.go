package peer

import (
	"errors"
	"time"
)

func (p *Peer) end(how Ending) {
	p.gone.Do(func() {
		p.sender.stop()
		p.keyframes.close()
		p.tell(func(h *Handlers) {
			if h.Disconnected != nil {
				h.Disconnected(how)
			}
		})
	})
}

// Close ends the peer and returns when its goroutines have ended, at the latest after some seconds. For the reasons Ended
// and Displaced the client is told by an SCTP ABORT, which makes the SDK stop at once. It may be called again; calls wait
// for the first. It must not be called from a handler.
func (p *Peer) Close(reason Reason) {
	p.closing.Do(func() { p.close(reason) })
}

func (p *Peer) close(reason Reason) {
	p.signalling.Lock()
	p.step = stepClosed
	p.signalling.Unlock()
	p.dispatcher.stop()
	p.keyframes.close()
	p.sender.stop()
	if reason != Gone {
		p.abort(reason)
	}
	p.cancel()
	p.streams.end()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := p.pc.GracefulClose(); err != nil {
			p.log.Debug("connection not closed cleanly", "error", err)
		}
		p.goroutines.Wait()
		<-p.dispatcher.done
	}()
	select {
	case <-ended:
	case <-time.After(closeTimeout):
		p.log.Error("peer still closing: does a handler block, or call Close?", "waited", closeTimeout)
	}
}

func (p *Peer) abort(reason Reason) {
	done := make(chan error, 1)
	go func() { done <- abort(p.pc.SCTP(), reason) }()
	select {
	case err := <-done:
		if err != nil && !errors.Is(err, errNoAssociation) {
			p.log.Error("client not told of the end", "error", err)
		}
	case <-time.After(abortTimeout):
		p.log.Warn("client not told of the end in time", "waited", abortTimeout)
	}
}
