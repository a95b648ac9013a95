package pacer

import "time"

const (
	// MaxWait is how long the pictures in the queue may take to be sent. What would wait longer is late.
	MaxWait = 150 * time.Millisecond
	// MaxPictures is how many may wait in any case.
	MaxPictures = 32
	// keyRoom is the room beyond that, in sizes of the last key frame: while one is being sent, others wait.
	keyRoom = 1.5
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
	list    []Picture[T]
	bytes   int
	lastKey int
	flowing bool // a key frame was taken and nothing dropped since
}

// Put takes a picture. ahead is what is still to be sent of earlier ones, in bytes; rate is in bit/s. It returns how many
// pictures were dropped, the new one included, and whether a key frame must be asked for.
func (q *Pictures[T]) Put(p Picture[T], ahead, rate int) (dropped int, ask bool) {
	if p.Key {
		q.lastKey = p.Size
	}
	if !q.flowing && !p.Key {
		return 1, false // asked for when the flow was interrupted
	}
	limit := int(float64(rate)/8*MaxWait.Seconds() + keyRoom*float64(q.lastKey))
	if full := len(q.list) >= MaxPictures || ahead+q.bytes+p.Size > limit; full && len(q.list) > 0 {
		dropped = q.Drop()
		if !p.Key {
			return dropped + 1, true
		}
	}
	q.flowing = true
	q.list = append(q.list, p)
	q.bytes += p.Size
	return dropped, false
}

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
	return p, true
}

// Drop empties the queue and tells how many it held. Until the next key frame nothing is taken.
func (q *Pictures[T]) Drop() int {
	n := len(q.list)
	q.list, q.bytes, q.flowing = nil, 0, false
	return n
}

// Flowing tells that pictures are taken; false means that a key frame is waited for.
func (q *Pictures[T]) Flowing() bool { return q.flowing }

// Len is how many wait, Bytes their sizes.
func (q *Pictures[T]) Len() int { return len(q.list) }

// Bytes is the sum of the sizes of those that wait.
func (q *Pictures[T]) Bytes() int { return q.bytes }
