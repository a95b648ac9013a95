// Package application knows what an agent can run: applications described in YAML files.
//
// The format is the one of spec/cli.md ("An application") and, for shares, adb: {port: 5555}; nothing else is accepted, and
// every refusal names the file, the line, the field and what is allowed there. Commands are argument lists and are run without a shell. The
// first element "streamstack" stands for our own executable, so that a built-in application finds the binary that it
// shipped in; see [Application.Argv].
//
// No argument substitution is offered: an application that must fill the screen need not know its size, since the
// process driver's kiosk window manager gives every top-level window the whole screen.
package application

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
)

// Limits of a screen, from section 5 of spec/gateway-api.md.
const (
	// MaxPixels is the largest area: 3840 × 2160 in total, in any shape.
	MaxPixels = 3840 * 2160
	// MaxSide keeps a narrow picture within what encoders accept (16-bit sizes less their padding).
	MaxSide = 16384
	// MaxFPS is past every display in use; more would only burn a core.
	MaxFPS = 240
)

// Self is the first element of a command that stands for our own executable.
const Self = "streamstack"

// defaultScreen is what gateway-api.md gives a request that names nothing.
var defaultScreen = Screen{Width: 1280, Height: 720, FPS: 60}

// namePattern makes a name one token of a NATS subject (spec/cli.md).
var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// ValidName tells whether name is usable as an application's name: [a-z0-9][a-z0-9-]{0,62}.
func ValidName(name string) bool { return namePattern.MatchString(name) }

// Application is one version of something that can be run and streamed. It is a value: share it freely, change a copy.
type Application struct {
	Name    string
	Version int // 1 and up; the highest of a name is its default
	// Command is the argument list; element 0 is looked up in PATH, or is [Self].
	Command []string
	// Env is added to the clean environment that the driver makes.
	Env map[string]string
	// Screen is what a session gets whose request names none.
	Screen Screen
	// Audio tells whether the sound is streamed.
	Audio  bool
	Limits Limits
	// ADB is the TCP port that a share of the session leads to, on the loopback address of where the application runs; the
	// zero value for none.
	ADB ADB
}

// ADB is where shares of type adb lead to: Android's debugger, or whatever else an application listens with.
type ADB struct {
	Port int // 1 to 65535
}

// Screen is a picture's size in pixels and its rate in frames a second.
type Screen struct {
	Width, Height, FPS int
}

// Limits bound what an instance may use. Zero means no limit.
type Limits struct {
	Memory int64   // bytes
	CPUs   float64 // cores
}

// Validate refuses a size or rate that cannot be streamed. The message is fit for a client.
func (s Screen) Validate() error {
	switch {
	case s.Width < 1 || s.Width > MaxSide:
		return fmt.Errorf("width must be 1 to %d pixels, not %d", MaxSide, s.Width)
	case s.Height < 1 || s.Height > MaxSide:
		return fmt.Errorf("height must be 1 to %d pixels, not %d", MaxSide, s.Height)
	case s.Width*s.Height > MaxPixels:
		return fmt.Errorf("width × height must be at most 3840 × 2160 = %d pixels, not %d × %d = %d",
			MaxPixels, s.Width, s.Height, s.Width*s.Height)
	case s.FPS < 1 || s.FPS > MaxFPS:
		return fmt.Errorf("fps must be 1 to %d, not %d", MaxFPS, s.FPS)
	}
	return nil
}

// Argv is the command to run, with [Self] replaced by the path self of our own executable.
func (a Application) Argv(self string) []string {
	argv := slices.Clone(a.Command)
	if len(argv) > 0 && argv[0] == Self {
		argv[0] = self
	}
	return argv
}

// Catalogue is a set of applications, one of each name and version. The zero value is empty; it is read-only once made.
type Catalogue struct {
	versions map[string][]Application // rising version
}

// New makes a catalogue and refuses a name and version that occurs twice.
func New(applications ...Application) (Catalogue, error) {
	c := Catalogue{versions: make(map[string][]Application)}
	for _, a := range applications {
		if _, taken := c.Get(a.Name, a.Version); taken {
			return Catalogue{}, fmt.Errorf("application: %s version %d is given twice; change one's version", a.Name, a.Version)
		}
		c.versions[a.Name] = append(c.versions[a.Name], a)
	}
	for _, of := range c.versions {
		slices.SortFunc(of, func(a, b Application) int { return a.Version - b.Version })
	}
	return c, nil
}

// Names lists the applications by name, sorted.
func (c Catalogue) Names() []string { return slices.Sorted(maps.Keys(c.versions)) }

// All lists every version of every application, sorted by name, then version.
func (c Catalogue) All() []Application {
	var all []Application
	for _, name := range c.Names() {
		all = append(all, c.versions[name]...)
	}
	return all
}

// Get finds one version.
func (c Catalogue) Get(name string, version int) (Application, bool) {
	for _, a := range c.versions[name] {
		if a.Version == version {
			return a, true
		}
	}
	return Application{}, false
}

// Default finds the highest version.
func (c Catalogue) Default(name string) (Application, bool) {
	of := c.versions[name]
	if len(of) == 0 {
		return Application{}, false
	}
	return of[len(of)-1], true
}

// maxVersion is what a signed 32-bit JSON integer of a client holds.
const maxVersion = math.MaxInt32
