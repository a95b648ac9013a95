package pacer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const (
	ms   = time.Millisecond
	pad  = 300
	room = 1 << 20
)

var epoch = time.Unix(1_700_000_000, 0)

func newPacer(bps, burst int) *Pacer[string] {
	p := New[string](pad)
	p.SetRate(epoch, bps, burst)
	return p
}

func put(t *testing.T, p *Pacer[string], c Class, item string, size int) {
	t.Helper()
	require.True(t, p.Put(c, item, size))
}

func TestClasses(t *testing.T) {
	t.Parallel()
	p := newPacer(mbit, 10_000)
	put(t, p, Video, "picture", 1000)
	put(t, p, Repeat, "repeat", 1000)
	put(t, p, Audio, "sound", 100)
	require.Equal(t, 1000, p.Bytes(Video))
	for _, want := range []string{"sound", "repeat", "picture"} {
		turn := p.Next(epoch, room, false)
		require.True(t, turn.OK)
		require.Equal(t, want, turn.Item)
	}
	require.Equal(t, Turn[string]{}, p.Next(epoch, room, false))
	require.False(t, p.Put(classes, "", 1))
}

const mbit = 1_000_000

// Sound goes when the bucket is empty and when nothing else may be under way.
func TestSoundWaitsForNothing(t *testing.T) {
	t.Parallel()
	p := newPacer(mbit, 1)
	put(t, p, Video, "first", 1200)
	put(t, p, Video, "second", 1200)
	require.True(t, p.Next(epoch, room, false).OK)
	put(t, p, Audio, "sound", 100)
	require.Equal(t, "sound", p.Next(epoch, 0, false).Item)
	require.Equal(t, Turn[string]{}, p.Next(epoch, 0, false), "no room: until something changes")
	turn := p.Next(epoch, room, false)
	require.False(t, turn.OK)
	require.InDelta(t, 1300*8*time.Second/mbit, turn.Wait, float64(ms), "what was sent has to pass first, the sound too")
	require.Equal(t, "second", p.Next(epoch.Add(turn.Wait), room, false).Item)
}

// A usual picture goes at once, a large one at the rate.
func TestBurst(t *testing.T) {
	t.Parallel()
	p := newPacer(8*mbit, 5000)
	for range 20 {
		put(t, p, Video, "packet", 1000)
	}
	sent := func(now time.Duration) (n int) {
		for p.Next(epoch.Add(now), room, false).OK {
			n++
		}
		return n
	}
	require.Equal(t, 5, sent(0))
	require.Equal(t, 5, sent(5*ms))
	require.Equal(t, 10, sent(100*ms), "who woke up late makes up for it, for a while")
	for range 40 {
		put(t, p, Video, "packet", 1000)
	}
	require.LessOrEqual(t, sent(10*time.Second), 6, "an idle time is no credit")
}

// However it is used, no more goes than the rate allows, beyond a burst, the slack and one packet; and all of it goes.
func TestRateIsKept(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rate, burst := rapid.IntRange(150_000, 20*mbit).Draw(t, "rate"), rapid.IntRange(1, 30_000).Draw(t, "burst")
		p := New[int](pad)
		p.SetRate(epoch, rate, burst)
		now, in, out := time.Duration(0), 0, 0
		var begun time.Duration
		sentSince := 0
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			for range rapid.IntRange(0, 10).Draw(t, "packets") {
				size := rapid.IntRange(1, 1500).Draw(t, "size")
				p.Put(Class(rapid.IntRange(int(Repeat), int(Video)).Draw(t, "class")), size, size)
				in += size
			}
			for {
				turn := p.Next(epoch.Add(now), room, false)
				if !turn.OK {
					if p.Bytes(Repeat)+p.Bytes(Video) > 0 && turn.Wait <= 0 {
						t.Fatal("what waits must be told when")
					}
					break
				}
				out += turn.Item
				sentSince += turn.Item
			}
			most := float64(rate)/8*((now-begun)+slack).Seconds() + float64(burst) + 1500
			if float64(sentSince) > most {
				t.Fatalf("%d bytes in %s, at most %.0f", sentSince, now-begun, most)
			}
			now += time.Duration(rapid.IntRange(0, 50_000).Draw(t, "us")) * time.Microsecond
		}
		for range 100_000 {
			turn := p.Next(epoch.Add(now), room, false)
			if turn.OK {
				out += turn.Item
				continue
			}
			if turn.Wait == 0 {
				break
			}
			now += turn.Wait
		}
		if in != out {
			t.Fatalf("%d bytes of %d came out", out, in)
		}
	})
}

// A probe sends what there is at its rate, and padding after it, never within a picture.
func TestProbe(t *testing.T) {
	t.Parallel()
	p := newPacer(mbit, 2000)
	p.SetProbe(epoch, 7, 8*mbit, 6000, 5)
	now, bytes, waiting := epoch, 0, 0
	for range 100 {
		if bytes == 2*pad && p.Bytes(Video) == 0 {
			for range 2 {
				put(t, p, Video, "picture", 1200)
			}
			waiting = 2
		}
		turn := p.Next(now, room, p.Bytes(Video) == 0)
		switch {
		case turn.OK:
			waiting--
			bytes += 1200
			require.Equal(t, 7, turn.Probe, "it is a part of the probe")
		case turn.Pad:
			require.Zero(t, waiting, "padding within a picture")
			require.Equal(t, 7, turn.Probe)
			bytes += pad
		case turn.Wait == 0:
			require.GreaterOrEqual(t, bytes, 6000)
			require.InDelta(t, 6*ms, now.Sub(epoch), float64(ms), "6000 bytes at 8 Mbit/s")
			return
		default:
			now = now.Add(turn.Wait)
		}
	}
	t.Fatal("the probe does not end")
}

func TestProbeThatFindsNoTimeEnds(t *testing.T) {
	t.Parallel()
	p := newPacer(mbit, 2000)
	p.SetProbe(epoch, 7, 8*mbit, 6000, 5)
	require.Equal(t, Turn[string]{}, p.Next(epoch, room, false))
	put(t, p, Video, "picture", 1200)
	turn := p.Next(epoch.Add(time.Second), room, true)
	require.True(t, turn.OK)
	require.Zero(t, turn.Probe)
}

func TestFullClassTakesNothing(t *testing.T) {
	t.Parallel()
	p := newPacer(mbit, 2000)
	for range maxQueued {
		put(t, p, Repeat, "", 1)
	}
	require.False(t, p.Put(Repeat, "", 1))
	p.Drop(Repeat)
	require.Zero(t, p.Bytes(Repeat))
	put(t, p, Repeat, "", 1)
}

func BenchmarkPacer(b *testing.B) {
	p := New[int](pad)
	p.SetRate(epoch, 100*mbit, 20_000)
	now := epoch
	for b.Loop() {
		p.Put(Video, 1, 1200)
		for {
			turn := p.Next(now, room, false)
			if turn.OK {
				break
			}
			now = now.Add(turn.Wait)
		}
	}
}
