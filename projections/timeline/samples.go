package timeline

import (
	"context"

	"streamstack/events"
	"streamstack/projections/quality"
)

// readQuality hands on what was measured and decided in the session that an event is of, oldest first, up to the first that keep
// does not take.
func readQuality(ctx context.Context, log *events.Log, of events.Event, keep func(events.Event) bool, v quality.Visitor) error {
	return quality.ReadAll(ctx, log, of.Region, of.Session, 0, quality.Visitor{
		Sample: func(s events.QualitySample, e events.Event) error {
			if !keep(e) {
				return quality.ErrEnough
			}
			return v.Sample(s, e)
		},
		Decisions: func(d events.QualityDecisions, e events.Event) error {
			if !keep(e) {
				return quality.ErrEnough
			}
			return v.Decisions(d, e)
		},
	})
}

// foldQuality folds what [readQuality] reads. With an error it returns what was read before.
func foldQuality(ctx context.Context, log *events.Log, of events.Event, keep func(events.Event) bool) (*quality.Clients, error) {
	clients := &quality.Clients{}
	err := readQuality(ctx, log, of, keep, quality.Visitor{
		Sample:    func(s events.QualitySample, _ events.Event) error { clients.Apply(s); return nil },
		Decisions: func(d events.QualityDecisions, _ events.Event) error { clients.Decide(d); return nil },
	})
	return clients, err
}
