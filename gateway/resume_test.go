package gateway

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"streamstack/events"
)

// resumeBudget ends the generation of cases: each is several sockets.
const resumeBudget = 4 * time.Second

// Wherever a socket is cut and whichever gateway takes it up again, the messages of all sockets together are those of one
// that was never cut.
func TestResume(t *testing.T) {
	t.Parallel()
	r := house(t)
	gateways := []*replica{r, r.stack.gateway()}
	s := r.stack
	begun := time.Now()
	rapid.Check(t, func(rt *rapid.T) {
		if time.Since(begun) > resumeBudget {
			return
		}
		c := r.create()
		s.ready(c.ID)
		peer, said := s.peerOf(c.ID), 0
		say := func() {
			said++
			s.candidate(c.ID, "somebody-else", fmt.Sprintf("candidate:x%d", said))
			s.candidate(c.ID, peer, fmt.Sprintf("candidate:%d", said))
		}
		s.offer(c.ID, peer, "v=0 offer")
		for range 4 {
			say()
		}
		after := s.awaits(c.ID, "gateway.joined", 1).Sequence
		var got []message
		sockets := 0
		for ; len(got) <= said; sockets++ {
			g := rapid.IntRange(0, len(gateways)-1).Draw(rt, "gateway")
			b := dial(t, gateways[g].moved(c.URL)+fmt.Sprintf("&after=%d", after))
			for range rapid.IntRange(1, said+1-len(got)).Draw(rt, "messages until the cut") {
				m := b.receive()
				if m.Sequence <= after {
					rt.Fatalf("%d comes after %d", m.Sequence, after)
				}
				got, after = append(got, m), m.Sequence
			}
			if said < 10 && rapid.Bool().Draw(rt, "the streamer goes on") {
				say() // some of it on a live socket, some while there is none
			}
			_ = b.conn.CloseNow() // the cut
		}
		if got[0].SDP != sdp("v=0 offer") {
			rt.Fatalf("begins with %+v", got[0])
		}
		for i, m := range got[1:] {
			if want := sdp(fmt.Sprintf("candidate:%d", i+1)); m.Candidate != want {
				rt.Fatalf("message %d is %+v", i+1, m)
			}
		}
		var d events.AttachedData
		if err := s.awaits(c.ID, "client.attached", sockets).Decode(&d); err != nil || d.Resumed == nil {
			rt.Fatalf("the log does not say that the client resumed: %v", err)
		}
	})
}
