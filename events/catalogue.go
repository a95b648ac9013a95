package events

import (
	"cmp"
	"slices"
)

// Type describes one version of one event type, as needed to generate its schema.
type Type struct {
	// CEType is the ce-type, with its version.
	CEType  string
	Name    Name
	Version int
	// Newest tells that this version is the one that is appended; others are only read.
	Newest bool
	// Stream is where such events are kept.
	Stream string
	// Actors may append it.
	Actors []Actor
	// ShortLived events expire after the SDP retention.
	ShortLived bool
	// Data is a zero value of the payload's Go type.
	Data any
}

// payloads are the Go types of the newest version of each session event's data.
var payloads = map[Name]any{
	Created:      CreatedData{},
	ExtraData:    ExtraDataData{},
	Joined:       JoinedData{},
	Shared:       SharedData{},
	ShareRevoked: ShareRevokedData{},
	ShareOpened:  ShareOpenedData{},
	ShareClosed:  ShareClosedData{},
	Terminating:  TerminatingData{},
	Requeued:     RequeuedData{},
	Expired:      EndedData{},
	AgentLost:    EndedData{},

	Claimed:       ClaimedData{},
	Pulling:       PullingData{},
	Launched:      LaunchedData{},
	AttemptFailed: FailedData{},
	Terminated:    EndedData{},
	Failed:        FailedData{},

	Ready:           ReadyData{},
	Connected:       ConnectedData{},
	Resized:         ResizedData{},
	EncoderChanged:  EncoderChangedData{},
	Disconnected:    DisconnectedData{},
	FileTransferred: FileTransferredData{},
	DeviceChanged:   DeviceChangedData{},

	Attached: AttachedData{},
	Settings: SettingsData{},
	Message:  MessageData{},
	Detached: DetachedData{},

	Offer:     SDPData{},
	Answer:    SDPData{},
	Candidate: CandidateData{},
}

// The events of the other streams, likewise.
var (
	agentPayloads   = map[Name]any{AgentOnline: OnlineData{}, AgentOffline: OfflineData{}, AgentDrain: DrainData{}, AgentResume: DrainData{}}
	accountPayloads = map[Name]any{AccountCreated: AccountData{}, AccountDeleted: AccountData{}, AccountExpired: AccountData{}}
	qualityPayloads = map[Name]any{Sample: QualityData{}, Decisions: DecisionsData{}}
	webhookPayloads = map[Name]any{WebhookCreated: WebhookData{}, WebhookDeleted: WebhookDeletedData{}}
)

// Types lists every event type in every version that the log may hold, by ce-type.
func Types() []Type {
	var list []Type
	for n, k := range kinds {
		list = append(list, versions(Type{Stream: SessionsStream, Name: n, Data: payloads[n], Actors: k.actors, ShortLived: k.short}, typePrefix)...)
	}
	for n, data := range agentPayloads {
		actor := Agent
		if n == AgentDrain || n == AgentResume {
			actor = Gateway
		}
		list = append(list, versions(Type{Stream: AgentsStream, Name: n, Data: data, Actors: []Actor{actor}}, agentPrefix)...)
	}
	for n, data := range accountPayloads {
		list = append(list, versions(Type{Stream: AccountsStream, Name: n, Data: data, Actors: []Actor{Gateway}}, accountPrefix)...)
	}
	for n, data := range qualityPayloads {
		list = append(list, versions(Type{Stream: QualityStream, Name: n, Data: data, Actors: []Actor{Streamer}}, samplePrefix)...)
	}
	for n, data := range webhookPayloads {
		list = append(list, versions(Type{Stream: WebhooksStream, Name: n, Data: data, Actors: []Actor{Gateway}}, webhookPrefix)...)
	}
	list = append(list, versions(Type{Stream: SettingsStream, Name: SettingChanged, Data: SettingData{}, Actors: []Actor{Gateway}}, settingPrefix)...)
	list = append(list, versions(Type{Stream: RequestsStream, Name: RequestClaimed, Data: RequestData{}, Actors: []Actor{Gateway}}, requestPrefix)...)
	slices.SortFunc(list, func(a, b Type) int { return cmp.Compare(a.CEType, b.CEType) })
	return list
}

// versions lists the old versions of a type and then its newest, t.
func versions(t Type, prefix string) []Type {
	stem := prefix + string(t.Name)
	var list []Type
	for i, old := range oldVersions[stem] {
		v := t
		v.Version, v.CEType, v.Data = i+1, versioned(stem, i+1), old.data
		list = append(list, v)
	}
	t.Version, t.CEType, t.Newest = newest(stem), versioned(stem, newest(stem)), true
	return append(list, t)
}
