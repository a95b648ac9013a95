package media

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"streamstack/streamer/media/encoder"
)

const (
	// probePictures is how many pictures an encoder must give back: more than one, because a delay shows only then, and enough that a
	// keyframe which is asked for with the first can be among them.
	probePictures = 6
	// probeTimeout is how long one encoder may take. Software takes some 20 ms, the first use of a GPU a second or two.
	probeTimeout = 5 * time.Second
	// The picture of the probe: small, and larger than the least size of the hardware encoders.
	probeWidth, probeHeight, probeFPS, probeKbps = 320, 240, 30, 500
)

// Probe lets every known encoder encode a few pictures and tells which of them work here, best first. An encoder that does not
// work says why. It takes well under a second for the software encoders; all are tried at the same time.
func Probe(ctx context.Context, log *slog.Logger) []Encoder { return probe(ctx, log, rows) }

func probe(ctx context.Context, log *slog.Logger, rows []encoder.Row) []Encoder {
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

// tryEncoder encodes probePictures and checks that as many come out, led by a keyframe, and that another comes when it is asked for:
// without that nobody could join late or recover from loss.
func tryEncoder(ctx context.Context, log *slog.Logger, r encoder.Row) error {
	if err := initialise(); err != nil {
		return err
	}
	if err := missingOf(r); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	v := &Video{row: r, fps: probeFPS}
	var err error
	v.pipeline, err = newPipeline(log, "the test picture for "+r.Element, fmt.Sprintf(
		"videotestsrc num-buffers=%d ! video/x-raw,format=BGRx,width=%d,height=%d,framerate=%d/1 ! %s ! %s",
		probePictures, probeWidth, probeHeight, probeFPS, describe(r, probeFPS, probeKbps), sinkElement), newEnding())
	if err != nil {
		return err
	}
	if v.encoder, err = v.pipeline.element("encoder"); err != nil {
		return err
	}
	var keyframes []bool // written by GStreamer's thread, read when it has ended
	err = v.pipeline.start(ctx, func(e encoded) {
		if keyframes = append(keyframes, e.keyframe); len(keyframes) == 1 {
			v.RequestKeyframe()
		}
	})
	if err != nil && !errors.Is(err, errEnded) {
		return err
	}
	select {
	case <-v.pipeline.done:
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("media: %s: %w", v.pipeline.what, ctx.Err()), v.pipeline.close())
	}
	if err := v.pipeline.ended(); !errors.Is(err, errEnded) {
		return err
	}
	return judge(r, keyframes)
}

// judge tells what is wrong with what an encoder gave.
func judge(r encoder.Row, keyframes []bool) error {
	switch {
	case len(keyframes) != probePictures || !keyframes[0]:
		return fmt.Errorf("media: %s gave %d of %d pictures, or no keyframe first: not usable for live pictures", r.Element, len(keyframes), probePictures)
	case !slices.Contains(keyframes[1:], true):
		return fmt.Errorf("media: this version of %s gives no keyframe when it is asked for one, without which nobody can join or recover from loss: try a newer GStreamer", r.Element)
	}
	return nil
}
