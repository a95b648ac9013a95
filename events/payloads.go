package events

// Screen is the display of a session. Width and height are in pixels and even, fps in frames a second, density in
// dots per inch.
type Screen struct {
	Width   int `json:"width"`   // pixels, even
	Height  int `json:"height"`  // pixels, even
	FPS     int `json:"fps"`     // frames a second
	Density int `json:"density"` // dots per inch
}

// CreatedData is gateway.created.
type CreatedData struct {
	App        string `json:"app"`                   // the application's name
	AppVersion int    `json:"app_version,omitempty"` // 0: the latest
	Joinable   bool   `json:"joinable"`              // further clients may be let in
	// IdleTimeMin is in minutes; nil where the request named none, 0 for never.
	IdleTimeMin *int   `json:"idle_time_min,omitempty"`
	Ephemeral   bool   `json:"ephemeral"` // nothing of it is shown once it has ended in order
	Screen      Screen `json:"screen"`
	Account     string `json:"account,omitempty"` // who asked for it
	// HasExtraData tells that an extra_data event follows.
	HasExtraData bool `json:"has_extra_data,omitempty"`
}

// ExtraDataData is gateway.extra_data: the request's extra_data as it came.
type ExtraDataData struct {
	ExtraData Raw `json:"extra_data"` // any JSON
}

// The roles of clients.
const (
	RoleClient = "slave"  // the client, by its name in the sockets' paths
	RoleViewer = "viewer" // one that only watches
)

// JoinedData is gateway.joined: a token for a socket was issued. A client displaces the one before; a viewer displaces nobody.
type JoinedData struct {
	Peer       PeerID  `json:"peer"`
	Generation int     `json:"generation"` // 1 for the session's creator, then rising; viewers are counted for themselves
	Role       string  `json:"role"`       // slave, or viewer for one that only watches
	Screen     *Screen `json:"screen,omitempty"`
	Account    string  `json:"account,omitempty"` // who asked for it
}

// TerminatingData is gateway.terminating.
type TerminatingData struct {
	By     string `json:"by"`     // account:NAME, idle, client_left, launch_deadline
	Reason string `json:"reason"` // for people
}

// RequeuedData is gateway.requeued.
type RequeuedData struct {
	Attempt int    `json:"attempt"` // the one that is over
	Reason  string `json:"reason"`  // for people
}

// EndedData is gateway.expired, gateway.agent_lost and agent.terminated.
type EndedData struct {
	Agent   AgentID `json:"agent,omitempty"`
	Attempt int     `json:"attempt,omitempty"` // of the claim that it is about; 1 is the first
	Reason  string  `json:"reason"`            // for people
}

// ClaimedData is agent.claimed.
type ClaimedData struct {
	Agent   AgentID `json:"agent"`
	Attempt int     `json:"attempt"` // 1, 2, …
	Driver  string  `json:"driver"`  // how the agent will launch the instance: process
}

// PullingData is agent.pulling: a launch waits for an image that the agent's container engine fetches.
type PullingData struct {
	Agent   AgentID `json:"agent"`
	Attempt int     `json:"attempt"`         // of the claim that it is about; 1 is the first
	Image   string  `json:"image"`           // the image's name
	Done    int64   `json:"done"`            // bytes that have been fetched
	Total   int64   `json:"total,omitempty"` // bytes in all, as far as they are known by now; 0 for unknown
	Over    bool    `json:"over,omitempty"`  // the image is there
}

// LaunchedData is agent.launched.
type LaunchedData struct {
	Agent    AgentID `json:"agent"`
	Attempt  int     `json:"attempt"`  // of the claim that it is about; 1 is the first
	Instance string  `json:"instance"` // the driver's name for it
	// Warm tells that it was up before the session came, and waited for one.
	Warm bool `json:"warm,omitempty"`
}

// What kind of failure ended an attempt, or a session.
const (
	CauseDeadline = "deadline" // the launch, or the streamer, was not ready in time
	CauseFull     = "full"     // the host has no room
	CauseMissing  = "missing"  // the application, its image or a program that it needs is not on the agent's host
	CauseAway     = "away"     // what runs the instances does not answer
	CauseLog      = "log"      // NATS did not answer while the instance was being launched
	CauseRefused  = "refused"  // the session asks for what no agent can launch
	CauseLaunch   = "launch"   // the launch failed otherwise
	CauseDied     = "died"     // a part of the instance ended by itself
	CauseMemory   = "memory"   // the instance used more memory than it is allowed
	CauseHung     = "hung"     // the streamer gave no sign of life
	CauseVanished = "vanished" // the agent was away, and its instance is gone
)

// FailedData is agent.failed and agent.attempt_failed.
type FailedData struct {
	Agent   AgentID `json:"agent"`
	Attempt int     `json:"attempt"` // of the claim that it is about; 1 is the first
	// Part is what failed: launch, instance, application, display, sound, streamer, agent.
	Part string `json:"part"`
	// Cause is what kind of failure it was, for programs; see the constants. Empty in events of older agents.
	Cause    string `json:"cause,omitempty"`
	Reason   string `json:"reason"`              // for people
	ExitCode *int   `json:"exit_code,omitempty"` // the process's, if it exited
	Signal   string `json:"signal,omitempty"`    // that ended the process, such as SIGSEGV
	LogTail  string `json:"log_tail,omitempty"`  // the end of what it printed
}

// ReadyData is streamer.ready.
type ReadyData struct {
	Encoders []EncoderData `json:"encoders" jsonschema:"nullable"` // those that work, the best first
	Codecs   []string      `json:"codecs" jsonschema:"nullable"`   // for which there is an encoder, the best first
	Screen   Screen        `json:"screen"`
	// Discover is what resp:discover says (signalling.md, section 2).
	Discover DiscoverData `json:"discover"`
	// ADB tells that a share leads to a TCP port of the application.
	ADB bool `json:"adb,omitempty"`
	// Via is how the streamer speaks, ViaMaster or empty: by itself.
	Via string `json:"via,omitempty"` // master: behind the gateway's master socket, which appends for it as its user
}

// ViaMaster is [ReadyData.Via] of a streamer that is not ours: what it says comes through the gateway's master socket.
const ViaMaster = "master"

// DiscoverData is the body of resp:discover.
type DiscoverData struct {
	MaxAPIVersion int      `json:"max_api_version"`        // of the signalling protocol
	FPS           int      `json:"fps,omitempty"`          // the most that the streamer will send a second
	Capabilities  []string `json:"capabilities,omitempty"` // what else it can do, such as audio
}

// EncoderData names one encoder that works on the instance's machine.
type EncoderData struct {
	Codec    string `json:"codec"`    // h264, vp8, …
	Element  string `json:"element"`  // GStreamer's name of it
	Hardware bool   `json:"hardware"` // made by a device, not by the CPU
}

// SDPData is offer and answer of either side; SDP is plain text (RFC 8866).
type SDPData struct {
	Peer PeerID `json:"peer"`
	SDP  string `json:"sdp"` // the session description, with its ICE password
	// DataChannels are the page's channels in a client's offer (API version 1).
	DataChannels []string `json:"data_channels,omitempty"`
}

// CandidateData is a trickled ICE candidate (RFC 8838) of either side, as in RTCIceCandidateInit.
type CandidateData struct {
	Peer          PeerID  `json:"peer"`
	Candidate     string  `json:"candidate"`                 // the candidate-attribute (RFC 8839, section 5.1); empty after the last
	SDPMid        *string `json:"sdp_mid,omitempty"`         // identification tag of its media (RFC 5888)
	SDPMLineIndex *uint16 `json:"sdp_mline_index,omitempty"` // place of its media in the SDP, from 0
}

// ResizedData is streamer.resized.
type ResizedData struct {
	Peer   PeerID `json:"peer"`
	Screen Screen `json:"screen"`
}

// EncoderChangedData is streamer.encoder_changed.
type EncoderChangedData struct {
	Peer   PeerID `json:"peer,omitempty"`
	Codec  string `json:"codec"`  // stays what it is
	From   string `json:"from"`   // the encoder that failed
	To     string `json:"to"`     // the one in its place
	Reason string `json:"reason"` // for people
	// PauseMs is the time from the failure to the other encoder's first picture; missing from events of earlier releases.
	PauseMs int64 `json:"pause_ms,omitempty"`
}

// The reasons of a disconnection.
const (
	ReasonLeft      = "left"      // the client said so, or closed its connection
	ReasonLost      = "lost"      // ICE failed, or stayed disconnected
	ReasonDisplaced = "displaced" // another client joined
	ReasonRefused   = "refused"   // the negotiation failed; Message says why
	ReasonEnded     = "ended"     // the instance is going down
)

// DisconnectedData is streamer.disconnected.
type DisconnectedData struct {
	Peer    PeerID `json:"peer"`
	Reason  string `json:"reason"`            // left, lost, displaced, refused, ended
	Message string `json:"message,omitempty"` // for people
	// Connected tells whether the peer had been connected: a refused one had not.
	Connected bool `json:"connected"`
	// InputDropped counts the messages of input that a viewer sent and that had no effect.
	InputDropped uint64 `json:"input_dropped,omitempty"`
	// Tried are the candidate pairs that were checked in vain, by kind, where the peer had not been connected.
	Tried []TriedData `json:"tried,omitempty"`
}

// AttachedData is client.attached.
type AttachedData struct {
	Peer PeerID `json:"peer"`
	Role string `json:"role,omitempty"` // as in joined
	// Resumed is the sequence after which a resuming client asked to go on (?after=).
	Resumed *Seq `json:"resumed,omitempty"`
}

// SettingsData is client.settings; Settings is the message as the client sent it.
type SettingsData struct {
	Peer     PeerID `json:"peer"`
	Settings Raw    `json:"settings"` // any JSON; signalling.md has what clients send
}

// MessageData is client.message: a type we do not know, carried.
type MessageData struct {
	Peer    PeerID `json:"peer"`
	Message Raw    `json:"message"` // any JSON
}

// DetachedData is client.detached; Code is the close code of RFC 6455, section 7.4 (1006 when the connection just went).
type DetachedData struct {
	Peer   PeerID `json:"peer"`
	Code   int    `json:"code"`             // RFC 6455, section 7.4; 1006 when the connection just went
	Reason string `json:"reason,omitempty"` // that the client gave
}

// PeerOf reads the peer that an event of a negotiation is about; empty where there is none.
type peerOnly struct {
	Peer PeerID `json:"peer"`
}
