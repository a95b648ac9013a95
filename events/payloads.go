package events

// Screen is the display of a session. Width and height are in pixels and even, fps in frames a second, density in
// dots per inch.
type Screen struct {
	Width   int `json:"width"`
	Height  int `json:"height"`
	FPS     int `json:"fps"`
	Density int `json:"density"`
}

// CreatedData is gateway.created.
type CreatedData struct {
	App        string `json:"app"`
	AppVersion int    `json:"app_version,omitempty"` // 0: the latest
	Joinable   bool   `json:"joinable"`
	// IdleTimeMin is in minutes; nil where the request named none, 0 for never.
	IdleTimeMin *int   `json:"idle_time_min,omitempty"`
	Ephemeral   bool   `json:"ephemeral"`
	Screen      Screen `json:"screen"`
	Account     string `json:"account,omitempty"`
	// HasExtraData tells that an extra_data event follows.
	HasExtraData bool `json:"has_extra_data,omitempty"`
}

// ExtraDataData is gateway.extra_data: the request's extra_data as it came.
type ExtraDataData struct {
	ExtraData Raw `json:"extra_data"`
}

// JoinedData is gateway.joined: a token for a socket was issued, and this peer displaces all earlier ones.
type JoinedData struct {
	Peer       PeerID  `json:"peer"`
	Generation int     `json:"generation"` // 1 for the session's creator, then rising
	Role       string  `json:"role"`       // slave
	Screen     *Screen `json:"screen,omitempty"`
	Account    string  `json:"account,omitempty"`
}

// TerminatingData is gateway.terminating.
type TerminatingData struct {
	By     string `json:"by"` // account:NAME, idle, client_left, launch_deadline
	Reason string `json:"reason"`
}

// RequeuedData is gateway.requeued.
type RequeuedData struct {
	Attempt int    `json:"attempt"`
	Reason  string `json:"reason"`
}

// EndedData is gateway.expired, gateway.agent_lost and agent.terminated.
type EndedData struct {
	Agent   AgentID `json:"agent,omitempty"`
	Attempt int     `json:"attempt,omitempty"`
	Reason  string  `json:"reason"`
}

// ClaimedData is agent.claimed.
type ClaimedData struct {
	Agent   AgentID `json:"agent"`
	Attempt int     `json:"attempt"` // 1, 2, …
	Driver  string  `json:"driver"`
}

// LaunchedData is agent.launched.
type LaunchedData struct {
	Agent    AgentID `json:"agent"`
	Attempt  int     `json:"attempt"`
	Instance string  `json:"instance"`
}

// FailedData is agent.failed and agent.attempt_failed.
type FailedData struct {
	Agent   AgentID `json:"agent"`
	Attempt int     `json:"attempt"`
	// Part is what failed: launch, application, display, sound, streamer, agent.
	Part     string `json:"part"`
	Reason   string `json:"reason"` // for people
	ExitCode *int   `json:"exit_code,omitempty"`
	Signal   string `json:"signal,omitempty"`
	LogTail  string `json:"log_tail,omitempty"`
}

// ReadyData is streamer.ready.
type ReadyData struct {
	Encoders []EncoderData `json:"encoders" jsonschema:"nullable"`
	Codecs   []string      `json:"codecs" jsonschema:"nullable"`
	Screen   Screen        `json:"screen"`
	// Discover is what resp:discover says (signalling.md, section 2).
	Discover DiscoverData `json:"discover"`
}

// DiscoverData is the body of resp:discover.
type DiscoverData struct {
	MaxAPIVersion int      `json:"max_api_version"`
	FPS           int      `json:"fps,omitempty"`
	Capabilities  []string `json:"capabilities,omitempty"`
}

// EncoderData names one encoder that works on the instance's machine.
type EncoderData struct {
	Codec    string `json:"codec"`
	Element  string `json:"element"`
	Hardware bool   `json:"hardware"`
}

// SDPData is offer and answer of either side; SDP is plain text (RFC 8866).
type SDPData struct {
	Peer PeerID `json:"peer"`
	SDP  string `json:"sdp"`
	// DataChannels are the page's channels in a client's offer (API version 1).
	DataChannels []string `json:"data_channels,omitempty"`
}

// CandidateData is a trickled ICE candidate (RFC 8838) of either side, as in RTCIceCandidateInit.
type CandidateData struct {
	Peer          PeerID  `json:"peer"`
	Candidate     string  `json:"candidate"`
	SDPMid        *string `json:"sdp_mid,omitempty"`
	SDPMLineIndex *uint16 `json:"sdp_mline_index,omitempty"`
}

// ResizedData is streamer.resized.
type ResizedData struct {
	Peer   PeerID `json:"peer"`
	Screen Screen `json:"screen"`
}

// EncoderChangedData is streamer.encoder_changed.
type EncoderChangedData struct {
	Peer   PeerID `json:"peer,omitempty"`
	Codec  string `json:"codec"`
	From   string `json:"from"`
	To     string `json:"to"`
	Reason string `json:"reason"`
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
	Reason  string `json:"reason"`
	Message string `json:"message,omitempty"`
	// Connected tells whether the peer had been connected: a refused one had not.
	Connected bool `json:"connected"`
}

// AttachedData is client.attached.
type AttachedData struct {
	Peer PeerID `json:"peer"`
	// Resumed is the sequence after which a resuming client asked to go on (?after=).
	Resumed *Seq `json:"resumed,omitempty"`
}

// SettingsData is client.settings; Settings is the message as the client sent it.
type SettingsData struct {
	Peer     PeerID `json:"peer"`
	Settings Raw    `json:"settings"`
}

// MessageData is client.message: a type we do not know, carried.
type MessageData struct {
	Peer    PeerID `json:"peer"`
	Message Raw    `json:"message"`
}

// DetachedData is client.detached; Code is the close code of RFC 6455, section 7.4 (1006 when the connection just went).
type DetachedData struct {
	Peer   PeerID `json:"peer"`
	Code   int    `json:"code"`
	Reason string `json:"reason,omitempty"`
}

// PeerOf reads the peer that an event of a negotiation is about; empty where there is none.
type peerOnly struct {
	Peer PeerID `json:"peer"`
}
