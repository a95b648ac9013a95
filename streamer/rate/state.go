package rate

import "time"

// Cause is why the estimate is what it is.
type Cause string

const (
	// CauseStart is the estimate that was given.
	CauseStart Cause = "start"
	// CauseIncrease is a rise because nothing was in its way.
	CauseIncrease Cause = "increase"
	// CauseProbe is a rise to what a probe found, or a fall to it at the start.
	CauseProbe Cause = "probe"
	// CauseDelay is a fall because packets waited on the path.
	CauseDelay Cause = "delay"
	// CauseDrained is the rise back to the path's capacity after such a fall.
	CauseDrained Cause = "drained"
	// CauseLoss is a fall because packets were lost that a lower rate would not lose.
	CauseLoss Cause = "loss"
	// CauseOutage holds the estimate because nothing is heard.
	CauseOutage Cause = "outage"
	// CauseResumed takes it up again.
	CauseResumed Cause = "resumed"
)

// Config bounds an estimate, in bit/s on the wire.
type Config struct{ Min, Start, Max int }

// Packet is one that is being sent.
type Packet struct {
	// Seq is the transport-wide number.
	Seq uint16
	// Size is the size on the wire in bytes, with all headers.
	Size int
	// Probe is the id of the probe that it is part of, 0 for none.
	Probe int
	// Padding tells that the application had nothing to send.
	Padding bool
	// Copy is a packet that the receiver throws away, unreported, if it has got another that was sent: nothing is learnt from its loss.
	Copy bool
}

// State is what an estimator thinks.
type State struct {
	// Estimate is what the path carries, bit/s on the wire, within the bounds; Cause is why it changed last.
	Estimate int
	Cause    Cause
	// Usage is what the trend of the delay says.
	Usage Usage
	// Loss is the part of the packets that did not arrive, by the last judgement on it, 0 to 1.
	Loss float64
	// RTT is the smoothed time from sending to feedback, which includes the receiver's wait; 0 before any. Queue is how long
	// packets waited on the path.
	RTT, Queue time.Duration
	// Limited tells that the sender does not use what it has, Draining that it sends less for a moment to empty a queue.
	Limited, Draining bool
	// Silence is how long nothing has been heard of packets that are under way, 0 where none are. Outage tells that it is too
	// long to go on sending.
	Silence time.Duration
	Outage  bool
	// InFlight is under way, Window what may be, in bytes; Window is 0 for no bound, where no feedback ever came.
	InFlight, Window int
	// Capacity is at which rate the path was full, bit/s; 0 where it never was.
	Capacity int
}

// State tells what the estimator thinks now, as of the last call.
func (e *Estimator) State() State {
	s := State{
		Estimate: int(e.estimate), Cause: e.cause, Usage: e.usage, Loss: e.losses.last,
		RTT: time.Duration(e.rtt * float64(time.Second)), Queue: e.queue.wait,
		Limited: e.limited.active, Draining: e.draining, Silence: e.silence(e.now), Outage: e.outage,
		InFlight: e.history.inFlight,
	}
	if e.capacity.known {
		s.Capacity = int(e.capacity.mean)
	}
	switch {
	case e.hears && e.draining:
		s.Window = windowLeast + int(e.estimate/8*(e.round.base+windowDrain).Seconds())
	case e.hears:
		s.Window = windowLeast + int(e.estimate/8*(e.round.base+windowRoom).Seconds())
	case e.now < firstPatience:
		s.Window = windowLeast + int(e.estimate/8*(firstTrip+windowRoom).Seconds())
	}
	return s
}
