package impair

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is for what is certain to come, on a machine that is busy with other things.
const patience = 30 * time.Second

// udp opens a socket on loopback until the test ends.
func udp(t testing.TB) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetReadBuffer(socketBuffer))
	return c
}

func portOf(c *net.UDPConn) netip.AddrPort {
	addr, _ := c.LocalAddr().(*net.UDPAddr)
	return netip.AddrPortFrom(addr.AddrPort().Addr().Unmap(), addr.AddrPort().Port())
}

// echo sends back what comes, until the test ends.
func echo(t testing.TB) netip.AddrPort {
	t.Helper()
	c := udp(t)
	var running sync.WaitGroup
	running.Go(func() {
		b := make([]byte, 1<<16)
		for {
			n, from, err := c.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			_, _ = c.WriteToUDPAddrPort(b[:n], from) // the client may be gone
		}
	})
	t.Cleanup(func() {
		_ = c.Close()
		running.Wait()
	})
	return portOf(c)
}

// start starts a relay until the test ends.
func start(t testing.TB, target netip.AddrPort, up, down Profile) *Relay {
	t.Helper()
	r, err := Listen(t.Context(), Config{Target: target, Seed: 1, Up: up, Down: down})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

// send sends numbered packets of a size.
func send(t testing.TB, c *net.UDPConn, to netip.AddrPort, first, n, size int) {
	t.Helper()
	b := make([]byte, size)
	for i := range n {
		binary.BigEndian.PutUint32(b, uint32(first+i))
		_, err := c.WriteToUDPAddrPort(b, to)
		require.NoError(t, err)
	}
}

// receive waits for n packets and returns their numbers and when they came.
func receive(t testing.TB, c *net.UDPConn, n int) (numbers []int, times []time.Time) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
	b := make([]byte, 1<<16)
	for range n {
		k, err := c.Read(b)
		require.NoError(t, err, "after %d of %d packets", len(numbers), n)
		require.GreaterOrEqual(t, k, 4)
		numbers, times = append(numbers, int(binary.BigEndian.Uint32(b))), append(times, time.Now())
	}
	return numbers, times
}

// upTo is the list of the first n numbers.
func upTo(n int) (list []int) {
	for i := range n {
		list = append(list, i)
	}
	return list
}

// TestRelay: without impairment everything passes, both ways, each client gets its own, and all is counted.
func TestRelay(t *testing.T) {
	r := start(t, echo(t), Profile{}, Profile{})
	a, b := udp(t), udp(t)
	for i := range 20 {
		send(t, a, r.Addr(), 10*i, 10, 1200)
		send(t, b, r.Addr(), 1000+i, 1, 4000) // larger than the memory that is kept ready
		numbers, _ := receive(t, a, 10)
		require.Equal(t, 10*i, numbers[0])
		numbers, _ = receive(t, b, 1)
		require.Equal(t, []int{1000 + i}, numbers)
	}
	up, down := r.Stats()
	want := Count{220, 200*(1200+Overhead) + 20*(4000+Overhead)}
	for _, s := range []Stats{up, down} {
		require.Equal(t, want, s.Offered)
		require.Equal(t, want, s.Delivered)
		require.Zero(t, s.LossRate())
		require.Zero(t, s.Missed)
	}
}

// TestRelayDelay: no packet comes before its time, in either direction.
func TestRelayDelay(t *testing.T) {
	const upDelay, downDelay = 30 * time.Millisecond, 45 * time.Millisecond
	r := start(t, echo(t), Profile{Delay: upDelay}, Profile{Delay: downDelay})
	c := udp(t)
	var trips []time.Duration
	for i := range 20 {
		begun := time.Now()
		send(t, c, r.Addr(), i, 1, 100)
		_, times := receive(t, c, 1)
		trips = append(trips, times[0].Sub(begun))
	}
	require.GreaterOrEqual(t, slices.Min(trips), upDelay+downDelay)
	up, down := r.Stats()
	t.Logf("round trips of %s and some, without 75ms: %s; late up %s, down %s", upDelay+downDelay, slices.Min(trips)-75*ms, up.Late.Mean(), down.Late.Mean())
	require.Less(t, slices.Min(trips), 2*(upDelay+downDelay), "the best of twenty")
}

// TestRelayLoss: what is lost is what the link says, packet for packet.
func TestRelayLoss(t *testing.T) {
	const n = 2000
	p := Profile{Loss: Loss{Rate: 0.05, Burst: 3}}
	target, c := udp(t), udp(t)
	r := start(t, portOf(target), p, Profile{})
	l := newLink(t, 1, p)
	var want []int
	for i := range n {
		if l.Offer(0, 500+Overhead).Cause == Passed {
			want = append(want, i)
		}
	}
	for i := 0; i < n; i += 50 { // no more at a time than sockets hold
		send(t, c, r.Addr(), i, 50, 500)
		await(t, r, func(up Stats) bool { return up.Offered.Packets == uint64(i+50) })
	}
	numbers, _ := receive(t, target, len(want))
	require.Equal(t, want, numbers)
	up, _ := r.Stats()
	require.EqualValues(t, n-len(want), up.Dropped[Lost].Packets)
}

// await waits until the counts upwards are as wanted.
func await(t testing.TB, r *Relay, done func(up Stats) bool) {
	t.Helper()
	require.Eventually(t, func() bool { up, _ := r.Stats(); return done(up) }, patience, 100*time.Microsecond)
}

// TestRelayCap: what a bottleneck has no room for is dropped, and the rest comes no faster than its rate.
func TestRelayCap(t *testing.T) {
	const rate, size, offered, room = 4_000_000, 1250 - Overhead, 300, 100
	target, c := udp(t), udp(t)
	r := start(t, portOf(target), Profile{Rate: Capped(rate), Queue: Queue{Bytes: room * 1250}}, Profile{})
	begun := time.Now()
	for i := 0; i < offered; i += 10 {
		send(t, c, r.Addr(), i, 10, size)
		await(t, r, func(up Stats) bool { return up.Offered.Packets == uint64(i+10) })
	}
	up, _ := r.Stats()
	passed := offered - int(up.Dropped[Overflow].Packets)
	require.GreaterOrEqual(t, passed, room)
	require.Positive(t, up.Dropped[Overflow].Packets)
	require.Equal(t, up.Dropped[Overflow], Count{uint64(offered - passed), uint64(offered-passed) * 1250})
	numbers, times := receive(t, target, passed)
	require.Equal(t, upTo(room), numbers[:room], "the first ones, in order")
	took, least := times[len(times)-1].Sub(begun), time.Duration(passed)*1250*8*time.Second/rate
	t.Logf("%d packets in %s at a rate that makes it %s", passed, took, least)
	require.GreaterOrEqual(t, took, least, "as with any bottleneck; that it takes no more is for TestThroughput, where time is exact")
	up, _ = r.Stats()
	require.LessOrEqual(t, up.Queued.Quantile(1), (room*1250*8*time.Second/rate)*9/8, "the queue's bound, and its counter's precision")
}

// TestRelayApply: an outage begins when it is asked for, ends by itself, and is the only loss.
func TestRelayApply(t *testing.T) {
	target, c := udp(t), udp(t)
	r := start(t, portOf(target), Profile{}, Profile{})
	send(t, c, r.Addr(), 0, 1, 100)
	receive(t, target, 1)
	const outage = 300 * time.Millisecond
	begun, err := r.Apply(Profile{Outages: []Window{{0, outage}}}, Profile{})
	require.NoError(t, err)
	arrived := make(chan time.Time, 1)
	go func() {
		b := make([]byte, 100)
		if _, err := target.Read(b); err == nil {
			arrived <- time.Now()
		}
	}()
	require.NoError(t, target.SetReadDeadline(time.Now().Add(patience)))
	sent := 1
	require.Eventually(t, func() bool {
		sent++
		send(t, c, r.Addr(), sent, 1, 100)
		return len(arrived) == 1
	}, patience, 5*time.Millisecond)
	require.Greater(t, (<-arrived).Sub(begun), outage)
	up, _ := r.Stats()
	require.Positive(t, up.Dropped[Down].Packets)
	require.Equal(t, up.Offered.Packets, up.Delivered.Packets+up.Dropped[Down].Packets)
	_, err = r.Apply(Profile{Delay: -1}, Profile{})
	require.Error(t, err)
}

// TestRelayFlows: the client that was silent for longest is forgotten for a new one, and comes back as a new one itself.
func TestRelayFlows(t *testing.T) {
	r := start(t, echo(t), Profile{}, Profile{})
	first := udp(t)
	send(t, first, r.Addr(), 1, 1, 100)
	receive(t, first, 1)
	for i := range maxFlows {
		c := udp(t)
		send(t, c, r.Addr(), i, 1, 100)
		numbers, _ := receive(t, c, 1)
		require.Equal(t, []int{i}, numbers)
	}
	r.mu.Lock()
	require.Len(t, r.flows, maxFlows)
	require.NotContains(t, r.flows, portOf(first))
	r.mu.Unlock()
	send(t, first, r.Addr(), 2, 1, 100)
	numbers, _ := receive(t, first, 1)
	require.Equal(t, []int{2}, numbers)
}

// TestRelayEnds: with its context or by Close, also with packets on their way, and leaves no socket.
func TestRelayEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	target, c := udp(t), udp(t)
	r, err := Listen(ctx, Config{Target: portOf(target), Up: Profile{Delay: time.Hour}})
	require.NoError(t, err)
	send(t, c, r.Addr(), 0, 10, 100)
	await(t, r, func(up Stats) bool { return up.Offered.Packets == 10 })
	cancel()
	select {
	case <-r.done:
	case <-time.After(patience):
		t.Fatal("it runs on")
	}
	require.NoError(t, r.Close())
	require.NoError(t, r.Close())
	again, err := Listen(t.Context(), Config{Listen: r.Addr(), Target: portOf(target)})
	require.NoError(t, err, "its port is free")
	_, err = Listen(t.Context(), Config{Listen: r.Addr(), Target: portOf(target)})
	require.ErrorContains(t, err, "choose a free port")
	require.NoError(t, again.Close())
}

// TestRelayRefuses what it cannot do.
func TestRelayRefuses(t *testing.T) {
	four, six := netip.MustParseAddrPort("127.0.0.1:9"), netip.MustParseAddrPort("[::1]:9")
	for _, cfg := range []Config{{}, {Target: six}, {Listen: six, Target: four}, {Target: netip.MustParseAddrPort("127.0.0.1:0")},
		{Target: four, Up: Profile{Delay: -1}}, {Target: four, Down: Profile{Delay: -1}}} {
		_, err := Listen(t.Context(), cfg)
		require.Error(t, err, "%+v", cfg)
	}
}
