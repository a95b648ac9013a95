package lifetime_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/agent/driver"
	"streamstack/agent/driver/lifetime"
)

// patience bounds every wait.
const patience = 30 * time.Second

func within(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		require.Fail(t, "not within "+patience.String(), what)
	}
}

func TestALifeEndsOnce(t *testing.T) {
	t.Parallel()
	l := lifetime.New()
	require.False(t, l.Stopped())
	require.Zero(t, l.Ending())
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, context.DeadlineExceeded)
	defer cancel()
	err := l.End(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.EqualError(t, err, "still ending: context deadline exceeded")
	require.True(t, l.Stopped())
	within(t, l.Stopping(), "the request to stop")
	l.RequestStop() // again is harmless
	require.Zero(t, l.Ending())
	l.Finish(driver.Ending{Reason: "stopped on request"})
	within(t, l.Done(), "the end")
	require.Equal(t, driver.Ending{Reason: "stopped on request"}, l.Ending())
	require.NoError(t, l.End(t.Context()))
}

// A start knows why it is given up, and one that comes to its end is nobody's business any more.
func TestAStartEndsWithItsInstance(t *testing.T) {
	t.Parallel()
	l := lifetime.New()
	var left <-chan struct{}
	require.NoError(t, l.Start(t.Context(), func(ctx context.Context) error { left = ctx.Done(); return ctx.Err() }))
	within(t, left, "the end of what the start was given")

	begun := make(chan struct{})
	go func() { <-begun; l.RequestStop() }() // ends at once
	err := l.Start(t.Context(), func(ctx context.Context) error {
		close(begun)
		within(t, ctx.Done(), "the end of the start")
		return context.Cause(ctx)
	})
	require.ErrorIs(t, err, driver.ErrClosed)

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(context.DeadlineExceeded)
	require.ErrorIs(t, lifetime.New().Start(ctx, func(ctx context.Context) error { return context.Cause(ctx) }), context.DeadlineExceeded)
}
