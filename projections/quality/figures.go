package quality

import "math"

// Figures is a histogram with buckets of growing width: each is a fiftieth of its value wide. It holds
// every figure of a sample in at most 1,400 buckets, mostly in a handful. The zero value is empty.
type Figures struct {
	buckets  map[int]figureBucket // bucket 0 is for values of nothing
	n        uint64
	min, max float64
}

// figureBucket is what lies within a bucket's bounds; the mean stands for it.
type figureBucket struct {
	n   uint64
	sum float64
}

const (
	// growth is the ratio of a bucket's bounds.
	growth = 1.02
	// least and most are the values between which buckets differ.
	least, most = 1e-3, 1e9
)

// bucket is where a value goes: 1 for the least, and 0 for what is below.
func bucket(v float64) int {
	if v < least {
		return 0
	}
	return 1 + int(math.Log(v/least)/math.Log(growth))
}

func (f *Figures) add(v float64) {
	if !(v > 0) { // and NaN, which is not below it
		v = 0
	}
	v = min(v, most)
	if f.buckets == nil {
		f.buckets, f.min = map[int]figureBucket{}, v
	}
	f.min, f.max = min(f.min, v), max(f.max, v)
	b := f.buckets[bucket(v)]
	f.buckets[bucket(v)] = figureBucket{b.n + 1, b.sum + v}
	f.n++
}

// Empty tells whether there is no figure.
func (f Figures) Empty() bool { return f.n == 0 }

// Min is the least figure, exactly; 0 without any.
func (f Figures) Min() float64 { return f.min }

// Max is the greatest figure, exactly; 0 without any.
func (f Figures) Max() float64 { return f.max }

// Median is the figure in the middle, to 2 %; 0 without any.
func (f Figures) Median() float64 { return f.Quantile(0.5) }

// Quantile is the least figure that is not exceeded by the part q of them, 0 to 1 (the nearest rank), to 2 %; 0 without any.
func (f Figures) Quantile(q float64) float64 {
	rank := uint64(max(1, math.Ceil(min(max(q, 0), 1)*float64(f.n))))
	if rank >= f.n {
		return f.max
	}
	var seen uint64
	for b, last := bucket(f.min), bucket(f.max); b <= last; b++ {
		x := f.buckets[b]
		if seen += x.n; seen >= rank {
			return x.sum / float64(x.n)
		}
	}
	return f.max
}
