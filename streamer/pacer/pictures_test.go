package pacer

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestPicturesOverflow(t *testing.T) {
	t.Parallel()
	var q Pictures[int]
	add := func(n, size int, key bool) (int, bool) { return q.Put(Picture[int]{n, size, key}, 0, mbit) }
	dropped, ask := add(0, 1000, false)
	require.Equal(t, 1, dropped, "nothing before a key frame")
	require.False(t, ask, "which was asked for already")
	dropped, _ = add(1, 4000, true)
	require.Zero(t, dropped)
	// 150 ms at 1 Mbit/s are 18,750 bytes; the key frame does not count.
	for n := range 9 {
		dropped, ask = add(2+n, 2000, false)
		require.Zero(t, dropped)
		require.False(t, ask)
	}
	dropped, ask = add(12, 2000, false)
	require.Equal(t, 11, dropped)
	require.True(t, ask)
	dropped, ask = add(13, 2000, false)
	require.Equal(t, 1, dropped)
	require.False(t, ask, "once")
	require.False(t, q.Flowing())
	dropped, _ = add(14, 900_000, true)
	require.Zero(t, dropped, "a key frame is taken however large")
	p, ok := q.Pop()
	require.True(t, ok)
	require.Equal(t, 14, p.Item)
	_, ok = q.Pop()
	require.False(t, ok)
	require.Zero(t, q.Bytes())
}

// Room that a key frame had is nobody else's once it is gone: else the queue would be as long as the largest one ever was.
func TestKeyFrameLeavesNoRoom(t *testing.T) {
	t.Parallel()
	var q Pictures[int]
	add := func(size, ahead int) bool {
		_, ask := q.Put(Picture[int]{Size: size}, ahead, mbit)
		return ask
	}
	_, _ = q.Put(Picture[int]{Size: 300_000, Key: true}, 0, mbit)
	_, ok := q.Pop()
	require.True(t, ok)
	require.False(t, add(9000, 300_000), "while it is being sent others wait for it")
	require.False(t, add(9000, 10_000))
	_, _ = q.Pop()
	require.False(t, add(9000, 0))
	require.True(t, add(9000, 9000))
}

// A path that becomes narrower while pictures wait makes them late.
func TestTrim(t *testing.T) {
	t.Parallel()
	var q Pictures[int]
	_, _ = q.Put(Picture[int]{Size: 1000, Key: true}, 0, 8*mbit)
	for range 10 {
		_, _ = q.Put(Picture[int]{Size: 10_000}, 0, 8*mbit)
	}
	dropped, ask := q.Trim(0, 6*mbit)
	require.Zero(t, dropped)
	require.False(t, ask)
	dropped, ask = q.Trim(0, mbit)
	require.Equal(t, 11, dropped)
	require.True(t, ask)
}

// Whatever comes, each picture that comes out can be shown: it is a key frame, or the one before it came out too. And what waits
// is bounded.
func TestPicturesCanBeShown(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var q Pictures[int]
		last, in, out, dropped := -1, 0, 0, 0
		for n := range rapid.IntRange(1, 300).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "pop") {
				p, ok := q.Pop()
				if !ok {
					continue
				}
				if out++; !p.Key && p.Item != last+1 {
					t.Fatalf("picture %d came out after %d", p.Item, last)
				}
				last = p.Item
				continue
			}
			p := Picture[int]{Item: in, Size: rapid.IntRange(1, 50_000).Draw(t, "size"), Key: n == 0 || rapid.IntRange(0, 20).Draw(t, "key") == 0}
			in++
			d, ask := q.Put(p, rapid.IntRange(0, 50_000).Draw(t, "ahead"), rapid.IntRange(100_000, 10*mbit).Draw(t, "rate"))
			if dropped += d; ask && (d == 0 || q.Flowing()) {
				t.Fatal("a key frame is asked for and nothing was dropped")
			}
			if q.Len() > MaxPictures {
				t.Fatalf("%d pictures wait", q.Len())
			}
			if in != out+dropped+q.Len() {
				t.Fatalf("%d in, %d out, %d dropped, %d wait", in, out, dropped, q.Len())
			}
		}
	})
}
