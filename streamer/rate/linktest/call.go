package linktest

import (
	"math/rand/v2"
	"time"

	"github.com/pion/rtcp"

	"streamstack/streamer/pacer"
	"streamstack/streamer/rate"
)

const (
	// tick is the resolution of the virtual time.
	tick = 500 * time.Microsecond
	// packetSize, headers included, and what of it is picture.
	packetSize, packetPayload = 1240, 1160
	padSize                   = 300
	audioSize                 = 190
	audioEvery                = 10 * time.Millisecond
	lookEvery                 = 20 * time.Millisecond
	keyEvery                  = 500 * time.Millisecond
	trickleAfter              = 200 * time.Millisecond
	trickleEvery              = 50 * time.Millisecond
)

// Call is a streamer that sends its screen over a path.
type Call struct {
	Path Path
	// Target is as in a streamer.
	Target rate.TargetConfig
	// Content is the part of the bitrate that the pictures need at a time; nil means all of it.
	Content func(time.Duration) float64
	// Silent is a call without sound.
	Silent bool
	// KeySize is how much larger than others a key frame is; 0 means 3.
	KeySize float64

	Estimator *rate.Estimator
	targeter  *rate.Targeter
	pacer     *pacer.Pacer[packet]
	pictures  pacer.Pictures[int]
	receiver  *Receiver
	random    *rand.Rand

	t                                                   TB
	now                                                 time.Duration
	seq                                                 uint16
	frames                                              []Frame
	arrivals                                            []arrival
	feedback                                            []answer
	repeats                                             []repeat
	nextAudio, nextLook, nextFrame, keyNot, nextTrickle time.Duration
	wantKey, wasOut                                     bool
	// Result is filled while the call runs.
	Result Result
}

type packet struct{ frame int }

type arrival struct {
	at   time.Duration
	seq  uint16
	item packet
	size int
}

type answer struct {
	at time.Duration
	f  *rtcp.TransportLayerCC
}

type repeat struct {
	at   time.Duration
	item packet
}

var epoch = time.Unix(1_700_000_000, 0)

// TB is what a call needs of a test.
type TB interface {
	Fatalf(format string, args ...any)
}

// Run runs the call for a time. What makes no sense fails the test.
func (c *Call) Run(t TB, length time.Duration) *Result {
	c.t = t
	c.begin()
	for ; c.now < length; c.now += tick {
		c.deliver()
		c.encode()
		c.look()
		c.send()
	}
	c.Result.Frames = c.shown()
	return &c.Result
}

func (c *Call) begin() {
	if c.Path.Queue == 0 {
		c.Path.Queue = time.Second
	}
	if c.KeySize == 0 {
		c.KeySize = 3
	}
	var err error
	if c.targeter, err = rate.NewTargeter(c.Target); err != nil {
		c.t.Fatalf("linktest: %v", err)
	}
	start := c.Target.Start*107/100 + 150_000
	if c.Estimator, err = rate.New(rate.Config{Min: 150_000, Start: start, Max: c.Target.Max*125/100 + 200_000}); err != nil {
		c.t.Fatalf("linktest: %v", err)
	}
	c.pacer = pacer.New[packet](padSize)
	c.receiver, c.random, c.wantKey = NewReceiver(), rand.New(rand.NewPCG(c.Path.Seed, 2)), true
	c.pace()
}

func (c *Call) at() time.Time { return epoch.Add(c.now) }

// pace sets the pacer as a streamer does.
func (c *Call) pace() {
	p := rate.PaceOf(c.Estimator.State(), c.targeter.Told())
	c.pacer.SetRate(c.at(), p.Rate, p.Burst)
}

// deliver brings what has arrived by now, on both sides.
func (c *Call) deliver() {
	for len(c.arrivals) > 0 && c.arrivals[0].at <= c.now { // in order, as the path keeps it
		a := c.arrivals[0]
		c.arrivals = c.arrivals[1:]
		c.receiver.Take(a.at, a.seq)
		if n := len(c.Result.Points); n > 0 {
			c.Result.Points[n-1].Delivered += a.size
		}
		if a.item.frame >= 0 {
			f := &c.frames[a.item.frame]
			if f.got++; f.got == f.packets {
				f.completed = a.at
			}
		}
	}
	for _, f := range c.receiver.Feedback(c.t, c.now) {
		if at, ok := c.Path.back(c.now); ok {
			c.feedback = append(c.feedback, answer{at, f})
		}
	}
	for len(c.feedback) > 0 && c.feedback[0].at <= c.now {
		if err := c.Estimator.Feedback(c.at(), c.feedback[0].f); err != nil {
			c.t.Fatalf("linktest: %v", err)
		}
		c.feedback = c.feedback[1:]
		c.pace()
	}
	for len(c.repeats) > 0 && c.repeats[0].at <= c.now {
		c.pacer.Put(pacer.Repeat, c.repeats[0].item, packetSize)
		c.repeats = c.repeats[1:]
	}
}

// encode makes sound and pictures.
func (c *Call) encode() {
	if !c.Silent && c.now >= c.nextAudio {
		c.nextAudio += audioEvery
		c.pacer.Put(pacer.Audio, packet{frame: -1}, audioSize)
	}
	if c.now < c.nextFrame {
		return
	}
	told := c.targeter.Told()
	c.nextFrame = c.now + time.Second/time.Duration(told.FPS)
	if c.Estimator.State().Outage {
		c.Result.Dropped++
		return
	}
	part := 1.0
	if c.Content != nil {
		part = c.Content(c.now)
	}
	size := part * float64(told.Bitrate) / 8 / float64(told.FPS) * (0.8 + 0.4*c.random.Float64())
	key := c.wantKey && c.now >= c.keyNot
	if key {
		c.wantKey, c.keyNot = false, c.now+keyEvery
		size = c.KeySize * float64(told.Bitrate) / 8 / float64(told.FPS)
		c.Result.Keys++
	}
	bytes := max(60, int(size))
	c.frames = append(c.frames, Frame{Captured: c.now, Key: key})
	dropped, ask := c.pictures.Put(pacer.Picture[int]{Item: len(c.frames) - 1, Size: bytes, Key: key}, c.pacer.Bytes(pacer.Video), c.Estimator.State().Estimate)
	c.Result.Dropped += dropped
	c.wantKey = c.wantKey || ask
	c.frames[len(c.frames)-1].packets = -bytes // until it is packed
}

// look looks at the clock as a streamer does.
func (c *Call) look() {
	if c.now < c.nextLook {
		return
	}
	c.nextLook += lookEvery
	c.Estimator.Tick(c.at())
	s := c.Estimator.State()
	if c.wasOut && !s.Outage {
		c.pictures.Drop()
		c.wantKey = true
	}
	c.wasOut = s.Outage
	if n, ask := c.pictures.Trim(c.pacer.Bytes(pacer.Video), s.Estimate); ask {
		c.Result.Dropped, c.wantKey = c.Result.Dropped+n, true
	}
	audio := 0
	if !c.Silent {
		audio = int(audioSize * 8 / audioEvery.Seconds())
	}
	c.targeter.Next(c.at(), s, rate.Use{Other: audio, Payload: float64(packetPayload) / packetSize})
	if p, ok := c.Estimator.Probe(); ok {
		c.Result.Probes++
		c.pacer.SetProbe(c.at(), p.ID, p.Rate, p.Bytes, p.Packets)
	}
	c.pace()
	c.Result.Points = append(c.Result.Points, Point{At: c.now, State: s, Target: c.targeter.Told()})
}

// send sends what may go now.
func (c *Call) send() {
	for {
		s := c.Estimator.State()
		if s.Silence > trickleAfter && c.now >= c.nextTrickle {
			c.nextTrickle = c.now + trickleEvery
			c.put(packet{frame: -1}, 100, 0, true)
		}
		if c.pacer.Bytes(pacer.Video) == 0 && !s.Outage {
			if p, ok := c.pictures.Pop(); ok {
				c.pack(p)
			}
		}
		room := 1
		if s.Window > 0 {
			room = s.Window - s.InFlight
		}
		turn := c.pacer.Next(c.at(), room, c.pacer.Bytes(pacer.Video) == 0 && len(c.frames) > 0)
		switch {
		case turn.OK && turn.Class == pacer.Audio:
			c.put(turn.Item, audioSize, turn.Probe, false)
		case turn.OK:
			c.put(turn.Item, packetSize, turn.Probe, false)
		case turn.Pad:
			c.Result.Padding += padSize
			c.put(packet{frame: -1}, padSize, turn.Probe, true)
		default:
			return
		}
	}
}

func (c *Call) pack(p pacer.Picture[int]) {
	f := &c.frames[p.Item]
	f.packets = (p.Size + packetPayload - 1) / packetPayload
	for range f.packets {
		c.pacer.Put(pacer.Video, packet{p.Item}, packetSize)
	}
}

func (c *Call) put(item packet, size, probe int, padding bool) {
	c.seq++
	c.Estimator.Sent(c.at(), rate.Packet{Seq: c.seq, Size: size, Probe: probe, Padding: padding})
	if at, ok := c.Path.Send(c.now, size); ok {
		c.arrivals = append(c.arrivals, arrival{at, c.seq, item, size})
	} else if item.frame >= 0 {
		// The receiver sees the gap and asks for the packet again.
		c.repeats = append(c.repeats, repeat{c.now + 2*c.Path.Delay + 15*time.Millisecond, item})
	}
}
