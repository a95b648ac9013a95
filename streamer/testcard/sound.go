package testcard

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const (
	// ToneHertz is the frequency of the tone.
	ToneHertz = 440
	// toneRate is in samples a second; the streamer's, so that nothing resamples.
	toneRate = 48000
	// toneFrames is the length of the loop: 11 periods of the tone fill exactly 1200 samples (25 ms), so it repeats without a click.
	toneFrames = toneRate * 11 / ToneHertz
	// toneLevel is the peak, as a part of full scale: -20 dB, which is heard well and startles nobody.
	toneLevel = 0.1
	// toneBuffer is how much sound PulseAudio keeps ahead: a tone needs no low latency, but must not stop on a busy machine.
	toneBuffer = 200 * time.Millisecond
	// soundEnd is how long pacat may take to end when asked.
	soundEnd = time.Second
)

// tone gives one loop of the tone: stereo, 16 bits, little-endian.
func tone() []byte {
	var loop bytes.Buffer
	for i := range toneFrames {
		sample := int16(math.Round(toneLevel * math.MaxInt16 * math.Sin(2*math.Pi*ToneHertz*float64(i)/toneRate)))
		for range 2 {
			loop.Write(binary.LittleEndian.AppendUint16(nil, uint16(sample)))
		}
	}
	return loop.Bytes()
}

// playTone plays until ctx ends. Sound is not worth ending the card for: what fails is logged.
func playTone(ctx context.Context, server string, log *slog.Logger) {
	if server == "" {
		log.Info("testcard: silent, since there is no PULSE_SERVER or sound is switched off")
		return
	}
	if err := pacat(ctx, server); err != nil && ctx.Err() == nil {
		log.Warn("testcard: no sound", "error", err)
	}
}

// pacat feeds the tone to PulseAudio's own client until ctx ends or it fails.
func pacat(ctx context.Context, server string) error {
	cmd := exec.CommandContext(ctx, "pacat", "--playback", "--raw", "--format=s16le", fmt.Sprintf("--rate=%d", toneRate), "--channels=2",
		fmt.Sprintf("--latency-msec=%d", toneBuffer.Milliseconds()), "--client-name=streamstack testcard")
	cmd.Env = append(os.Environ(), "PULSE_SERVER="+server)
	// Should the card be killed, pacat ends with it: its input closes.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = soundEnd
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	input, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("testcard: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("testcard: pacat (Debian: pulseaudio-utils) does not start: %w", err)
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		feed(input)
	}()
	err = cmd.Wait() // closes input, which ends feed
	<-written
	if err != nil {
		return fmt.Errorf("testcard: pacat: %w: %s", err, strings.TrimSpace(complaint.String()))
	}
	return nil
}

// feed writes the tone again and again; the pipe makes it wait for the sound card. It ends with the pipe.
func feed(to io.Writer) {
	loop := bytes.Repeat(tone(), 4) // 100 ms: ten writes a second
	for {
		if _, err := to.Write(loop); err != nil {
			return
		}
	}
}
