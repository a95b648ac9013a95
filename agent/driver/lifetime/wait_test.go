package lifetime_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/agent/driver"
	"streamstack/agent/driver/lifetime"
)

// waiting is an instance that waits, and ends when it is told to or for the error that it is sent.
func waiting(t *testing.T) (*lifetime.Wait, chan<- error) {
	t.Helper()
	life, dies := lifetime.New(), make(chan error, 1)
	w := lifetime.NewWait(life)
	var owner sync.WaitGroup
	owner.Go(func() {
		w.Own(func() (bool, error) {
			select {
			case <-w.Taken():
				return false, nil
			case <-life.Stopping():
				return true, nil
			case err := <-dies:
				return true, err
			}
		})
	})
	t.Cleanup(func() { life.RequestStop(); owner.Wait() })
	return w, dies
}

// Of many who claim it one has it, and it is not the one that waits any more: nobody stops it.
func TestOneClaims(t *testing.T) {
	t.Parallel()
	w, _ := waiting(t)
	var had atomic.Int32
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := w.Claim(); err == nil {
				had.Add(1)
			} else if !errors.Is(err, driver.ErrCold) {
				t.Errorf("not cold: %v", err)
			}
		})
	}
	all.Wait()
	require.Equal(t, int32(1), had.Load())
	require.ErrorContains(t, w.Claim(), "somebody else has it")
	require.NoError(t, w.End(t.Context()))
	require.NoError(t, w.Err())
	select {
	case <-w.Done():
		require.Fail(t, "it ended without having been claimed")
	default:
	}
}

func TestWhatHasEndedIsCold(t *testing.T) {
	t.Parallel()
	w, dies := waiting(t)
	require.NoError(t, w.Err())
	dies <- errors.New("the X server died")
	within(t, w.Done(), "its end")
	require.EqualError(t, w.Err(), "the X server died")
	err := w.Claim()
	require.ErrorIs(t, err, driver.ErrCold)
	require.ErrorContains(t, err, "it has ended")

	stopped, _ := waiting(t)
	require.NoError(t, stopped.End(t.Context()))
	within(t, stopped.Done(), "its end")
	require.NoError(t, stopped.Err())
	require.ErrorIs(t, stopped.Claim(), driver.ErrCold)
}
