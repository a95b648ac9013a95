package main

import "streamstack/events"

// The channels, by the names they have in the document.
const (
	channelSessions  = "sessions"
	channelLive      = "live"
	channelAgents    = "agents"
	channelAccounts  = "accounts"
	channelQuality   = "quality"
	channelWebhooks  = "webhooks"
	channelSettings  = "settings"
	channelRequests  = "requests"
	channelWork      = "work"
	channelDeadlines = "deadlines"
)

const overview = `Every step of a session's life is an event on NATS JetStream. Events are CloudEvents 1.0 in binary mode: the
attributes are headers with the prefix ce-, the data is JSON. Who appended an event and what it is are told by the subject,
which NATS permissions guard; an event whose headers disagree with it is quarantined.

A publisher can set Nats-* headers of its own, and the server's come after them: the last value of a header is the one to
believe. Versions: a type ends in .vN; the number rises when a reader of the old form would misread the new one. Unknown
types and unknown fields are to be kept and shown, never to be refused.`

// channels are the subjects, without their messages.
func channels() map[string]channel {
	region := parameter{Description: "Where the agent runs: [a-z0-9-]{1,63}."}
	session := parameter{Description: "The session's id, a UUID."}
	actor := parameter{Description: "Who appended the event.", Enum: []string{"gateway", "agent", "streamer", "client"}}
	name := parameter{Description: "The event's name: the type without streamstack.session. and its version."}
	of := func(address, stream, title, text string, p map[string]parameter) channel {
		return channel{Address: address, Stream: stream, Title: title, Description: text, Parameters: p, Messages: map[string]reference{}}
	}
	m := map[string]channel{
		channelSessions: of("sessions.{region}.{session}.{actor}.{event}", events.SessionsStream, "the log of all sessions",
			"Every step of every session, in order.", map[string]parameter{"region": region, "session": session, "actor": actor, "event": name}),
		channelLive: of("live.sessions.{region}.{session}.{actor}.{event}", "", "what the log has just stored",
			"The stream republishes here what it has stored, with the headers Nats-Stream, Nats-Subject, Nats-Sequence, "+
				"Nats-Last-Sequence and Nats-Time-Stamp added. Not stored: whoever misses a sequence reads it from the stream.",
			map[string]parameter{"region": region, "session": session, "actor": actor, "event": name}),
		channelAgents: of("agents.{region}.{agent}.{event}", events.AgentsStream, "agents that come and go", "Appended by the agent itself.",
			map[string]parameter{"region": region, "agent": {Description: "The agent's id."}, "event": {Description: "The event's name."}}),
		channelAccounts: of("accounts.{account}.{event}", events.AccountsStream, "accounts made and deleted", "No token is ever in it, only its id.",
			map[string]parameter{"account": {Description: "The account's name."}, "event": {Description: "The event's name."}}),
		channelQuality: of("quality.{region}.{session}", events.QualityStream, "samples of what clients were sent",
			"One every two seconds for each client that is connected, and what was decided about what it is sent; kept for days only.",
			map[string]parameter{"region": region, "session": session}),
		channelWebhooks: of("webhooks.{webhook}.{event}", events.WebhooksStream, "webhooks made and deleted", "The secret that signs deliveries is not in it.",
			map[string]parameter{"webhook": {Description: "The webhook's id."}, "event": {Description: "The event's name."}}),
		channelSettings: of("settings.{item}.{event}", events.SettingsStream, "the gateways' settings, changed", "The newest value of an item holds, at every gateway.",
			map[string]parameter{"item": {Description: "The item's name."}, "event": {Description: "The event's name."}}),
		channelRequests: of("requests.{account}.{digest}.{event}", events.RequestsStream, "creations with an idempotency key",
			"Kept for a day. The key is not in it, only its digest.",
			map[string]parameter{"account": {Description: "The account's name."}, "digest": {Description: "Of the idempotency key."}, "event": {Description: "The event's name."}}),
		channelWork: of("work.{region}.{application}", events.WorkStream, "sessions that wait for an agent",
			"A work queue: a message is gone once an agent has acknowledged it. It points to a session; the log has the rest.",
			map[string]parameter{"region": region, "application": {Description: "The application's name."}}),
		channelDeadlines: of("deadlines.{step}.{what}.{region}.{id}.{kind}", events.DeadlinesStream, "what is to happen when",
			"JetStream's message scheduler publishes what is scheduled at deadlines.at.… to deadlines.due.… when its time has come. "+
				"That of an agent has no kind, that of an account neither region nor kind.",
			map[string]parameter{"step": {Description: "Scheduled, or due.", Enum: []string{"at", "due"}},
				"what": {Description: "Whose deadline it is.", Enum: []string{"session", "agent", "account"}}, "region": region,
				"id": {Description: "The session's or the agent's id, or the account's name."}, "kind": {Description: "What the deadline is about."}}),
	}
	m[channelWork].Messages[work] = reference{"#/components/messages/" + work}
	m[channelDeadlines].Messages[deadline] = reference{"#/components/messages/" + deadline}
	return m
}

// channelsOf are where events of a type are found, the one they are appended on first.
func channelsOf(t events.Type) []string {
	switch t.Stream {
	case events.SessionsStream:
		return []string{channelSessions, channelLive}
	case events.AgentsStream:
		return []string{channelAgents}
	case events.QualityStream:
		return []string{channelQuality}
	case events.WebhooksStream:
		return []string{channelWebhooks}
	case events.SettingsStream:
		return []string{channelSettings}
	case events.RequestsStream:
		return []string{channelRequests}
	default:
		return []string{channelAccounts}
	}
}

// eventHeaders are those of every event; each message adds its own.
func eventHeaders() object {
	served := func(text string) object {
		return object{"type": "string", "description": "Set by the server where an event is read: " + text + ". One that a publisher brings is a breach."}
	}
	return object{
		"type":     "object",
		"required": []string{"ce-specversion", "ce-id", "ce-source", "ce-time", "ce-datacontenttype", "Nats-Msg-Id"},
		"properties": object{
			"ce-specversion":     object{"const": "1.0"},
			"ce-id":              object{"type": "string", "format": "uuid", "description": "Random, never derived from the content."},
			"ce-time":            object{"type": "string", "format": "date-time", "description": "When the publisher says it happened."},
			"ce-datacontenttype": object{"const": "application/json"},
			"ce-dataschema": object{"type": "string", "format": "uri",
				"description": "The schema of the data; its path, at any gateway, is where it is served. Not there where the publisher did not know the type."},
			"Nats-Msg-Id":        object{"type": "string", "description": "The same as ce-id: the server swallows what is sent twice."},
			"Nats-Stream":        served("the stream"),
			"Nats-Subject":       served("the subject"),
			"Nats-Sequence":      served("the place in the stream"),
			"Nats-Last-Sequence": served("the place of the event before on the same subject, on live subjects"),
			"Nats-Time-Stamp":    served("when it was stored"),
		},
	}
}

// deadlineHeaders are those of JetStream's message scheduler (ADR-51).
func deadlineHeaders() object {
	return object{"type": "object", "properties": object{
		"Nats-Schedule":        object{"type": "string", "description": "When it is due: @at and a time (RFC 3339). Only in what is scheduled."},
		"Nats-Schedule-Target": object{"type": "string", "description": "The subject that it is published on when it is due. Only in what is scheduled."},
		"Nats-Schedule-TTL":    object{"type": "string", "description": "How long it is kept once it was due. Only in what is scheduled."},
		"Nats-Scheduler":       object{"type": "string", "description": "The subject that it was scheduled on. Only in what is due."},
	}}
}
