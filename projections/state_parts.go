package projections

import (
	"cmp"
	"slices"

	"streamstack/events"
	"streamstack/projections/snapshot"
)

// readyWriter writes what streamers said of themselves, each as one word: most sessions say the same.
type readyWriter struct {
	w    *snapshot.Writer
	seen map[*events.ReadyData]string
}

func (x *readyWriter) write(d *events.ReadyData) {
	if d == nil {
		x.w.Word("")
		return
	}
	word, ok := x.seen[d]
	if !ok {
		word = string(dumpReady(d))
		x.seen[d] = word
	}
	x.w.Word(word)
}

// dumpReady never returns nothing.
func dumpReady(d *events.ReadyData) []byte {
	w := snapshot.NewWriter(0)
	dumpList(w, d.Encoders, func(e events.EncoderData) {
		w.Text(e.Codec)
		w.Text(e.Element)
		w.Bool(e.Hardware)
	})
	dumpList(w, d.Codecs, w.Text)
	dumpScreen(w, d.Screen)
	w.Int(int64(d.Discover.MaxAPIVersion))
	w.Int(int64(d.Discover.FPS))
	dumpList(w, d.Discover.Capabilities, w.Text)
	w.Bool(d.ADB)
	w.Text(d.Via)
	return w.Bytes()
}

type readyReader struct {
	r    *snapshot.Reader
	seen map[string]*events.ReadyData
}

// read returns what write got; what is no such data fails the reader.
func (x *readyReader) read() *events.ReadyData {
	word := x.r.Word()
	if word == "" {
		return nil
	}
	if d, ok := x.seen[word]; ok {
		return d
	}
	r := snapshot.NewReader([]byte(word))
	d := &events.ReadyData{
		Encoders: restoreList(r, func() events.EncoderData {
			return events.EncoderData{Codec: r.Text(), Element: r.Text(), Hardware: r.Bool()}
		}),
		Codecs: restoreList(r, r.Text), Screen: restoreScreen(r),
		Discover: events.DiscoverData{MaxAPIVersion: int(r.Int()), FPS: int(r.Int()), Capabilities: restoreList(r, r.Text)},
		ADB:      r.Bool(), Via: r.Text(),
	}
	if r.Err() != nil {
		x.r.Fail()
		return nil
	}
	x.seen[word] = d
	return d
}

// dumpList tells a nil list from an empty one, so that a state is read back as it was.
func dumpList[T any](w *snapshot.Writer, list []T, one func(T)) {
	w.Bool(list != nil)
	if list == nil {
		return
	}
	w.Uint(uint64(len(list)))
	for _, v := range list {
		one(v)
	}
}

// restoreList reads what dumpList wrote, growing as elements come: a count alone allocates nothing.
func restoreList[T any](r *snapshot.Reader, one func() T) []T {
	if !r.Bool() {
		return nil
	}
	list := []T{}
	for range r.Count() {
		v := one()
		if !r.OK() {
			break
		}
		list = append(list, v)
	}
	return list
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// compare orders by the first pair, then by the second.
func compare[A, B cmp.Ordered](a1, a2 A, b1, b2 B) int {
	return cmp.Or(cmp.Compare(a1, a2), cmp.Compare(b1, b2))
}

func dumpScreen(w *snapshot.Writer, s events.Screen) {
	for _, v := range []int{s.Width, s.Height, s.FPS, s.Density} {
		w.Int(int64(v))
	}
}

func restoreScreen(r *snapshot.Reader) events.Screen {
	return events.Screen{Width: int(r.Int()), Height: int(r.Int()), FPS: int(r.Int()), Density: int(r.Int())}
}

// restoreRows reads a state that is a place in the log and rows, by the key that one returns with each.
func restoreRows[T any](state []byte, one func(*snapshot.Reader) (key string, row T)) (at events.Seq, rows map[string]T, err error) {
	r := snapshot.NewReader(state)
	at, rows = events.Seq(r.Uint()), map[string]T{}
	for range r.Count() {
		key, row := one(r)
		if !r.OK() {
			break
		}
		rows[key] = row
	}
	return at, rows, r.Err()
}
