package agent

import (
	"context"
	"fmt"
	"sync"
)

// slots counts the sessions an agent can still take.
type slots struct {
	mu   sync.Mutex
	free int
	// freed is closed and made anew whenever a slot becomes free.
	freed chan struct{}
}

func newSlots(n int) *slots { return &slots{free: n, freed: make(chan struct{})} }

// wait returns when there is a free slot. It takes none: many may wait for work, and the first to get some takes it.
func (s *slots) wait(ctx context.Context) error {
	for {
		s.mu.Lock()
		free, freed := s.free, s.freed
		s.mu.Unlock()
		if free > 0 {
			return nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return fmt.Errorf("agent: %w", ctx.Err())
		}
	}
}

// take takes a slot if there is one.
func (s *slots) take() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free <= 0 {
		return false
	}
	s.free--
	return true
}

// seize takes a slot though there may be none, for a session that runs already: the agent may have come back with fewer.
func (s *slots) seize() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free--
}

// left is how many are free.
func (s *slots) left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.free
}

// give gives a slot back.
func (s *slots) give() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free++
	close(s.freed)
	s.freed = make(chan struct{})
}
