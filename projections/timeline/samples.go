package timeline

import (
	"context"

	"streamstack/events"
	"streamstack/projections/quality"
)

// readSamples hands on the quality samples of the session that an event is of, oldest first, up to the first that keep
// does not take.
func readSamples(ctx context.Context, log *events.Log, of events.Event, keep func(events.Event) bool, fn func(events.QualitySample, events.Event) error) error {
	return quality.Read(ctx, log, of.Region, of.Session, 0, func(s events.QualitySample, e events.Event) error {
		if !keep(e) {
			return quality.ErrEnough
		}
		return fn(s, e)
	})
}

// foldSamples folds what [readSamples] reads. With an error it returns what was read before.
func foldSamples(ctx context.Context, log *events.Log, of events.Event, keep func(events.Event) bool) (*quality.Clients, error) {
	clients := &quality.Clients{}
	err := readSamples(ctx, log, of, keep, func(s events.QualitySample, _ events.Event) error {
		clients.Apply(s)
		return nil
	})
	return clients, err
}
