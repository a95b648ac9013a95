package agent

import (
	"context"
	"log/slog"
	"time"

	"streamstack/agent/application"
	"streamstack/agent/driver"
	"streamstack/events"
)

const (
	// pullWait is how long one request for work stays with the server; renewing it costs one message.
	pullWait = 5 * time.Second
	// workAck is when work comes again to somebody that an agent took and did not claim: a claim takes milliseconds.
	workAck = 10 * time.Second
	// bounce is when work comes again that found no free slot.
	bounce = 50 * time.Millisecond
	// unknownTries is how often work comes again for a session that the log does not know: a replica may lag behind its
	// creation.
	unknownTries = 4
	// claimRetry is when work comes again whose claim failed.
	claimRetry = 500 * time.Millisecond
	// launchTime bounds the launch of an instance, readyTime what its streamer then may take to be ready.
	launchTime, readyTime = 30 * time.Second, 30 * time.Second
	// stopTime bounds the orderly end of an instance, appendTime what an agent that drains still tries to append.
	stopTime, appendTime = 10 * time.Second, 10 * time.Second
	// appendRetry is the pause before an ending is appended again. An ending must get into the log: nothing else would
	// end the session of an agent that lives.
	appendRetry = 250 * time.Millisecond
	// janitorEvery is the time between two looks for instances that belong to no session.
	janitorEvery = time.Minute
	// orderEvery is how often the log is asked for orders, should the news of one have been lost.
	orderEvery = 15 * time.Second
	// extraWait is how long to wait for the extra_data that follows a creation.
	extraWait = 2 * time.Second
	// hangTime is how long a streamer that was ready may give no sign of life before it counts as hung: two lives of its
	// heartbeat, so that a restart of NATS is none.
	hangTime = 2 * events.HeartbeatTTL
	// consumerLife is when the server removes a streamer's consumer that nobody reads.
	consumerLife = time.Hour
	// streamerAck is when an event comes again to a streamer that did not get it, since the connection broke.
	streamerAck = 2 * time.Second
)

// Config is what an agent is made of. Version, Renew, GPUs, Warm, Load, StreamerEnv, Adopt, FollowApplications and the times may be left out.
type Config struct {
	Log    *events.Log
	Logger *slog.Logger
	Region events.Region
	ID     events.AgentID
	Slots  int // sessions at once
	// Warm is how many instances are up and wait for sessions, where the driver can have such (see [driver.Warmer]).
	Warm         int
	Applications application.Catalogue
	// FollowApplications calls changed with each catalogue that takes the place of known, until ctx ends or changed fails,
	// and returns the error. nil: they stay as they are.
	FollowApplications func(ctx context.Context, known application.Catalogue, changed func(application.Catalogue) error) error
	// LaunchTime bounds the launch of an instance; 0 for 30 seconds. The gateways give a launch and the streamer's way to
	// ready projections.LaunchTime together.
	LaunchTime time.Duration
	// ReadyTime bounds the time from the launch to the streamer's ready, 0 for 30 seconds; HangTime is how long a streamer may
	// give no sign of life, 0 for 20 seconds: more than events.HeartbeatEvery.
	ReadyTime, HangTime time.Duration
	Driver              driver.Driver
	DriverName          string
	// Adopt tells that the instances outlive this process: those of an earlier run are taken over, where the driver can (see
	// [driver.Adopter]). Otherwise what an earlier run left is ended.
	Adopt   bool
	Version string
	// GPUs are those that instances can use. Load tells how busy the machine is: processes that run or wait, for each of its
	// processors; nil where it is another machine that matters.
	GPUs []events.GPUData
	Load func() float64
	// Credentials gives a session's streamer its way into the log, see [StreamerSecret].
	Credentials func(events.Region, events.SessionID) (StreamerSecret, error)
	// Renew makes a streamer's user anew, by its public key; nil where users are not renewed. RenewEvery is how often that is
	// asked for.
	Renew      func(r events.Region, id events.SessionID, user string) (token string, err error)
	RenewEvery time.Duration
	// StreamerEnv are further settings of the streamers, STREAMSTACK_…=value; no secrets.
	StreamerEnv []string
}

// StreamerSecret is what a streamer reads from its standard input, as JSON.
type StreamerSecret struct {
	NATS  string `json:"nats"`            // URL
	Creds string `json:"creds,omitempty"` // content of a credentials file
}
