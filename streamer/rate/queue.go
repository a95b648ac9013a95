package rate

import "time"

const (
	// basePart is the time of one part of the memory for the shortest way, baseParts how many there are. What is in all of them
	// is the path's own time: a queue that no decrease drains becomes that after half a minute, as it is somebody else's.
	basePart  = 3 * time.Second
	baseParts = 10
)

// queue measures how long packets wait on the path: their one-way time less the shortest of the last half minute. The clocks
// need not agree; they drift by far less in that time.
type queue struct {
	begun bool
	parts [baseParts]time.Duration // the shortest of each
	part  int
	since time.Duration // when this part began
	base  time.Duration // the shortest of all
	wait  time.Duration // how much longer the last one was
}

// add takes the shortest one-way time within one feedback: the others waited for the packets of their own burst.
func (q *queue) add(now, shortest time.Duration) {
	if !q.begun {
		q.begun, q.since = true, now
		for i := range q.parts {
			q.parts[i] = shortest
		}
	}
	if now-q.since >= basePart {
		q.since = now
		q.part = (q.part + 1) % baseParts
		q.parts[q.part] = shortest
	}
	q.parts[q.part] = min(q.parts[q.part], shortest)
	q.base = shortest
	for _, p := range q.parts {
		q.base = min(q.base, p)
	}
	q.wait = shortest - q.base
}

// rebase takes what there is for the path's own time.
func (q *queue) rebase() {
	for i := range q.parts {
		q.parts[i] = q.base + q.wait
	}
	q.base, q.wait = q.base+q.wait, 0
}
