package media

import (
	"fmt"
	"log/slog"
)

// microphonePipeline plays a client's Opus. Lost packets are concealed, or restored from the next one's in-band correction. Two packets
// of 20 ms are in the buffer of the sound server at most; what comes late is heard late only until the next pause.
const microphonePipeline = playSource + "rtpopusdepay ! opusdec plc=true use-inband-fec=true ! audioconvert ! audioresample ! " +
	"audio/x-raw,format=S16LE,rate=48000,channels=2 ! " +
	"pulsesink name=sink client-name=streamstack-microphone provide-clock=false sync=false qos=false buffer-time=40000 latency-time=10000"

// microphoneJitter is how long a packet of the client waits for one before it, in milliseconds.
const microphoneJitter = 30

// opusClock is the RTP clock of Opus, whatever its sampling rate (RFC 7587, section 4.1).
const opusClock = 48000

// MicrophoneConfig says where a client's sound is played.
type MicrophoneConfig struct {
	// Server is the PulseAudio server, Device its sink whose monitor applications record from.
	Server, Device string
	// PayloadType is that of the client's packets.
	PayloadType uint8
	// Log receives what GStreamer warns of; nil means nobody.
	Log *slog.Logger
}

// Microphone plays what a client says into a sink of the sound server. Its methods are safe for concurrent use.
type Microphone struct{ *player }

// StartMicrophone connects to the sound server. A sink that is not there shows in Done and Err.
func StartMicrophone(cfg MicrophoneConfig) (*Microphone, error) {
	if cfg.Server == "" || cfg.Device == "" {
		return nil, fmt.Errorf("media: no sink for the microphone given: set Server, for instance to unix:/run/pulse/native, and Device")
	}
	f, err := startPlay(cfg.Log, fmt.Sprintf("microphone at %s of %s", cfg.Device, cfg.Server),
		fmt.Sprintf(microphonePipeline, "audio", "OPUS", opusClock, cfg.PayloadType, microphoneJitter),
		map[string]map[string]string{"sink": {"server": cfg.Server, "device": cfg.Device}})
	if err != nil {
		return nil, err
	}
	return &Microphone{f}, nil
}
