package events

import "errors"

// ConnectedData is streamer.connected, version 2: a client receives the stream.
type ConnectedData struct {
	Peer PeerID `json:"peer"`
	// Codec is the video's, empty without video.
	Codec   string `json:"codec,omitempty"`
	Encoder string `json:"encoder,omitempty"` // GStreamer's name of it
	// Pair is the candidate pair that ICE selected.
	Pair PairData `json:"pair"`
	// ConnectMs is the time from the client's settings to the connection, in milliseconds.
	ConnectMs int64 `json:"connect_ms"`
	// Tried are the candidate pairs that were checked by then, by kind.
	Tried []TriedData `json:"tried,omitempty"`
}

// TriedData counts the candidate pairs of one kind that the streamer's ICE checked. Candidates themselves expire; what is
// told here does not, and names no address.
type TriedData struct {
	Local    string `json:"local"`    // the kind of the streamer's candidate: host, srflx, prflx, relay
	Remote   string `json:"remote"`   // and of the client's
	Protocol string `json:"protocol"` // udp or tcp
	Count    int    `json:"count"`    // how many pairs there were
	Answered int    `json:"answered"` // on how many of them the client was reached
}

// PairData is a candidate pair (RFC 8445).
type PairData struct {
	Local  CandidateEnd `json:"local"`
	Remote CandidateEnd `json:"remote"`
	// Protocol is udp or tcp.
	Protocol string `json:"protocol"`
}

// CandidateEnd is one end of a candidate pair. Its address is personal, and this event lives long: only what operators
// need to explain a connection is kept of it.
type CandidateEnd struct {
	// Kind is host, srflx, prflx or relay (RFC 8445, section 5.1.1).
	Kind string `json:"kind"`
	// Family is ipv4 or ipv6; empty where it is not known, as in an event of version 1.
	Family string `json:"family,omitempty"`
}

// The families of addresses.
const (
	FamilyIPv4 = "ipv4"
	FamilyIPv6 = "ipv6"
)

// ConnectedDataV1 is version 1 of streamer.connected, which said nothing of the addresses' families and had the pair's
// three values side by side with the rest. It is appended no more.
type ConnectedDataV1 struct {
	Peer     PeerID `json:"peer"`
	Codec    string `json:"codec,omitempty"`   // the video's, empty without video
	Encoder  string `json:"encoder,omitempty"` // GStreamer's name of it
	Local    string `json:"local"`             // kind of the selected pair's own candidate: host, srflx, prflx, relay (RFC 8445)
	Remote   string `json:"remote"`            // and of the client's
	Protocol string `json:"protocol"`          // udp or tcp
	// ConnectMs is the time from the client's settings to the connection, in milliseconds.
	ConnectMs int64 `json:"connect_ms"`
}

// connectedToV2 moves what version 1 said of the pair into one place.
func connectedToV2(f fields) error {
	var p PairData
	if err := errors.Join(f.take("local", &p.Local.Kind), f.take("remote", &p.Remote.Kind), f.take("protocol", &p.Protocol)); err != nil {
		return err
	}
	return f.put("pair", p)
}
