package driver

import "context"

// Commons is a [Driver] whose engine is shared: instances of other agents are to be seen in it. An agent that is lost and never comes
// back leaves its instances there, and its neighbours end those whose sessions are over. Whether they are is for the agent to know:
// it reads the log.
type Commons interface {
	// Foreign lists the instances that other agents have made for sessions.
	Foreign(ctx context.Context) ([]Foreign, error)
	// EndForeign ends one, and returns when it is gone. One that is gone already is no error.
	EndForeign(ctx context.Context, f Foreign) error
}

// Foreign is another agent's instance.
type Foreign struct {
	Session, Agent string
	ID             string // the engine's
}
