package ams

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/agent/driver"
	"streamstack/agent/driver/ams/amstest"
)

// gate is a machine that boots when it is let.
type gate struct {
	reached, open chan struct{}
}

func newGate() gate { return gate{make(chan struct{}, 16), make(chan struct{})} }

func (g gate) Boot(ctx context.Context, b amstest.Boot) (amstest.Running, error) {
	g.reached <- struct{}{}
	select {
	case <-g.open:
		return amstest.Idle{}.Boot(ctx, b)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// launching launches beside the test.
func (r *rig) launching(ctx context.Context) <-chan error {
	result := make(chan error, 1)
	go func() {
		_, err := r.Launch(ctx, r.spec("s1"))
		result <- err
	}()
	return result
}

// lookedOnce has AMS say at the first look that the operation runs, and returns a channel that is closed then: what is noticed
// later is noticed by another look.
func (r *rig) lookedOnce() <-chan struct{} {
	looked := make(chan struct{})
	r.ams.Intercept(func(w http.ResponseWriter, q *http.Request) bool {
		id, is := strings.CutPrefix(q.URL.Path, "/1.0/operations/")
		select {
		case <-looked:
			return false
		default:
		}
		if !is {
			return false
		}
		_, _ = fmt.Fprintf(w, `{"type":"sync","status":"Success","status_code":200,"metadata":{"id":%q,"status_code":103}}`, id)
		close(looked)
		return true
	})
	return looked
}

func (r *rig) result(c <-chan error) error {
	r.t.Helper()
	select {
	case err := <-c:
		return err
	case <-time.After(patience):
		r.t.Fatalf("the launch does not return; the log: %s", r.log)
		return nil
	}
}

// With the socket open nothing is polled for an hour, and the launch returns: the event told. With it shut, polling does.
func TestLaunchIsNoticed(t *testing.T) {
	t.Run("by the event socket", func(t *testing.T) {
		g := newGate()
		r := newRig(t, g)
		_, err := r.Sweep(r.context())
		require.NoError(t, err)
		r.listening()
		looked := r.lookedOnce()
		launched := r.launching(r.context())
		<-g.reached
		<-looked
		close(g.open)
		require.NoError(t, r.result(launched))
	})
	t.Run("by polling", func(t *testing.T) {
		g := newGate()
		r := newRig(t, g)
		r.ams.Deafen(true)
		launched := r.launching(r.context())
		<-g.reached
		close(g.open)
		require.NoError(t, r.result(launched))
		require.Zero(t, r.ams.Listeners())
	})
	t.Run("when the socket breaks meanwhile", func(t *testing.T) {
		g := newGate()
		r := newRig(t, g)
		_, err := r.Sweep(r.context())
		require.NoError(t, err)
		r.listening()
		looked := r.lookedOnce()
		launched := r.launching(r.context())
		<-g.reached
		<-looked
		r.ams.Deafen(true)
		close(g.open) // its events reach nobody
		require.NoError(t, r.result(launched))
		r.ams.Deafen(false)
		r.listening()
	})
	t.Run("when AMS has forgotten the operation", func(t *testing.T) {
		g := newGate()
		r := newRig(t, g)
		r.ams.Intercept(func(w http.ResponseWriter, q *http.Request) bool {
			if strings.HasPrefix(q.URL.Path, "/1.0/operations/") {
				http.NotFound(w, q) // without JSON
				return true
			}
			return false
		})
		launched := r.launching(r.context())
		<-g.reached
		close(g.open)
		require.NoError(t, r.result(launched))
	})
}

// What goes wrong with a launch: the error says it, and nothing is left.
func TestLaunchFails(t *testing.T) {
	t.Run("the instance fails to start", func(t *testing.T) {
		r := newRig(t, amstest.Func(func(context.Context, amstest.Boot) (amstest.Running, error) {
			return nil, errors.New("hook post-start returned 3")
		}))
		_, err := r.Launch(r.context(), r.spec("s1"))
		require.ErrorContains(t, err, "hook post-start returned 3", "the instance's message says more than the operation's")
		require.Empty(t, r.ams.Instances())
	})
	t.Run("no time", func(t *testing.T) {
		r := newRig(t, newGate())
		ctx, cancel := context.WithTimeout(r.context(), 300*time.Millisecond)
		defer cancel()
		_, err := r.Launch(ctx, r.spec("s1"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Empty(t, r.ams.Instances())
	})
	t.Run("cancelled", func(t *testing.T) {
		g := newGate()
		r := newRig(t, g)
		ctx, cancel := context.WithCancel(r.context())
		launched := r.launching(ctx)
		<-g.reached
		cancel()
		require.ErrorIs(t, r.result(launched), context.Canceled)
		require.Empty(t, r.ams.Instances())
	})
	t.Run("closed", func(t *testing.T) {
		g := newGate()
		r := newRig(t, g)
		launched := r.launching(r.context())
		<-g.reached
		require.NoError(t, r.Close(r.context()))
		require.ErrorIs(t, r.result(launched), driver.ErrClosed)
		require.Empty(t, r.ams.Instances())
	})
	t.Run("the hook refuses", func(t *testing.T) {
		r := newRig(t, nil)
		spec := r.spec("s1")
		spec.BeforeStreamer = func(context.Context) error { return errors.New("NATS is away") }
		_, err := r.Launch(r.context(), spec)
		require.ErrorContains(t, err, "NATS is away")
		require.Empty(t, r.ams.Launches())
	})
	t.Run("AMS has no node for it", func(t *testing.T) {
		r := newRig(t, nil)
		r.ams.Intercept(func(w http.ResponseWriter, q *http.Request) bool {
			if q.Method != http.MethodPost {
				return false
			}
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write([]byte(`{"type":"error","error":"No suitable node to satisfy instance requirement available","error_code":500}`))
			return true
		})
		_, err := r.Launch(r.context(), r.spec("s1"))
		require.ErrorContains(t, err, "No suitable node")
	})
	t.Run("unknown application", func(t *testing.T) {
		r := newRig(t, nil)
		spec := r.spec("s1")
		spec.Application.Name = "none"
		_, err := r.Launch(r.context(), spec)
		require.ErrorContains(t, err, "no application none that can be streamed")
	})
}
