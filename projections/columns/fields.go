package columns

import (
	"encoding/json"
	"errors"
	"strings"

	"streamstack/events"
	"streamstack/projections"
)

// status is what an event by itself makes of its session, as the fold has it where nothing came before that forbids it.
var status = map[events.Name]string{
	events.Created:       string(projections.StatusCreated),
	events.Requeued:      string(projections.StatusCreated),
	events.AttemptFailed: string(projections.StatusCreated),
	events.Ready:         string(projections.StatusActive),
	events.Terminating:   string(projections.StatusTerminating),
	events.Terminated:    string(projections.StatusTerminated),
	events.Expired:       string(projections.StatusTerminated),
	events.Failed:        string(projections.StatusError),
	events.AgentLost:     string(projections.StatusError),
}

// fields are the members of payloads that have a column. They are read by name from any event, so that a type this
// version does not know fills the columns it shares with those it does.
type fields struct {
	Peer       string `json:"peer"`
	Generation int32  `json:"generation"`
	Agent      string `json:"agent"`
	Attempt    int32  `json:"attempt"`
	Instance   string `json:"instance"`
	App        string `json:"app"`
	AppVersion int32  `json:"app_version"`
	Account    string `json:"account"`
	By         string `json:"by"`
	Part       string `json:"part"`
	Reason     string `json:"reason"`
	ExitCode   *int32 `json:"exit_code"`
	Signal     string `json:"signal"`
	Code       int32  `json:"code"`
	Screen     struct {
		Width  int32 `json:"width"`
		Height int32 `json:"height"`
		FPS    int32 `json:"fps"`
	} `json:"screen"`
	Codec     string `json:"codec"`
	Encoder   string `json:"encoder"`
	To        string `json:"to"` // the encoder after encoder_changed
	Candidate string `json:"candidate"`
	Pair      struct {
		Local    struct{ Kind string } `json:"local"`
		Remote   struct{ Kind string } `json:"remote"`
		Protocol string                `json:"protocol"`
	} `json:"pair"`
	ConnectMs *int64 `json:"connect_ms"`
	Connected *bool  `json:"connected"`
}

// takeFields fills the typed columns from the payload. A member of another type than expected leaves its column null;
// the payload has it all the same.
func (r *Row) takeFields(e events.Event) {
	var f fields
	var typ *json.UnmarshalTypeError
	// On a type error encoding/json goes on with the other members.
	if err := json.Unmarshal(e.Data, &f); err != nil && !errors.As(err, &typ) {
		return
	}
	r.Peer, r.Generation, r.Agent, r.Attempt, r.Instance = f.Peer, f.Generation, f.Agent, f.Attempt, f.Instance
	r.App, r.AppVersion, r.Account = f.App, f.AppVersion, f.Account
	r.By, r.Part, r.Reason, r.ExitCode, r.Signal, r.Code = f.By, f.Part, f.Reason, f.ExitCode, f.Signal, f.Code
	r.Width, r.Height, r.FPS = f.Screen.Width, f.Screen.Height, f.Screen.FPS
	r.Codec, r.Encoder, r.ConnectMs, r.Connected = f.Codec, f.Encoder, f.ConnectMs, f.Connected
	r.LocalKind, r.RemoteKind, r.Protocol = f.Pair.Local.Kind, f.Pair.Remote.Kind, f.Pair.Protocol
	if e.Name == events.EncoderChanged {
		r.Encoder = f.To
	}
	r.CandidateKind = candidateKind(f.Candidate)
	for _, text := range []*string{&r.Peer, &r.Agent, &r.Instance, &r.App, &r.Account, &r.By, &r.Part, &r.Reason, &r.Signal,
		&r.Codec, &r.Encoder, &r.LocalKind, &r.RemoteKind, &r.Protocol} {
		*text = valid(*text)
	}
}

// candidateKind reads the kind from a candidate's line: "candidate:… typ host …" (RFC 8839, section 5.1).
func candidateKind(line string) string {
	_, rest, found := strings.Cut(line, " typ ")
	if !found {
		return ""
	}
	kind, _, _ := strings.Cut(rest, " ")
	switch kind {
	case "host", "srflx", "prflx", "relay":
		return kind
	default:
		return "" // the column's values are a closed set
	}
}
