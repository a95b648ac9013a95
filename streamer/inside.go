package streamer

import (
	"context"
	"sync"
	"time"

	"streamstack/events"
	"streamstack/streamer/bitrate"
	"streamstack/streamer/frame"
	"streamstack/streamer/instanceapi"
	"streamstack/streamer/peer"
	"streamstack/streamer/rtclog"
)

// inside is what programs of the instance see of the stream and change in it (package instanceapi). It has a lock of its own, since
// the loop may wait for the log while a program asks. All its methods are safe for concurrent use, and none waits for the network; only
// Change waits for the disk, and the loop not for it.
type inside struct {
	trace   *rtclog.Log
	metrics *instanceapi.Metrics
	changed func(bitrate.Limit) // by a program, to which range

	changing  sync.Mutex // held by the one Change at a time; taken before mu
	mu        sync.Mutex
	table     bitrate.Limit // what the display has by itself
	low, high *uint32       // in place of the table's, kbit/s; nil where that holds
	served    map[*client]*serving
	before    instanceapi.Sent // of clients that have gone
}

// serving is what is known of one that is served: the client, a viewer, or who stands in for it.
type serving struct {
	connected, relayed bool
}

func newInside(trace *rtclog.Log, table bitrate.Limit) *inside {
	i := &inside{trace: trace, table: table, served: map[*client]*serving{}, changed: func(bitrate.Limit) {}}
	i.metrics = instanceapi.NewMetrics(i.sent)
	return i
}

// limit is the range that holds: the display's, or what was set in its place. Where only one bound was set, and the display has another
// size now, the other one gives way.
func (i *inside) limit() bitrate.Limit {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.within(i.low, i.high)
}

func (i *inside) within(low, high *uint32) bitrate.Limit {
	l := i.table
	if low != nil {
		l.MinKbps = int(*low)
	}
	if high != nil {
		l.MaxKbps = int(*high)
	}
	if l.MaxKbps > 0 && l.MinKbps > l.MaxKbps {
		if high != nil {
			l.MinKbps = l.MaxKbps
		} else {
			l.MaxKbps = l.MinKbps
		}
	}
	return l
}

// tuned tells whether a program has set the range, in part at least.
func (i *inside) tuned() (bitrate.Limit, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.within(i.low, i.high), i.low != nil || i.high != nil
}

// display takes the range of a display that has changed its size.
func (i *inside) display(table bitrate.Limit) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.table = table
	i.spread()
}

// spread gives everybody who is served the range that holds. The caller holds the lock.
func (i *inside) spread() {
	l := i.within(i.low, i.high)
	for c := range i.served {
		c.rebound(l)
	}
}

// enter takes in somebody who is being served from now on. The range may have changed since it was made.
func (i *inside) enter(c *client) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.served[c] = &serving{}
	if l := i.within(i.low, i.high); l != c.limit {
		c.rebound(l)
	}
}

// up notes that it is connected.
func (i *inside) up(c *client, n peer.Connection) {
	const relay = "relay" // RFC 8445, section 5.1.1.2
	i.mu.Lock()
	defer i.mu.Unlock()
	if s := i.served[c]; s != nil {
		s.connected, s.relayed = true, n.LocalType == relay || n.RemoteType == relay
	}
}

// leave takes it out, once it sends nothing more. It may be called twice.
func (i *inside) leave(c *client) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.served[c] == nil {
		return
	}
	delete(i.served, c)
	if c.counts() {
		add(&i.before, c.peer.Stats())
	}
}

// Settings implements [instanceapi.Platform].
func (i *inside) Settings() instanceapi.Settings {
	i.mu.Lock()
	defer i.mu.Unlock()
	l := i.within(i.low, i.high)
	s := instanceapi.Settings{RTCLog: i.trace.On(), MinKbps: uint32(l.MinKbps), MaxKbps: uint32(l.MaxKbps)}
	for _, served := range i.served {
		s.Active = s.Active || served.connected
	}
	return s
}

// Change implements [instanceapi.Platform].
func (i *inside) Change(c instanceapi.Change) error {
	i.changing.Lock()
	defer i.changing.Unlock()
	low, high, err := i.choose(c)
	if err != nil {
		return err
	}
	if c.RTCLog != nil {
		if err := i.trace.Set(*c.RTCLog); err != nil { // first: it is the one that may fail, and may take the disk's time
			return err //nolint:wrapcheck // it says what and where
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	before := i.within(i.low, i.high)
	i.low, i.high = low, high
	if now := i.within(low, high); now != before {
		i.changed(now)
		i.spread()
	}
	return nil
}

// choose tells what the bounds become with a change, or why they cannot.
func (i *inside) choose(c instanceapi.Change) (low, high *uint32, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	low, high = chosen(i.low, c.MinKbps), chosen(i.high, c.MaxKbps)
	if c.MinKbps == nil && c.MaxKbps == nil {
		return low, high, nil
	}
	shown := i.within(i.low, i.high)
	least, most := follows(i.low, low, shown.MinKbps, i.table.MinKbps), follows(i.high, high, shown.MaxKbps, i.table.MaxKbps)
	if most > 0 && least > most {
		return nil, nil, instanceapi.Refusef("%s would be %d and %s %d: the minimum must not be above the maximum; name both in one request",
			instanceapi.MinKbps, least, instanceapi.MaxKbps, most)
	}
	return low, high, nil
}

// follows is the bound that a change is judged by. One that was not set and still is not has given way already, if it had to: it counts
// as it is shown, so that what is shown can be asked for.
func follows(before, now *uint32, shown, table int) uint32 {
	switch {
	case now != nil:
		return *now
	case before == nil:
		return uint32(shown)
	default:
		return uint32(table)
	}
}

// chosen is what a bound becomes.
func chosen(before *uint32, change *instanceapi.Kbps) *uint32 {
	switch {
	case change == nil:
		return before
	case change.Default:
		return nil
	default:
		return &change.Value
	}
}

// sent is what was sent to clients so far.
func (i *inside) sent() instanceapi.Sent {
	i.mu.Lock()
	defer i.mu.Unlock()
	total := i.before
	for c, s := range i.served {
		if !c.counts() {
			continue
		}
		stats := c.peer.Stats()
		add(&total, stats)
		if s.connected {
			total.TargetBitrate, total.Relayed = 1000*c.targetKbps(stats.Target.Bitrate), s.relayed
		}
	}
	return total
}

// add adds what was sent to one client.
func add(to *instanceapi.Sent, s peer.Stats) {
	to.Bytes += s.Wire.Bytes
	to.BytesAgain += s.Wire.BytesAgain
	to.Packets += s.Wire.Packets
	to.PacketsAgain += s.Wire.PacketsAgain
	to.Delay += s.Wire.Delay
	to.NACKs += s.NACKPackets
	to.FIRs += s.FIRs
	to.PLIs += s.PLIs
	to.SLIs += s.SLIs
}

// counts tells whether what is sent to it is in the metrics: viewers are not.
func (c *client) counts() bool { return c.peer != nil && !c.viewer }

// rebound gives a running stream another range.
func (c *client) rebound(l bitrate.Limit) {
	to := &client{limit: l}
	if c.peer == nil { // viewers alone: nothing else moves their encoder
		c.captures.aim(peer.Target{Bitrate: 1000 * to.startKbps(), FPS: c.screen.FPS})
		return
	}
	if !c.viewer {
		c.captures.begins(peer.Target{Bitrate: 1000 * to.startKbps(), FPS: c.screen.FPS})
	}
	if err := c.peer.SetBitrates(to.lowest(c.viewer), 1000*to.maxKbps()); err != nil {
		c.s.log.Error("a stream keeps its range of bitrates", "peer", c.id, "err", err) // the range is a sound one
	}
}

// lowest is the lower bound of a peer's bitrate, bit/s.
func (c *client) lowest(viewer bool) int {
	low := 1000 * min(c.limit.MinKbps, mostKbps)
	if low == 0 {
		low = 1000 * min(leastKbps, c.maxKbps())
	}
	if viewer {
		low = min(low, viewerMinBitrate) // it tells how good the network is, and moves nothing
	}
	return low
}

// encoded counts a picture of an encoder.
func (i *inside) encoded(f frame.Video, e Encoder) { i.metrics.Encoded(f, e.Element, time.Now()) }

// tunedFrom tells the history that a program had set the range before the stream began.
func (d *decisions) tunedFrom(now time.Time, l bitrate.Limit) {
	to := &client{limit: l}
	d.note(events.DecisionData{UnixMs: now.UnixMilli(), Kind: string(peer.DecidedBounds), Cause: "set",
		TargetKbps: to.startKbps(), FPS: d.c.screen.FPS, MinKbps: to.lowest(false) / 1000, MaxKbps: to.maxKbps()})
}

// serveInside answers programs of the instance until ctx ends. A session goes on without.
func (s *Streamer) serveInside(ctx context.Context) {
	defer s.inside.trace.Close()
	if s.cfg.APISocket == "" {
		<-ctx.Done()
		return
	}
	err := instanceapi.Serve(ctx, instanceapi.Config{Socket: s.cfg.APISocket, Platform: s.inside, Metrics: s.inside.metrics.Handler(), Log: s.log})
	if err != nil && ctx.Err() == nil {
		s.log.Warn("programs of the instance find no API", "socket", s.cfg.APISocket, "err", err)
		<-ctx.Done()
	}
}
