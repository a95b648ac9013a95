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
	err := log.Read(ctx, events.QualityStream, events.QualityFilter(r, id), from, func(e events.Event) error {
		s, err := e.Quality()
		if err != nil {
			return nil //nolint:nilerr // of a newer version, or forged: nothing to fold
		}
		return fn(s, e)
	})
	if err != nil && !errors.Is(err, ErrEnough) {
		return fmt.Errorf("quality: read the samples of %s: %w", id, err)
	}
	return nil
}

// ErrEnough ends [Read].
var ErrEnough = errors.New("quality: enough")
