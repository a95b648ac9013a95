package driver

import (
	"context"
	"errors"

	"streamstack/agent/application"
)

// Warmer is a [Driver] that can have instances up before their sessions come: display, sound and a streamer that waits. What
// a session then still has to wait for is the size of its screen, the streamer's way into the log, and its application.
//
// How many there are, of which kind, and when another is started is the agent's business (agent/warm.go); the driver starts
// one, hands it a session, and ends it. Close ends those that wait too; Sweep touches none that this run started and ends all
// that another run left: what waits for an agent that has died is not adopted, since nobody would miss it.
type Warmer interface {
	// Warm starts an instance without a session and returns once all of it waits. ctx bounds the start only. After an error
	// nothing of it is left.
	Warm(ctx context.Context, spec WarmSpec) (Warm, error)
}

// WarmSpec is what to start before there is a session.
type WarmSpec struct {
	// ID names it: [a-z0-9-]{1,63}, and no session's id.
	ID string
	// Application is the one that it is meant for, for drivers whose instances differ by that (an image, devices).
	Application application.Application
	Screen      Screen
	// Env are the settings of the streamer that all sessions of this agent have in common; see Streamer.Env. There is no
	// secret yet: a streamer that waits can do nothing in the log.
	Env []string
}

// Warm is an instance that waits for a session. All methods may be called concurrently.
type Warm interface {
	// ID is WarmSpec.ID.
	ID() string
	// Fits tells whether a session could have it. That it does not wait is Launch's to do.
	Fits(spec Spec) bool
	// Claim makes it a session's instance, as if Launch had been called; spec.BeforeStreamer is called in the same place. It
	// works once, and whatever it returns, nobody else can have it afterwards. After an error nothing is left of it; one that
	// wraps ErrCold was found before BeforeStreamer was called, so that Launch may be tried in its place. ctx bounds the start
	// only.
	Claim(ctx context.Context, spec Spec) (Instance, error)
	// Done is closed when it has ended without having been claimed, and nothing of it is left.
	Done() <-chan struct{}
	// Err says why it ended, for a person; nil until Done is closed and when it was stopped.
	Err() error
	// Stop ends it, unless it has been claimed, and waits until it is gone or ctx is done.
	Stop(ctx context.Context) error
}

// ErrCold tells that an instance that waited cannot be had by this session after all.
var ErrCold = errors.New("the instance that waited is of no use to this session")

// What a streamer that waits and its driver say to each other. The streamer is started with STREAMSTACK_WARM=FILE in its
// environment, a file (a pipe, mostly) that it writes [WarmReport]s to, and reads one [WarmScreen] and one [WarmOrder] from its
// standard input. All are JSON, one to a line. When its standard input ends before the order, nobody is there any more who
// could use it: it ends the whole instance (streamer/instance) and itself. The streamer, which may import nothing of the
// agent's, has the same words in streamer/command.
type (
	// WarmReport is said once when the streamer waits (Warm), and once in answer to a WarmScreen.
	WarmReport struct {
		Warm bool `json:"warm,omitempty"`
		// Screen is the display's as it has become, WxH@FPS.
		Screen string `json:"screen,omitempty"`
		// Error is why it cannot become so; the streamer ends then.
		Error string `json:"error,omitempty"`
	}
	// WarmScreen is the screen that the display shall get, WxH@FPS.
	WarmScreen struct {
		Screen string `json:"screen"`
	}
	// WarmOrder is the session: the environment that the streamer would have been started with, and what it would have read.
	WarmOrder struct {
		Env    []string `json:"env"`
		Secret []byte   `json:"secret"`
	}
)
