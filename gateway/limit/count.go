package limit

import "sync"

// Count bounds how many of something each key has at once. It is safe for concurrent use.
type Count struct {
	mu sync.Mutex
	n  map[string]int
	// all is the sum.
	all int
}

// NewCount makes a count of nothing.
func NewCount() *Count { return &Count{n: map[string]int{}} }

// Take takes one for key if it has fewer than most; most of 0 is no limit. The caller gives it back with [Count.Give].
func (c *Count) Take(key string, most int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if most > 0 && c.n[key] >= most {
		return false
	}
	c.n[key]++
	c.all++
	return true
}

// Give gives back what was taken.
func (c *Count) Give(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	if c.n[key]--; c.n[key] <= 0 {
		delete(c.n, key)
	}
}

// All is how many are taken, over all keys.
func (c *Count) All() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all
}

// Keys is how many keys have any.
func (c *Count) Keys() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.n)
}
