package media

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"streamstack/streamer/media/encoder"
)

const (
	// probePictures is how many pictures an encoder must give back: more than one, because a delay shows only then.
	probePictures = 3
	// probeTimeout is how long one encoder may take. Software takes some 20 ms, the first use of a GPU a second or two.
	probeTimeout = 5 * time.Second
	// The picture of the probe: small, and larger than the least size of the hardware encoders.
	probeWidth, probeHeight, probeFPS, probeKbps = 320, 240, 30, 500
)

// Probe lets every known encoder encode a few pictures and tells which of them work here, best first. An encoder that does not
// work says why. It takes well under a second for the software encoders; all are tried at the same time.
func Probe(ctx context.Context, log *slog.Logger) []Encoder {
	all := make([]Encoder, len(rows))
	var tries sync.WaitGroup
	for i, r := range rows {
		tries.Go(func() {
			all[i] = found(r)
			started := time.Now()
			if err := tryEncoder(ctx, log, r); err != nil {
				all[i].Reason = err.Error()
			} else {
				all[i].OK = true
			}
			log.Info("probed an encoder", "encoder", r.Element, "codec", r.Codec, "hardware", r.Hardware(),
				"ok", all[i].OK, "reason", all[i].Reason, "took", time.Since(started))
		})
	}
	tries.Wait()
	return all
}

// tryEncoder encodes probePictures and checks that as many come out, led by a keyframe.
func tryEncoder(ctx context.Context, log *slog.Logger, r encoder.Row) error {
	if err := initialise(); err != nil {
		return err
	}
	if err := missingOf(r); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	p, err := newPipeline(log, "the test picture for "+r.Element, fmt.Sprintf(
		"videotestsrc num-buffers=%d ! video/x-raw,format=BGRx,width=%d,height=%d,framerate=%d/1 ! %s ! %s",
		probePictures, probeWidth, probeHeight, probeFPS, describe(r, probeFPS, probeKbps), sinkElement), newEnding())
	if err != nil {
		return err
	}
	var pictures []bool // whether each is a keyframe; written by GStreamer's thread, read when it has ended
	if err := p.start(ctx, nil, func(e encoded) { pictures = append(pictures, e.keyframe) }); err != nil && !errors.Is(err, errEnded) {
		return err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("media: %s: %w", p.what, ctx.Err()), p.close())
	}
	switch {
	case !errors.Is(p.ended(), errEnded):
		return p.ended()
	case len(pictures) != probePictures || !pictures[0]:
		return fmt.Errorf("media: %s gave %d of %d pictures, or no keyframe first: not usable for live pictures", r.Element, len(pictures), probePictures)
	}
	return nil
}
