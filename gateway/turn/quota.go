package turn

import "sync"

// quota counts the allocations that each id holds. It is safe for use from several goroutines.
type quota struct {
	limit int

	mu   sync.Mutex
	held map[string]int // by id; no entry means none
}

func newQuota(limit int) *quota {
	return &quota{limit: limit, held: make(map[string]int)}
}

// take reserves one allocation for id, and reports false when id holds as many as it may.
func (q *quota) take(id string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.held[id] >= q.limit {
		return false
	}
	q.held[id]++
	return true
}

// give returns an allocation that take reserved.
func (q *quota) give(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.held[id]--; q.held[id] <= 0 {
		delete(q.held, id)
	}
}

// total returns how many allocations there are.
func (q *quota) total() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	sum := 0
	for _, n := range q.held {
		sum += n
	}
	return sum
}
