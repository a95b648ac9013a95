package peer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/webrtc/v3"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// What is put in comes out, in order, with what it was; also after the channel's end.
func TestInboxKeepsOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := newInbox()
		var want, got []channelMessage
		for range rapid.IntRange(0, 50).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "put") {
				m := channelMessage{rapid.SliceOfN(rapid.Byte(), 0, 10).Draw(t, "data"), rapid.Bool().Draw(t, "text")}
				b.put(m)
				want = append(want, m)
			} else if len(want) > len(got) {
				m, ok := b.take()
				require.True(t, ok)
				got = append(got, m)
			}
		}
		b.refuse()
		require.False(t, b.put(channelMessage{}), "after the end")
		for m, ok := b.take(); ok; m, ok = b.take() {
			got = append(got, m)
		}
		require.Equal(t, want, got)
		require.Zero(t, b.held)
	})
}

// A full inbox waits for a part of it to be taken, but not for long; small messages cost what they take.
func TestInboxWaitsForRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newInbox()
		n := 1
		for ; !b.put(channelMessage{data: []byte{1}}); n++ {
		}
		require.Equal(t, inboxSize/(messageCost+1)+1, n)
		require.False(t, b.short())
		begun := time.Now()
		require.False(t, b.waitForRoom(t.Context()))
		require.Equal(t, inboxPatience, time.Since(begun))
		var taking sync.WaitGroup
		taking.Go(func() {
			for range inboxRoom/messageCost + 1 {
				time.Sleep(inboxPatience / inboxRoom * messageCost / 2)
				b.take()
			}
		})
		require.True(t, b.waitForRoom(t.Context()))
		b.mu.Lock()
		require.LessOrEqual(t, b.held, inboxSize-inboxRoom)
		b.mu.Unlock()
		taking.Wait()
		cancelled, cancel := context.WithCancel(t.Context())
		for !b.put(channelMessage{data: []byte{1}}) {
		}
		cancel()
		require.True(t, b.waitForRoom(cancelled), "nothing holds up the end")
		b.end()
		require.True(t, b.waitForRoom(t.Context()))
		_, ok := b.take()
		require.False(t, ok)
	})
}

// pusher is a page with a hand on its mouse, and a channel on which it pushes what goes.
type pusher struct {
	t *testing.T
	r *record
	c *client

	bulk  *webrtc.DataChannel
	taken chan *Channel

	mu      sync.Mutex
	delays  []time.Duration // of the input so far
	started time.Time
}

func newPusher(t *testing.T) *pusher {
	t.Helper()
	u := &pusher{t: t, taken: make(chan *Channel, 1), started: time.Now()}
	p, r := newPeer(t, func(cfg *Config) {
		cfg.Settings.DataChannels = []string{"bulk"}
		cfg.Handlers.Channel = func(c *Channel) { u.taken <- c }
		cfg.Handlers.Message = func(_ string, data []byte, _ bool) {
			now := time.Since(u.started)
			at, err := strconv.ParseInt(string(data), 10, 64)
			if err != nil {
				t.Error(err)
			}
			u.mu.Lock()
			defer u.mu.Unlock()
			u.delays = append(u.delays, now-time.Duration(at))
		}
	})
	u.r, u.c = r, newClient(t, clientOptions{})
	u.bulk = u.c.channel(t, "bulk")
	connect(t, p, r, u.c)
	until(t, u.c.missing("bulk opened"))
	return u
}

// move sends input every 10 ms until the returned function is called.
func (u *pusher) move() (stop func()) {
	var work sync.WaitGroup
	ctx, cancel := context.WithCancel(u.t.Context())
	work.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err := u.c.control.SendText(strconv.FormatInt(int64(time.Since(u.started)), 10)); err != nil {
				u.t.Error(err)
				return
			}
		}
	})
	return func() { cancel(); work.Wait() }
}

// push sends on the bulk channel as fast as that takes it, up to size bytes, or until it has ended. pion sends all channels' messages
// in one line, so the queue is kept short: a browser sends them in turns.
func (u *pusher) push(size int) (sent int) {
	message := bytes.Repeat([]byte{7}, 16<<10)
	low := make(chan struct{}, 1)
	u.bulk.SetBufferedAmountLowThreshold(32 << 10)
	u.bulk.OnBufferedAmountLow(func() { token(low) })
	for sent < size && u.bulk.Send(message) == nil {
		sent += len(message)
		for u.bulk.BufferedAmount() > 64<<10 && u.bulk.ReadyState() == webrtc.DataChannelStateOpen {
			select {
			case <-low:
			case <-time.After(50 * time.Millisecond): // it may have ended
			}
		}
	}
	return sent
}

// inputs waits until so many more inputs have come.
func (u *pusher) inputs(n int) {
	u.t.Helper()
	u.mu.Lock()
	want := len(u.delays) + n
	u.mu.Unlock()
	until(u.t, func() string {
		u.mu.Lock()
		defer u.mu.Unlock()
		if len(u.delays) < want {
			return fmt.Sprintf("%d inputs of %d", len(u.delays), want)
		}
		return ""
	})
}

// percentile of the delays of the input.
func (u *pusher) percentile(part float64) time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	sorted := slices.Sorted(slices.Values(u.delays))
	return sorted[min(int(part*float64(len(sorted))), len(sorted)-1)]
}

// A program that sleeps while the page pushes at it loses the channel. The input goes on: without that end it would stand still for as
// long as the program sleeps.
func TestInputGoesOnPastAProgramThatSleeps(t *testing.T) {
	t.Parallel()
	u := newPusher(t)
	sleeping := <-u.taken
	stop := u.move()
	defer stop()
	u.inputs(20)
	sent := u.push(64 << 20)
	until(t, u.c.missing("bulk closed"))
	require.Less(t, sent, inboxSize+2*receiveWindow)
	u.inputs(300)
	t.Logf("%d bytes pushed; input after p50 %s, p99 %s, at most %s", sent, u.percentile(0.5), u.percentile(0.99), u.percentile(1))
	require.Less(t, u.percentile(0.99), 5*time.Second)
	// What was read before the end can still be received.
	got := 0
	for {
		data, _, err := sleeping.Receive()
		if err != nil {
			break
		}
		got += len(data)
	}
	require.Greater(t, got, inboxSize/2)
	require.LessOrEqual(t, got, inboxSize)
}

// A program that is slower than the page holds it back, and gets everything; the input comes through between its messages.
func TestASlowProgramHoldsThePageBack(t *testing.T) {
	t.Parallel()
	u := newPusher(t)
	slow := <-u.taken
	stop := u.move()
	defer stop()
	u.inputs(20)
	const size = 16 << 20
	done := make(chan int, 1)
	go func() {
		got := 0
		for got < size {
			data, _, err := slow.Receive()
			if err != nil {
				break
			}
			if got += len(data); got%(64<<10) == 0 {
				time.Sleep(8 * time.Millisecond) // 8 MB/s: less than the page can send
			}
		}
		done <- got
	}()
	require.Equal(t, size, u.push(size))
	require.Equal(t, size, <-done)
	t.Logf("input after p50 %s, p99 %s, at most %s", u.percentile(0.5), u.percentile(0.99), u.percentile(1))
	require.Less(t, u.percentile(0.99), 5*time.Second)
}

// What comes on a channel that was refused is read too: it takes nothing of the window that the input needs.
func TestARefusedChannelDoesNotHoldTheInputUp(t *testing.T) {
	t.Parallel()
	p, r := newPeer(t, nil)
	c := newClient(t, clientOptions{})
	connect(t, p, r, c)
	refused := c.channel(t, "unknown")
	until(t, c.missing("unknown opened"))
	for range 3 * receiveWindow / (32 << 10) {
		if refused.Send(make([]byte, 32<<10)) != nil {
			break // it has been closed already
		}
	}
	until(t, c.missing("unknown closed"))
	require.NoError(t, c.control.SendText("still here"))
	until(t, func() string {
		if !slices.ContainsFunc(r.all(), func(w string) bool { return strings.Contains(w, "still here") }) {
			return "the input"
		}
		return ""
	})
}

// scripted is a channel of as many messages as there are sizes, which drops what does not fit, as pion's does.
type scripted struct {
	sizes  []int
	buffer int // the largest that was read into
}

func (w *scripted) ReadDataChannel(buffer []byte) (int, bool, error) {
	w.buffer = max(w.buffer, len(buffer))
	if len(w.sizes) == 0 {
		return 0, false, io.EOF
	}
	n := w.sizes[0]
	w.sizes = w.sizes[1:]
	if n > len(buffer) {
		return 0, false, io.ErrShortBuffer
	}
	return n, false, nil
}

func (w *scripted) WriteDataChannel([]byte, bool) (int, error) { return 0, io.ErrClosedPipe }

// A client that makes as many channels as it may, all of them refused, takes no memory by what is read of them: the largest messages, and
// those that are too large, are read to the end all the same.
func TestRefusedChannelsTakeNoMemory(t *testing.T) {
	t.Parallel()
	w := &scripted{sizes: []int{0, 1, maxReceived, maxReceived + 1, 7}}
	(&Channel{raw: w}).drain()
	require.Empty(t, w.sizes)
	require.Less(t, maxMade*w.buffer, 1<<20)
}

// A channel that opens just when the peer is closed is handed to nobody: with nothing that reads it, who receives from it would wait for
// ever, and with it the streamer's loop.
func TestNobodyWaitsOnAChannelOfAClosedPeer(t *testing.T) {
	t.Parallel()
	taken := make(chan *Channel, 1)
	p, _ := newPeer(t, func(cfg *Config) { cfg.Handlers.Channel = func(c *Channel) { taken <- c } })
	p.signalling.Lock()
	p.step = stepClosed // Close is at its beginning
	p.signalling.Unlock()
	p.serveChannel(&Channel{label: "bulk", peer: p, raw: &scripted{}, inbox: newInbox(), gone: make(chan struct{})})
	handled := make(chan struct{})
	p.dispatcher.post(func() { close(handled) })
	<-handled
	require.Empty(t, taken)
}
