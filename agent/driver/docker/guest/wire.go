package guest

import (
	"errors"

	"streamstack/agent/application"
	"streamstack/agent/driver"
)

// Order is what the agent says: one of its fields.
type Order struct {
	Boot *Boot `json:"boot,omitempty"`
	// Warm has display, sound and streamer start, and wait for a Boot.
	Warm *Warm `json:"warm,omitempty"`
	// Go has the streamer and the application start.
	Go bool `json:"go,omitempty"`
}

// Boot is the session; see [driver.Spec].
type Boot struct {
	Session     string                  `json:"session"`
	Application application.Application `json:"application"`
	Screen      driver.Screen           `json:"screen"`
	UserData    []byte                  `json:"user_data,omitempty"` // as it is: bytes, not a part of this document
	Env         []string                `json:"env,omitempty"`       // of the streamer
	Secret      []byte                  `json:"secret,omitempty"`    // of the streamer
}

// Warm is an instance whose session has not come yet; see [driver.WarmSpec].
type Warm struct {
	ID          string                  `json:"id"`
	Application application.Application `json:"application"`
	Screen      driver.Screen           `json:"screen"`
	Env         []string                `json:"env,omitempty"` // of the streamer
}

// NewBoot takes from a spec what the guest needs of it.
func NewBoot(spec driver.Spec) *Boot {
	spec.Application.Limits = application.Limits{} // which the container has
	return &Boot{Session: spec.Session, Application: spec.Application, Screen: spec.Screen, UserData: spec.UserData,
		Env: spec.Streamer.Env, Secret: spec.Streamer.Secret}
}

// Report is what the guest says: one of its fields.
type Report struct {
	// Warm tells that the guest waits for its session.
	Warm bool `json:"warm,omitempty"`
	// Up tells that display and sound are up, and that the guest waits for Go.
	Up bool `json:"up,omitempty"`
	// Launched tells that all of the instance runs.
	Launched bool `json:"launched,omitempty"`
	// Failed is why it could not be launched. The guest ends.
	Failed *Failure `json:"failed,omitempty"`
	// Ending is how it ended. The guest ends.
	Ending *driver.Ending `json:"ending,omitempty"`
}

// MaxReport is the most that one line of a guest's may have, in bytes. What runs in the container can write there too.
const MaxReport = 64 << 10

// Failure is an error of a launch, with its kind.
type Failure struct {
	Kind   string `json:"kind,omitempty"`
	Reason string `json:"reason"`
}

// kinds are the errors that mean the same on both sides.
var kinds = map[string]error{"full": driver.ErrFull, "missing": driver.ErrMissing, "refused": driver.ErrRefused, "cold": driver.ErrCold}

// newFailure puts an error into words.
func newFailure(err error) *Failure {
	f := &Failure{Reason: err.Error()}
	for kind, is := range kinds {
		if errors.Is(err, is) {
			f.Kind = kind
		}
	}
	return f
}

// Err is the error that a failure tells of.
func (f *Failure) Err() error {
	if is := kinds[f.Kind]; is != nil {
		return driver.Because(is, "in the container: %s", f.Reason)
	}
	return errors.New("docker: in the container: " + f.Reason)
}
