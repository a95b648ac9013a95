package timeline

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"streamstack/events"
)

// Summary says in one line what an event brought. label is how a line about a peer begins; nil means [PeerLabel]. An
// event that is quarantined, unknown, of a newer version or malformed is shown as its JSON, shortened.
func Summary(e events.Event, label func(events.PeerID) string) string {
	if label == nil {
		label = PeerLabel
	}
	text, ok := "", false
	if f := summaries[e.Name]; f != nil && e.Sound() && e.Session != "" {
		text, ok = f(e)
	}
	if !ok {
		text = string(e.Data)
	} else {
		text = label(e.Peer()) + text
	}
	return shorten(strings.TrimSuffix(clean(text), ": "))
}

var summaries = map[events.Name]func(events.Event) (string, bool){
	events.Created:       of(created),
	events.ExtraData:     of(func(d events.ExtraDataData) string { return size(len(d.ExtraData)) }),
	events.Joined:        of(joined),
	events.Shared:        of(shared),
	events.ShareRevoked:  of(func(d events.ShareRevokedData) string { return string(d.ID) + ": " + by(d.Reason, d.Account) }),
	events.ShareOpened:   of(func(d events.ShareOpenedData) string { return string(d.ID) }),
	events.ShareClosed:   of(shareClosed),
	events.Terminating:   of(terminating),
	events.Requeued:      of(func(d events.RequeuedData) string { return "attempt " + itoa(d.Attempt) + ": " + d.Reason }),
	events.Expired:       of(func(d events.EndedData) string { return d.Reason }),
	events.AgentLost:     of(agentLost),
	events.Terminated:    of(func(d events.EndedData) string { return d.Reason }),
	events.Claimed:       of(claimed),
	events.Pulling:       of(pulling),
	events.Launched:      of(launched),
	events.AttemptFailed: of(func(d events.FailedData) string { return "attempt " + itoa(d.Attempt) + ": " + failure(d) }),
	events.Failed:        of(failure),

	events.Ready:          of(ready),
	events.Connected:      of(connected),
	events.Resized:        of(func(d events.ResizedData) string { return screen(d.Screen) }),
	events.EncoderChanged: of(encoderChanged),
	events.Disconnected:   of(disconnected),

	events.FileTransferred: of(fileTransferred),
	events.DeviceChanged:   of(deviceChanged),

	events.Attached: of(attached),
	events.Settings: of(settings),
	events.Message:  of(func(d events.MessageData) string { return string(d.Message) }),
	events.Detached: of(detached),

	events.Offer:     of(description),
	events.Answer:    of(description),
	events.Candidate: of(func(d events.CandidateData) string { return kinds{candidateKind(d.Candidate): 1}.String() }),
}

// of makes a summary of a function of the payload; not ok when the payload is none.
func of[T any](f func(T) string) func(events.Event) (string, bool) {
	return func(e events.Event) (string, bool) {
		var d T
		if e.Decode(&d) != nil {
			return "", false
		}
		return f(d), true
	}
}

func created(d events.CreatedData) string {
	parts := []string{d.App}
	if d.AppVersion > 0 {
		parts[0] += " version " + itoa(d.AppVersion)
	}
	parts = append(parts, screen(d.Screen))
	if d.Joinable {
		parts = append(parts, "joinable")
	}
	if d.IdleTimeMin != nil {
		if *d.IdleTimeMin == 0 {
			parts = append(parts, "never idle")
		} else {
			parts = append(parts, "ends after "+itoa(*d.IdleTimeMin)+" min idle")
		}
	}
	if d.Account != "" {
		parts = append(parts, "by "+d.Account)
	}
	return strings.Join(parts, ", ")
}

func joined(d events.JoinedData) string {
	s := "token for a socket"
	if d.Role == events.RoleViewer {
		s = "token for a viewer's socket"
	}
	if d.Screen != nil {
		s += ", " + screen(*d.Screen)
	}
	if d.Account != "" {
		s += ", by " + d.Account
	}
	return s
}

func shared(d events.SharedData) string {
	s := string(d.ID) + " for " + d.Type + " until " + time.Unix(d.ExpiryAt, 0).UTC().Format(time.RFC3339)
	if d.Description != "" {
		s += " (" + d.Description + ")"
	}
	return by(s, d.Account)
}

func shareClosed(d events.ShareClosedData) string {
	return string(d.ID) + ": " + d.Reason + ", " + size(int(min(d.BytesUp, math.MaxInt))) + " up, " + size(int(min(d.BytesDown, math.MaxInt))) + " down"
}

// by adds who did it, where that is known.
func by(what, account string) string {
	if account == "" {
		return what
	}
	return what + ", by " + account
}

// terminating names who it was where the reason does not.
func terminating(d events.TerminatingData) string {
	_, name, found := strings.Cut(d.By, ":")
	if found && strings.Contains(d.Reason, name) {
		return d.Reason
	}
	return d.By + ": " + d.Reason
}

func agentLost(d events.EndedData) string { return "agent " + string(d.Agent) + ": " + d.Reason }

func claimed(d events.ClaimedData) string {
	s := "agent " + string(d.Agent) + ", attempt " + itoa(d.Attempt)
	if d.Driver != "" {
		s += ", driver " + d.Driver
	}
	return s
}

func pulling(d events.PullingData) string {
	s := "image " + d.Image
	switch {
	case d.Over:
		return s + " is there"
	case d.Total > 0:
		return s + ": " + size(int(d.Done)) + " of " + size(int(d.Total))
	}
	return s
}

func launched(d events.LaunchedData) string {
	return "instance " + d.Instance + " by agent " + string(d.Agent) + ", attempt " + itoa(d.Attempt)
}

// failure says what failed and why, with what the reason may leave out.
func failure(d events.FailedData) string {
	s := d.Reason
	if d.Part != "" && !strings.Contains(s, d.Part) {
		s = d.Part + ": " + s
	}
	if d.ExitCode != nil && !strings.Contains(s, itoa(*d.ExitCode)) {
		s += " (exit code " + itoa(*d.ExitCode) + ")"
	}
	if d.Signal != "" && !strings.Contains(s, d.Signal) {
		s += " (" + d.Signal + ")"
	}
	return s
}

func ready(d events.ReadyData) string {
	var encoders []string
	for _, x := range d.Encoders {
		encoders = append(encoders, x.Codec+" by "+x.Element)
	}
	if encoders == nil {
		encoders = []string{"no encoder"}
	}
	return strings.Join(encoders, ", ") + "; " + screen(d.Screen)
}

// media says what a client receives and on what way.
func media(d events.ConnectedData) string {
	way := or(d.Pair.Local.Kind, "?") + "↔" + or(d.Pair.Remote.Kind, "?") + " " + d.Pair.Protocol
	if d.Pair.Local.Family == events.FamilyIPv6 {
		way += " over IPv6" // worth a word, for the other is the rule
	}
	if d.Codec == "" {
		return way
	}
	s := d.Codec
	if d.Encoder != "" {
		s += " by " + d.Encoder
	}
	return s + ", " + way
}

// connected says what was chosen, and of what.
func connected(d events.ConnectedData) string {
	s := media(d) + ", " + milliseconds(d.ConnectMs)
	if tried := triedText(d.Tried); tried != "" {
		s += "; " + tried
	}
	return s
}

func encoderChanged(d events.EncoderChangedData) string {
	s := d.Codec + " from " + d.From + " to " + d.To
	if d.PauseMs > 0 {
		s += fmt.Sprintf(" within %d ms", d.PauseMs)
	}
	return s + ": " + d.Reason
}

func disconnected(d events.DisconnectedData) string {
	s := d.Reason
	if !d.Connected {
		s += " before it was connected"
	}
	if d.Message != "" {
		s += ": " + d.Message
	}
	if d.InputDropped > 0 {
		s += fmt.Sprintf("; %d messages of input had no effect", d.InputDropped)
	}
	if tried := triedText(d.Tried); tried != "" {
		s += "; " + tried
	}
	return s
}

func attached(d events.AttachedData) string {
	if d.Resumed != nil {
		return fmt.Sprintf("socket opened again, going on after %d", *d.Resumed)
	}
	return "socket opened"
}

// settings picks what decides about the media from the client's message (signalling.md, section 2).
func settings(d events.SettingsData) string {
	var s struct {
		APIVersion int   `json:"api_version"`
		Speaker    *bool `json:"enable_speaker"`
		Picture    *bool `json:"enable_video"`
		Video      struct {
			Codecs []string `json:"preferred_decoder_codecs"`
		} `json:"video"`
	}
	if json.Unmarshal(d.Settings, &s) != nil {
		return string(d.Settings)
	}
	parts := []string{"API version " + itoa(s.APIVersion)}
	if len(s.Video.Codecs) > 0 {
		parts = append(parts, "prefers "+strings.Join(s.Video.Codecs, ", "))
	}
	if s.Picture != nil && !*s.Picture {
		parts = append(parts, "no video")
	}
	if s.Speaker != nil && !*s.Speaker {
		parts = append(parts, "no sound")
	}
	return strings.Join(parts, ", ")
}

func detached(d events.DetachedData) string {
	s := "socket closed, code " + itoa(d.Code)
	if d.Reason != "" {
		s += ", " + d.Reason
	}
	return s
}

// description lists the media of an SDP (RFC 8866, section 5.14) and the candidates in it.
func description(d events.SDPData) string {
	var parts []string
	for line := range strings.Lines(d.SDP) {
		if m, ok := strings.CutPrefix(line, "m="); ok {
			kind, _, _ := strings.Cut(strings.TrimSpace(m), " ")
			parts = append(parts, strings.Replace(kind, "application", "data", 1))
		}
	}
	k := kinds{}
	if k.addSDP(d.SDP); len(k) > 0 {
		parts = append(parts, "candidates "+k.String())
	}
	return strings.Join(append(parts, size(len(d.SDP))), ", ")
}
