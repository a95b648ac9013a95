package bench

import (
	"time"

	"streamstack/deployments/impair"
)

const (
	// oneWay is the delay in each direction where a network has no other.
	oneWay = 10 * time.Millisecond
	// networkSettle is what a session has to find its rate before it is looked at, networkRecord how long it is looked at.
	networkSettle, networkRecord = 10 * time.Second, 20 * time.Second
	// outageBegin and outageLength place the outage in its recording.
	outageBegin, outageLength = 3 * time.Second, 3 * time.Second
	// narrowBegin and narrowEnd place the low cap in its recording, which is as long again as it takes to rise.
	narrowBegin, narrowEnd, narrowRecord = 8 * time.Second, 20 * time.Second, 40 * time.Second
	// wide and narrow are caps in bit/s; the encoder's range goes below and above both.
	wide, middle, narrow = 8_000_000, 2_000_000, 1_000_000
)

// network is one that a session goes through.
type network struct {
	name string
	// up and down hold from before the client joins; later ones, if any, from the beginning of the recording.
	up, down           impair.Profile
	laterUp, laterDown *impair.Profile
	record             time.Duration
	parts              []part
}

// part is what is looked at of a recording, times since its beginning.
type part struct {
	name     string
	from, to time.Duration
	// cap of the way to the client in bit/s; 0 for none.
	cap float64
	// since is when a disturbance was over or the cap changed, from which the time to recover counts; negative for none.
	since time.Duration
	// rises tells that the cap must be used for it to count as recovered.
	rises bool
}

// networks are the rows of the table.
func networks() []network {
	symmetric := func(p impair.Profile) network {
		return network{up: p, down: p, record: networkRecord, parts: []part{{to: networkRecord, since: -1}}}
	}
	named := func(name string, n network) network {
		n.name = name
		return n
	}
	capped := symmetric(impair.Profile{Delay: oneWay})
	capped.down.Rate, capped.parts[0].cap = impair.Capped(middle), middle

	steps := symmetric(impair.Profile{Delay: oneWay})
	steps.down.Rate, steps.record = impair.Capped(wide), narrowRecord
	steps.laterUp, steps.laterDown = &impair.Profile{Delay: oneWay}, &impair.Profile{Delay: oneWay, Rate: []impair.Step{
		{At: 0, BitsPerSecond: wide}, {At: narrowBegin, BitsPerSecond: narrow}, {At: narrowEnd, BitsPerSecond: wide}}}
	steps.parts = []part{
		{name: "8 Mbit/s", to: narrowBegin, cap: wide, since: -1},
		{name: "then 1", from: narrowBegin, to: narrowEnd, cap: narrow, since: narrowBegin},
		{name: "then 8", from: narrowEnd, to: narrowRecord, cap: wide, since: narrowEnd, rises: true},
	}

	outage := symmetric(impair.Profile{Delay: oneWay})
	gone := impair.Profile{Delay: oneWay, Outages: []impair.Window{{Begin: outageBegin, End: outageBegin + outageLength}}}
	outage.laterUp, outage.laterDown, outage.parts[0].since = &gone, &gone, outageBegin+outageLength

	return []network{
		named("20 ms RTT", symmetric(impair.Profile{Delay: oneWay})),
		named("100 ms RTT", symmetric(impair.Profile{Delay: 5 * oneWay})),
		named("2 % loss", symmetric(impair.Profile{Delay: oneWay, Loss: impair.Loss{Rate: 0.02}})),
		named("5 % loss", symmetric(impair.Profile{Delay: oneWay, Loss: impair.Loss{Rate: 0.05}})),
		named("2 Mbit/s", capped),
		named("8, 1, 8 Mbit/s", steps),
		named("3 s outage", outage),
	}
}
