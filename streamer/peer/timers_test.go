package peer

import (
	"testing"
	"time"

	"github.com/pion/webrtc/v3"
	"github.com/stretchr/testify/require"
)

// attempts bounds how often a connection is made to see a time that pion's own timer would not allow once: a slow machine may take
// its time now and then, but not always.
const attempts = 5

// inLess makes connections until one took less than a time.
func inLess(t *testing.T, than time.Duration, connect func() time.Duration) {
	t.Helper()
	var took []time.Duration
	for range attempts {
		if took = append(took, connect()); took[len(took)-1] < than {
			t.Logf("took %s", took)
			return
		}
	}
	require.Fail(t, "every attempt took too long", "%s, at best less than %s is asked for", took, than)
}

// dtlsHandshake is the type of a handshake message that begins a packet (RFC 6347, section 4.3.2), or 0.
func dtlsHandshake(packet []byte) byte {
	const handshake, header = 22, 13
	if len(packet) <= header || packet[0] != handshake {
		return 0
	}
	return packet[header]
}

// The streamer's hello of DTLS is lost: it is sent again after a tenth of a second. By pion's own timer it would be a second, on both sides.
func TestALostHandshakeIsRepeatedSoon(t *testing.T) {
	t.Parallel()
	const serverHello, pions = 2, time.Second
	inLess(t, pions, func() time.Duration {
		p, r := newPeer(t, nil)
		defer p.Close(Gone)
		c := newClient(t, clientOptions{muteable: true})
		var lost, again time.Time
		repeated := make(chan time.Duration, 1)
		c.socket.mu.Lock()
		c.socket.refuse = func(packet []byte) bool { // with the socket's lock held
			switch {
			case dtlsHandshake(packet) != serverHello || !again.IsZero():
				return false
			case lost.IsZero():
				lost = time.Now()
				return true
			}
			again = time.Now()
			repeated <- again.Sub(lost)
			return false
		}
		c.socket.mu.Unlock()
		connect(t, p, r, c)
		select {
		case after := <-repeated:
			return after
		default:
			require.Fail(t, "no hello of the streamer was lost")
			return 0
		}
	})
}

// A client that hides its addresses, as browsers do, is reached by the address that its checks come from. No better one is waited for:
// pion's own second would be a part of every start.
func TestAHiddenClientIsConnectedAtOnce(t *testing.T) {
	t.Parallel()
	inLess(t, time.Second, func() time.Duration {
		p, r := newPeer(t, nil)
		defer p.Close(Gone)
		c := newClient(t, clientOptions{})
		r.mu.Lock()
		described := make(chan struct{})
		r.candidates = func(candidate webrtc.ICECandidateInit) {
			go func() {
				<-described
				_ = c.pc.AddICECandidate(candidate) // one that does not fit is one of several
			}()
		}
		r.mu.Unlock()
		offer, err := p.Offer(t.Context())
		require.NoError(t, err)
		require.NoError(t, c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}))
		answer, err := c.pc.CreateAnswer(nil)
		require.NoError(t, err)
		require.NoError(t, p.AcceptAnswer(t.Context(), answer.SDP)) // before there is a candidate in it
		require.NoError(t, c.pc.SetLocalDescription(answer))
		close(described)
		until(t, r.missing("connected"))
		r.mu.Lock()
		defer r.mu.Unlock()
		require.Equal(t, "prflx", r.connection.RemoteType)
		return r.connection.Duration
	})
}

// Who has gone without a word counts as disturbed and as lost when browsers say so, too; TestLost shows that the times are used.
func TestDefaultTimers(t *testing.T) {
	t.Parallel()
	n, err := NewNetwork(NetworkConfig{Log: testLog()})
	require.NoError(t, err)
	require.Equal(t, []time.Duration{5 * time.Second, 10 * time.Second}, []time.Duration{n.config.Disconnected, n.config.Failed})
}
