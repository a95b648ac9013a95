package webhook

import "time"

// Sizes.
const (
	// window is how many events of a webhook may be under way or wait in a gateway.
	window = 256
	// maxLane is how many of these a session that fails may take up before it is parked.
	maxLane = window / 4
	// maxParked is how many sessions of a webhook may be parked; then the window fills, and the consumer waits.
	maxParked = 1000
	// maxJobs is how many attempts of a webhook are made at once.
	maxJobs = 8
	// refill is how many events of a parked session are read at once.
	refill = 32
	// downAfter is after how many failures in a row, of whatever sessions, the endpoint is taken to be down.
	downAfter = 3
	// parkAfter is after how many failures of its own a session is parked.
	parkAfter = 5
)

// timing are the waits. They hang together: a gateway that lost touch with NATS at T has asked for messages at T-pull at
// the latest and stops beginning attempts at T-pull+fresh, so its last one ends by T-pull+fresh+attempt. Another gateway
// delivers what the first one held only once the server gives it again, at T-alive+ack at the earliest. So ack must be
// longer than alive+fresh+attempt, and pin longer than pull.
type timing struct {
	// attempt bounds one POST.
	attempt time.Duration
	// firstRetry is the pause after the first failure; each further one doubles it, up to lastRetry, or for a parked
	// session lastParked. Up to half of it is left out at random.
	firstRetry, lastRetry, lastParked time.Duration
	// ack is when the server gives an event again that it has heard nothing of; alive how often it hears.
	ack, alive time.Duration
	// pull is how long a request for messages waits, pin how long a gateway that does not ask stays pinned, fresh how old
	// the last request that was answered may be for an attempt to begin.
	pull, pin, fresh time.Duration
	// beat is how often the server says that it is there while a request waits; three without it and the request is lost.
	beat time.Duration
	// gate is how often a gateway that has just been pinned asks whether it has everything.
	gate time.Duration
	// status is how often the state for operators is written, if it has changed.
	status time.Duration
	// stop is how long attempts may take to end when the gateway stops.
	stop time.Duration
	// call bounds a call of NATS.
	call time.Duration
}

var usualTiming = timing{
	attempt:    10 * time.Second,
	firstRetry: time.Second, lastRetry: 2 * time.Minute, lastParked: 30 * time.Minute,
	ack: 30 * time.Second, alive: 5 * time.Second,
	pull: 4 * time.Second, pin: 10 * time.Second, fresh: 8 * time.Second,
	beat: time.Second, gate: 100 * time.Millisecond, status: time.Second, stop: 2 * time.Second, call: 2 * time.Second,
}

// backoff is the pause after n failures in a row (1: the first), before jitter.
func (t timing) backoff(n int, longest time.Duration) time.Duration {
	const most = 30 // 2^30 of anything is longest
	return min(t.firstRetry<<min(max(n-1, 0), most), longest)
}
