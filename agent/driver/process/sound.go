package process

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"streamstack/agent/driver"
)

const (
	// SinkName is PulseAudio's sink for applications; what it plays is read from SinkName + ".monitor".
	SinkName = "streamstack"
	// MicrophoneSink is what the streamer plays the client's microphone into; applications record it from the default source,
	// MicrophoneSource, which is silent while there is none.
	MicrophoneSink   = "streamstack-microphone"
	MicrophoneSource = "microphone"
	// poll is how often a part that does not tell is looked at for being ready.
	poll = 3 * time.Millisecond
)

// daemonConf keeps the daemon small and predictable; it replaces the machine's daemon.conf (pulse-daemon.conf(5)). The
// streamer encodes Opus at 48 kHz, so nothing is resampled twice.
const daemonConf = `daemonize = no
use-pid-file = no
exit-idle-time = -1
scache-idle-time = -1
allow-module-loading = no
allow-exit = no
realtime-scheduling = no
high-priority = no
flat-volumes = no
default-sample-format = s16le
default-sample-rate = 48000
alternate-sample-rate = 48000
default-sample-channels = 2
default-channel-map = front-left,front-right
default-fragments = 2
default-fragment-size-msec = 5
log-target = stderr
log-level = notice
`

// nullSink are the arguments of a sink. While nobody listens such a sink plays in blocks, of two seconds unless it does without rewinding (of
// 50 ms then), and who begins to record hears nothing until the block is over: the sound came up to two seconds after the picture.
const nullSink = " rate=48000 channels=2 channel_map=front-left,front-right norewinds=1\n"

// startSound starts the instance's PulseAudio daemon and returns once clients can connect.
//
// Whoever reaches the socket may use it: it is in a folder of mode 0700, so no cookie is needed.
func (in *instance) startSound(ctx context.Context) error {
	conf, script := in.runtimeFile("daemon.conf"), in.runtimeFile("default.pa")
	// The socket comes last: when it is there, the sink is.
	commands := "load-module module-null-sink sink_name=" + SinkName + nullSink +
		"load-module module-null-sink sink_name=" + MicrophoneSink + nullSink +
		"load-module module-remap-source source_name=" + MicrophoneSource + " master=" + MicrophoneSink + ".monitor source_properties=device.description=Microphone\n" +
		"set-default-sink " + SinkName + "\n" +
		"set-default-source " + MicrophoneSource + "\n" +
		"load-module module-native-protocol-unix auth-anonymous=1 auth-cookie-enabled=0 socket=" + strconv.Quote(in.soundSocket()) + "\n"
	for path, content := range map[string]string{conf: daemonConf, script: commands} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return fmt.Errorf("process: sound: %w", err)
		}
	}
	pulse, err := in.start(command{
		part: driver.PartSound,
		argv: []string{"pulseaudio", "-n", "-F", script},
		env:  append(in.environment(), "PULSE_CONFIG="+conf, "PULSE_STATE_PATH="+in.runtimeFile("pulse"), "PULSE_RUNTIME_PATH="+in.runtimeFile("pulse")),
		log:  in.logFile("sound"),
	})
	if err != nil {
		return err
	}
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		if conn, err := (&net.Dialer{}).DialContext(ctx, "unix", in.soundSocket()); err == nil {
			_ = conn.Close() // it was only to see that it is there
			return nil
		}
		select {
		case <-ticker.C:
		case <-pulse.done:
			return notReady(ctx, pulse)
		case <-ctx.Done():
			return notReady(ctx, pulse)
		}
	}
}
