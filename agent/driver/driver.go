// Package driver is the door between an agent and whatever runs instances.
//
// An instance is all that one session needs on a machine: a display, sound, the application and the streamer. Drivers
// are the folders beside this file; which one is used is configuration. A driver knows nothing of events: it launches,
// it tells how an instance ended, and the agent writes the history.
package driver

import (
	"context"
	"encoding/json"

	"streamstack/agent/application"
)

// MaxUserData is the largest Spec.UserData in bytes (section 5 of spec/gateway-api.md).
const MaxUserData = 10240

// Driver launches instances. All methods may be called concurrently.
type Driver interface {
	// Check tells in one line what this machine lacks and how to get it, or nil.
	Check(ctx context.Context) error
	// Launch starts an instance and returns once all of its parts run. ctx bounds the start only, not the instance's
	// life. After an error nothing of the instance is left.
	Launch(ctx context.Context, spec Spec) (Instance, error)
	// Sweep ends what a run of this driver that has died left behind, cleans up after it, and names the sessions.
	// Instances of a run that lives are not touched.
	Sweep(ctx context.Context) ([]string, error)
	// Close stops every instance, returns when the last is gone or ctx is done, and lets no further one start.
	Close(ctx context.Context) error
}

// Instance is a launched session. All methods may be called concurrently.
type Instance interface {
	// ID is the session's id.
	ID() string
	// Done is closed when the instance has ended and nothing of it is left.
	Done() <-chan struct{}
	// Ending tells how it ended. It is the zero value until Done is closed.
	Ending() Ending
	// Stop ends the instance and waits until it is gone or ctx is done; the ending goes on in either case. It is
	// no failure of the instance, and harmless when it has ended already.
	Stop(ctx context.Context) error
}

// Spec is what to launch.
type Spec struct {
	// Session is the session's id, [a-z0-9-]{1,63}.
	Session     string
	Application application.Application
	Screen      Screen
	// UserData is a JSON document for the application, at most MaxUserData bytes; it reaches it as a file, never on a
	// command line or in the environment.
	UserData json.RawMessage
	Streamer Streamer
	// BeforeStreamer, when set, is called once display and sound are up and before the streamer is let go and the
	// application starts: the moment to append "launched". An error ends the launch.
	BeforeStreamer func(ctx context.Context) error
	// Attempt is the launch's number for the session, 1 and up; 0 where nobody counts. Operators see it.
	Attempt int
	// Pulling, when set, is told while the launch waits for an image that is fetched: at first, now and then, and at the end.
	Pulling func(ctx context.Context, p Pull)
}

// Screen is the session's picture. An odd width or height is raised by one.
type Screen struct {
	Width, Height int // pixels
	FPS           int // frames a second
	Density       int // dots per inch, as Android counts them
}

// Streamer is what only the streamer gets; the application does not.
type Streamer struct {
	// Env are NAME=value pairs. The driver adds the way to the display and the sound, and STREAMSTACK_SCREEN, the display
	// as it really is (WxH@FPS): a driver may have to make it larger than it was asked for. A process of the same user can read them: no secrets here.
	Env []string
	// Secret, such as a NATS credentials file, is what the streamer reads from its standard input, to the end. At most
	// MaxSecret bytes.
	Secret []byte
}

// MaxSecret is the largest Streamer.Secret in bytes: what a pipe holds without a reader.
const MaxSecret = 60000

// Part is a process of an instance.
type Part string

// The parts of an instance.
const (
	PartDisplay     Part = "display"
	PartSound       Part = "sound"
	PartStreamer    Part = "streamer"
	PartApplication Part = "application"
	// PartInstance is all of them, where something else than the agent runs them.
	PartInstance Part = "instance"
)

// Ending says how an instance ended.
type Ending struct {
	// Part ended first; empty when the instance was stopped on request.
	Part Part
	// Failed is false when it was stopped, or when the application ended by itself with status 0.
	Failed bool
	// Reason is one sentence for a person.
	Reason string
	// ExitCode is the part's exit status, or -1 when a signal ended it or nothing did.
	ExitCode int
	// Signal names what ended it, such as "segmentation fault"; empty for an exit.
	Signal string
	// LogTail is the end of the part's output, some lines of plain text.
	LogTail string
	// OutOfMemory tells that the kernel ended it, or a part of it, for using more memory than it was allowed.
	OutOfMemory bool
}
