package peer

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/pion/webrtc/v3"

	"streamstack/streamer/frame"
)

// Bitrates used when Config leaves them zero, in bits per second: the published range for 720p at 60 frames.
const (
	defaultMinBitrate   = 500_000
	defaultStartBitrate = 2_500_000
	defaultMaxBitrate   = 5_000_000
)

// Config says what one peer is to be.
type Config struct {
	// ID names the client in the log.
	ID string
	// Settings are what the client asked for.
	Settings Settings
	// Codecs are the video codecs we can encode, best first. They must be ones this package can packetise
	// (see Supported), and there must be one if the settings ask for video.
	Codecs []frame.Codec
	// ICEServers are the STUN and TURN servers to gather candidates from; none is fine on an open network.
	ICEServers []webrtc.ICEServer
	// Network holds the ports and addresses; nil means any port on every address of the machine.
	Network *Network
	// MinBitrate, StartBitrate and MaxBitrate bound the video's bitrate, in bits per second; zero takes a default. MinBitrate is
	// that of the full frame rate: on a path that carries less the rate of pictures falls, and the bitrate with it.
	MinBitrate, StartBitrate, MaxBitrate int
	// FPS is how many pictures a second WriteVideo is to be given; what counts as a freeze follows from it. Zero means 30.
	FPS int
	// Log must not be nil.
	Log *slog.Logger
	// Tracer, if not nil, is shown every packet's header and what is thought of the path.
	Tracer Tracer
	// Handlers are the callbacks, each of which may be nil.
	Handlers Handlers
}

// Handlers are what a peer tells its owner. See the package comment for how they are called.
type Handlers struct {
	// Candidate is called for each local ICE candidate, with mid and line index set, to be sent to the client. It may
	// come before the description has been sent; the SDK keeps early candidates.
	Candidate func(webrtc.ICECandidateInit)
	// CodecChosen is called once both descriptions are there, before Connected, if there is video.
	CodecChosen func(frame.Codec)
	// Connected is called once, when ICE and DTLS are up.
	Connected func(Connection)
	// Disconnected is called once, when the client has gone; the owner then closes the peer.
	Disconnected func(Ending)
	// Keyframe asks for a key frame, at most twice a second. The first comes right after Connected.
	Keyframe func(KeyframeCause)
	// Target gives what the encoder should aim at, whenever that changes.
	Target func(Target)
	// Decision tells of a decision on what is sent, for the record.
	Decision func(Decision)
	// ChannelOpen is called when an accepted data channel can be written to, before its first Message.
	ChannelOpen func(label string)
	// Message is called for every message on an accepted channel. data is the handler's to keep. A slow handler holds
	// back the client (SCTP flow control), never loses messages.
	Message func(label string, data []byte, isString bool)
	// Channel, if set, is given each of the page's own channels when it opens, in place of ChannelOpen and Message. The owner
	// serves it on goroutines of its own, which end after Close.
	Channel func(*Channel)
	// Track is called when the client's microphone or camera starts. The handler reads it on a goroutine of its own.
	Track func(*webrtc.TrackRemote)
}

// Connection tells how a client is connected.
type Connection struct {
	// Codec is the video codec, empty without video.
	Codec frame.Codec
	// LocalType and RemoteType are the candidate types: host, srflx, prflx or relay (RFC 8445, section 5.1).
	LocalType, RemoteType string
	// LocalFamily and RemoteFamily are ipv4 or ipv6, empty where the address is hidden behind a name (mDNS).
	LocalFamily, RemoteFamily string
	// Protocol is udp or tcp.
	Protocol string
	// Duration is the time from the client's description to the connection.
	Duration time.Duration
}

// Ending is why a connection ended without our doing.
type Ending string

const (
	// Left means the client closed the connection.
	Left Ending = "left"
	// Lost means that nothing came from the client for some seconds, or that it never got through.
	Lost Ending = "lost"
)

// KeyframeCause is why a key frame is needed.
type KeyframeCause string

const (
	// KeyframeStart is the first picture of a connection.
	KeyframeStart KeyframeCause = "start"
	// KeyframePLI is a picture loss indication of the client (RFC 4585, section 6.3.1).
	KeyframePLI KeyframeCause = "pli"
	// KeyframeFIR is a full intra request of the client (RFC 5104, section 4.3.1).
	KeyframeFIR KeyframeCause = "fir"
	// KeyframeOverflow follows pictures dropped here because they came faster than they could be sent.
	KeyframeOverflow KeyframeCause = "overflow"
	// KeyframeOutage follows a time in which nothing was heard of the client, and nothing was sent.
	KeyframeOutage KeyframeCause = "outage"
	// KeyframeEncoder is one that nobody had asked for; it is counted only.
	KeyframeEncoder KeyframeCause = "encoder"
)

// Reason is why we close a peer.
type Reason string

const (
	// Ended means that the stream is over: session deleted, instance stopping. The client is told by an SCTP ABORT.
	Ended Reason = "ended"
	// Displaced means that another client took the session over. The client is told by an SCTP ABORT.
	Displaced Reason = "displaced"
	// Gone means that the client has gone already: there is nobody to tell.
	Gone Reason = "gone"
)

func (c *Config) validate() error {
	if c.Log == nil {
		return errors.New("peer: Config.Log is nil, give a logger")
	}
	if c.Settings.APIVersion == 0 {
		c.Settings.APIVersion = 2
	}
	if err := c.Settings.Validate(); err != nil {
		return err
	}
	for _, codec := range c.Codecs {
		if !Supported(codec) {
			return fmt.Errorf("peer: cannot packetise %s: take it out of Config.Codecs", codec)
		}
	}
	if c.Settings.EnableVideo && len(c.Codecs) == 0 {
		return errors.New("peer: the client asks for video and Config.Codecs is empty: name a codec")
	}
	if c.FPS = orDefault(c.FPS, defaultFPS); c.FPS < 0 {
		return fmt.Errorf("peer: Config.FPS is %d, give the pictures a second", c.FPS)
	}
	c.MinBitrate = orDefault(c.MinBitrate, defaultMinBitrate)
	c.MaxBitrate = orDefault(c.MaxBitrate, max(defaultMaxBitrate, c.MinBitrate))
	c.StartBitrate = min(max(orDefault(c.StartBitrate, defaultStartBitrate), c.MinBitrate), c.MaxBitrate)
	if c.MinBitrate < 0 || c.MinBitrate > c.MaxBitrate {
		return fmt.Errorf("peer: bitrates %d to %d bit/s: the minimum must not be above the maximum", c.MinBitrate, c.MaxBitrate)
	}
	return nil
}

func orDefault(v, otherwise int) int {
	if v == 0 {
		return otherwise
	}
	return v
}
