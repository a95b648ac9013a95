package events

import (
	"encoding/json"
	"slices"
	"strings"
)

// Name is the last token of a session event's subject.
type Name string

// The events of a session's life, by who appends them (design.md, "One session, as events").
const (
	Created      Name = "created"
	ExtraData    Name = "extra_data"
	Joined       Name = "joined"
	Shared       Name = "shared"
	ShareRevoked Name = "share_revoked"
	ShareOpened  Name = "share_opened"
	ShareClosed  Name = "share_closed"
	Terminating  Name = "terminating"
	Requeued     Name = "requeued"
	Expired      Name = "expired"
	AgentLost    Name = "agent_lost"

	Claimed       Name = "claimed"
	Pulling       Name = "pulling"
	Launched      Name = "launched"
	AttemptFailed Name = "attempt_failed"
	Terminated    Name = "terminated"
	Failed        Name = "failed"

	Ready          Name = "ready"
	Connected      Name = "connected"
	Resized        Name = "resized"
	EncoderChanged Name = "encoder_changed"
	Disconnected   Name = "disconnected"
	// FileTransferred and DeviceChanged tell of what travels beside the picture.
	FileTransferred Name = "file_transferred"
	DeviceChanged   Name = "device_changed"

	Attached Name = "attached"
	Settings Name = "settings"
	Message  Name = "message"
	Detached Name = "detached"

	Offer     Name = "offer"
	Answer    Name = "answer"
	Candidate Name = "candidate"
)

// kind describes one event type.
type kind struct {
	actors []Actor
	// short events are bulky or personal: they carry the SDP retention as their TTL, and no fold depends on them.
	short bool
}

var kinds = map[Name]kind{
	Created:      {actors: []Actor{Gateway}},
	ExtraData:    {actors: []Actor{Gateway}, short: true},
	Joined:       {actors: []Actor{Gateway}},
	Shared:       {actors: []Actor{Gateway}},
	ShareRevoked: {actors: []Actor{Gateway}},
	ShareOpened:  {actors: []Actor{Gateway}},
	ShareClosed:  {actors: []Actor{Gateway}},
	Terminating:  {actors: []Actor{Gateway}},
	Requeued:     {actors: []Actor{Gateway}},
	Expired:      {actors: []Actor{Gateway}},
	AgentLost:    {actors: []Actor{Gateway}},

	Claimed:       {actors: []Actor{Agent}},
	Pulling:       {actors: []Actor{Agent}},
	Launched:      {actors: []Actor{Agent}},
	AttemptFailed: {actors: []Actor{Agent}},
	Terminated:    {actors: []Actor{Agent}},
	Failed:        {actors: []Actor{Agent}},

	Ready:           {actors: []Actor{Streamer}},
	Connected:       {actors: []Actor{Streamer}},
	Resized:         {actors: []Actor{Streamer}},
	EncoderChanged:  {actors: []Actor{Streamer}},
	Disconnected:    {actors: []Actor{Streamer}},
	FileTransferred: {actors: []Actor{Streamer}},
	DeviceChanged:   {actors: []Actor{Streamer}},

	Attached: {actors: []Actor{Client}},
	Settings: {actors: []Actor{Client}},
	Message:  {actors: []Actor{Client}, short: true},
	Detached: {actors: []Actor{Client}},

	Offer:     {actors: []Actor{Streamer, Client}, short: true},
	Answer:    {actors: []Actor{Streamer, Client}, short: true},
	Candidate: {actors: []Actor{Streamer, Client}, short: true},
}

// Known tells whether n is an event type of this version. Unknown ones are carried and shown, never dropped.
func Known(n Name) bool { _, ok := kinds[n]; return ok }

// Allowed tells whether a may append n. An unknown name is allowed to everybody: a newer component may have it.
func Allowed(a Actor, n Name) bool {
	k, ok := kinds[n]
	return !ok || slices.Contains(k.actors, a)
}

// ShortLived tells whether events of this name expire after the SDP retention.
func ShortLived(n Name) bool { return kinds[n].short }

// Ending tells whether the event ends a launch: agent.terminated, agent.failed, gateway.expired, gateway.agent_lost.
func Ending(n Name) bool {
	return n == Terminated || n == Failed || n == Expired || n == AgentLost
}

// SourceOf is the ce-source of what an actor appends.
func SourceOf(a Actor) string { return "streamstack/" + string(a) }

// Raw is JSON that is kept as it came.
type Raw = json.RawMessage

// Lifecycle lists the kinds of events that are neither bulky nor personal, and stay for the whole retention: actors and
// names, in order. Regions and sessions are empty.
func Lifecycle() (list []Subject) {
	for n, k := range kinds {
		for _, a := range k.actors {
			if !k.short {
				list = append(list, Subject{Actor: a, Name: n})
			}
		}
	}
	slices.SortFunc(list, func(a, b Subject) int { return strings.Compare(a.String(), b.String()) })
	return list
}
