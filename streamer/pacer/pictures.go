package pacer

import "time"

const (
	// MaxWait is how long the pictures in the queue may take to be sent. What would wait longer is late.
	MaxWait = 150 * time.Millisecond
	// MaxPictures is how many may wait in any case.
	MaxPictures = 32
)

// Picture is an encoded picture that waits.
type Picture[T any] struct {
	Item T
	Size int // bytes
	// Key tells that it can be shown without those before it.
	Key bool
}

// Pictures is the bounded queue of pictures. The zero value is empty and waits for a key frame.
type Pictures[T any] struct {
	list     []Picture[T]
	bytes    int
	keys     int  // bytes of key frames in the list
	keyAhead int  // size of the picture popped last, if it was a key frame
	flowing  bool // a key frame was taken and nothing dropped since
}

// Put takes a picture. ahead is what is still to be sent of earlier ones, in bytes; rate is in bit/s. It returns how many
// pictures were dropped, the new one included, and whether a key frame must be asked for.
func (q *Pictures[T]) Put(p Picture[T], ahead, rate int) (dropped int, ask bool) {
	if !q.flowing && !p.Key {
		return 1, false // asked for when the flow was interrupted
	}
	if len(q.list) > 0 && (len(q.list) >= MaxPictures || q.over(p.Size, ahead, rate)) {
		dropped = q.Drop()
		if !p.Key {
			return dropped + 1, true
		}
	}
	q.flowing = true
	q.list = append(q.list, p)
	q.bytes += p.Size
	if p.Key {
		q.keys += p.Size
	}
	return dropped, false
}

// over tells whether what waits, and more beside it, takes too long. Key frames do not count, neither here nor while they are being
// sent: they are as large as they are, nothing can be shown without them, and one dropped would only be followed by another.
func (q *Pictures[T]) over(more, ahead, rate int) bool {
	wait := q.bytes - q.keys + more + ahead - min(ahead, q.keyAhead)
	return wait > int(float64(rate)/8*MaxWait.Seconds())
}

// Trim drops everything if it takes too long now, where the path has become narrower: much too long, for it was just short enough when
// it came. It returns as Put does.
func (q *Pictures[T]) Trim(ahead, rate int) (dropped int, ask bool) {
	if len(q.list) == 0 || !q.over(0, ahead, trimSlack*rate) {
		return 0, false
	}
	return q.Drop(), true
}

// trimSlack times [MaxWait] is too long for what was let in.
const trimSlack = 2

// Pop returns the oldest picture.
func (q *Pictures[T]) Pop() (p Picture[T], ok bool) {
	if len(q.list) == 0 {
		return p, false
	}
	p, q.list[0] = q.list[0], Picture[T]{}
	if q.list = q.list[1:]; len(q.list) == 0 {
		q.list = nil
	}
	q.bytes -= p.Size
	q.keyAhead = 0
	if p.Key {
		q.keys -= p.Size
		q.keyAhead = p.Size
	}
	return p, true
}

// Drop empties the queue and tells how many it held. Until the next key frame nothing is taken.
func (q *Pictures[T]) Drop() int {
	n := len(q.list)
	q.list, q.bytes, q.keys, q.flowing = nil, 0, 0, false
	return n
}

// Flowing tells that pictures are taken; false means that a key frame is waited for.
func (q *Pictures[T]) Flowing() bool { return q.flowing }

// Len is how many wait, Bytes their sizes.
func (q *Pictures[T]) Len() int { return len(q.list) }

// Bytes is the sum of the sizes of those that wait.
func (q *Pictures[T]) Bytes() int { return q.bytes }
