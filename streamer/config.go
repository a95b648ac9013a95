package streamer

import (
	"context"
	"log/slog"
	"time"

	"streamstack/events"
	"streamstack/events/bridge"
	"streamstack/streamer/bitrate"
	"streamstack/streamer/control"
	"streamstack/streamer/frame"
	"streamstack/streamer/peer"
)

const (
	// captureTime bounds the start of a capture.
	captureTime = 10 * time.Second
	// negotiateTime bounds the making of an offer or an answer.
	negotiateTime = 10 * time.Second
	// appendTime is how long an event is offered to a log that does not answer, appendRetry the pause between.
	appendTime, appendRetry = 30 * time.Second, 200 * time.Millisecond
	// resizeTime bounds the change of the display's size.
	resizeTime = 5 * time.Second
	// goodbyeTime bounds what is left to say when the streamer ends.
	goodbyeTime = 1500 * time.Millisecond
	// inputTime bounds the taking of one input message.
	inputTime = time.Second
)

// Video is a running capture of the display.
type Video interface {
	RequestKeyframe()
	SetBitrate(kbps int) error
	// SetFrameRate sets how many pictures a second there are at most, up to the screen's rate.
	SetFrameRate(fps int) error
	// Acted tells that the client has just done something: the next change on the screen may be what it waits for.
	Acted()
	// Follow tells how pictures meet the client's display.
	Follow(r frame.Rhythm)
	Done() <-chan struct{}
	Err() error
	Close() error
}

// Audio is a running capture of the sound.
type Audio interface {
	Done() <-chan struct{}
	Err() error
	Close() error
}

// Media starts captures. sink must not block.
type Media interface {
	StartVideo(ctx context.Context, e Encoder, s events.Screen, kbps int, sink func(frame.Video)) (Video, error)
	StartAudio(ctx context.Context, sink func(frame.Audio)) (Audio, error)
}

// Input injects what a client does.
type Input interface {
	Handle(ctx context.Context, m control.Message) error
	ReleaseAll(ctx context.Context) error
	Done() <-chan struct{}
	Err() error
}

// Encoder is one that was found to work.
type Encoder struct {
	Codec    frame.Codec
	Element  string
	Hardware bool
}

// Config is what a streamer is made of; all fields but Attempt, User, Resize, DisabledCodecs, Network, ADB, ClientFile,
// DataSockets, Devices, FileInbox, FileOutbox, Extras, APISocket, Traces, LogCandidates and QualityEvery are required.
type Config struct {
	Log     *events.Log
	Logger  *slog.Logger
	Region  events.Region
	Session events.SessionID
	// Attempt is the claim of the session that the streamer belongs to, from 1; with 0 it never counts as over.
	Attempt int
	// User is the public key of the streamer's NATS user, which its heartbeats tell so that its agent renews it; may be empty.
	User   string
	Screen events.Screen
	Media  Media
	Input  Input
	// Resize gives the display, and the positions of the input, another size and rate, and returns what it has got: a display may have a
	// least size. It is called while nothing is captured. Nil means that the display cannot be resized.
	Resize func(context.Context, events.Screen) (events.Screen, error)
	Extras Extras
	// Encoders are those that work, best first.
	Encoders []Encoder
	// DisabledCodecs are not offered though they could be encoded.
	DisabledCodecs []frame.Codec
	// Audio tells whether the application has sound.
	Audio   bool
	Bitrate bitrate.Table
	Network *peer.Network
	// ADB reaches the port that shares lead to; nil where the application has none.
	ADB func(context.Context) (bridge.Stream, error)
	// ClientFile, if not empty, is where the application finds what it should know of the client (see clientInfo).
	ClientFile string
	// DataSockets is the folder where programs find the sockets of the page's own data channels (package datasocket); empty
	// means that a page has no such channels.
	DataSockets string
	// Devices show the client's microphone and camera to applications; nil where an instance has none.
	Devices Devices
	// FileInbox and FileOutbox are the folders of files that come from the page, and that it may fetch (package files); empty means
	// that no files are carried.
	FileInbox, FileOutbox string
	// APISocket is where programs of the instance find its API (package instanceapi); empty means that there is none. Traces is the folder
	// of the RTC event log that they can switch on.
	APISocket, Traces string
	// LogCandidates has ICE candidates logged, with full addresses.
	LogCandidates bool
	// QualityEvery is the time between two samples of a client's quality; zero means [events.QualityEvery].
	QualityEvery time.Duration
}

func (c *Config) qualityEvery() time.Duration {
	if c.QualityEvery > 0 {
		return c.QualityEvery
	}
	return events.QualityEvery
}
