package quality

import (
	"context"
	"errors"
	"fmt"

	"streamstack/events"
)

// Read hands on the samples of one session from the sequence from on, oldest first. What is no sound sample is left out. It
// ends early, without an error, when fn returns [ErrEnough].
func Read(ctx context.Context, log *events.Log, r events.Region, id events.SessionID, from events.Seq, fn func(events.QualitySample, events.Event) error) error {
	return ReadAll(ctx, log, r, id, from, Visitor{Sample: fn})
}

// Visitor takes the events of the stream. A nil function leaves its kind out.
type Visitor struct {
	Sample    func(events.QualitySample, events.Event) error
	Decisions func(events.QualityDecisions, events.Event) error
}

func (v Visitor) visit(e events.Event) error {
	if s, err := e.Quality(); err == nil {
		if v.Sample == nil {
			return nil
		}
		return v.Sample(s, e)
	}
	if d, err := e.Decisions(); err == nil && v.Decisions != nil {
		return v.Decisions(d, e)
	}
	return nil // of a newer version, or forged: nothing to fold
}

// ReadAll hands on both kinds of events of one session, as [Read] does the samples.
func ReadAll(ctx context.Context, log *events.Log, r events.Region, id events.SessionID, from events.Seq, v Visitor) error {
	err := log.Read(ctx, events.QualityStream, events.QualityFilter(r, id), from, v.visit)
	if err != nil && !errors.Is(err, ErrEnough) {
		return fmt.Errorf("quality: read what was measured of %s: %w", id, err)
	}
	return nil
}

// ErrEnough ends [Read] and [ReadAll].
var ErrEnough = errors.New("quality: enough")
