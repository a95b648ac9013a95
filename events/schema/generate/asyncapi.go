package main

import (
	"slices"
	"strings"

	"streamstack/events"
)

const (
	asyncAPIVersion = "3.0.0"
	// documentVersion is that of the REST API, whose path the schemas are under.
	documentVersion = "1.0.0"
	draft           = "application/schema+json;version=draft-2020-12"

	work      = "work"
	deadline  = "deadline"
	eventHead = "event" // the trait with the headers of an event
)

// document describes the log.
func (r *reflector) document() document {
	d := document{
		AsyncAPI:    asyncAPIVersion,
		Info:        info{Title: "streamstack: the log", Version: documentVersion, Description: overview},
		ContentType: "application/json",
		Servers: map[string]server{"nats": {Host: "{host}:{port}", Protocol: "nats",
			Description: "NATS with JetStream. The document is the same in every copy of the program, which cannot know where yours listens.",
			Variables: map[string]variable{
				"host": {"127.0.0.1", "the host of --nats; for the server that streamstack up embeds, see endpoints.json in its data folder"},
				"port": {"4222", "its client port"},
			}}},
		Channels:   map[string]channel{},
		Operations: map[string]operation{},
		Components: components{Messages: map[string]message{}, Traits: map[string]trait{eventHead: {Headers: eventHeaders()}}},
	}
	for name, c := range channels() {
		d.Channels[name] = c
	}
	for _, t := range events.Types() {
		d.Components.Messages[t.CEType] = r.message(t)
		for _, c := range channelsOf(t) {
			d.Channels[c].Messages[t.CEType] = reference{"#/components/messages/" + t.CEType}
		}
	}
	d.Components.Messages[work] = message{Name: work, Title: "a session waits for an agent", Summary: r.describe(events.Work{}),
		ContentType: "application/json", Payload: schemaRef(workName)}
	d.Components.Messages[deadline] = message{Name: deadline, Title: "a deadline", Headers: deadlineHeaders(),
		Summary: "The body is empty: what is due is asked of the session's state."}
	d.operate()
	return d
}

// message describes one version of an event.
func (r *reflector) message(t events.Type) message {
	m := message{
		Name: t.CEType, Title: string(t.Name), Summary: r.describe(t.Data), ContentType: "application/json",
		Traits: []reference{{"#/components/messageTraits/" + eventHead}}, Payload: schemaRef(t.CEType),
	}
	if !t.Newest {
		m.Summary = strings.TrimSpace("No longer appended, but kept: the stream may hold such events. " + m.Summary)
	}
	var sources []string
	for _, a := range t.Actors {
		sources = append(sources, events.SourceOf(a))
		if t.Stream == events.SessionsStream {
			m.Subjects = append(m.Subjects, events.EventFilter("", a, t.Name))
		}
	}
	own := object{
		"ce-type":       object{"const": t.CEType},
		"ce-source":     object{"enum": sources},
		"ce-dataschema": object{"const": events.SchemaURI(t.CEType)},
	}
	required := []string{"ce-type"}
	if t.ShortLived {
		own["Nats-TTL"] = object{"type": "string", "pattern": "^[0-9]+s$", "description": "After this time the event expires: the SDP retention. An event that lives long has no such header."}
		required = append(required, "Nats-TTL")
	}
	m.Headers = object{"type": "object", "required": required, "properties": own}
	return m
}

// describe is what the comment of a value's type says.
func (r *reflector) describe(v any) string { return r.Reflect(v).Description }

func schemaRef(name string) payload {
	return payload{Format: draft, Schema: reference{"./schemas/" + name + ".json"}}
}

// operate adds the operations: who appends what, where.
func (d *document) operate() {
	appends := map[events.Actor]map[string][]string{}
	for _, t := range events.Types() {
		if !t.Newest {
			continue
		}
		for _, a := range t.Actors {
			if appends[a] == nil {
				appends[a] = map[string][]string{}
			}
			c := channelsOf(t)[0]
			appends[a][c] = append(appends[a][c], t.CEType)
		}
	}
	for a, byChannel := range appends {
		for c, types := range byChannel {
			d.add(string(a)+"-"+c, "send", c, "What is appended by "+title(a), types)
		}
	}
	for name, c := range d.Channels {
		if name != channelWork && name != channelDeadlines {
			d.add("read-"+name, "receive", name, "For everybody who may read: "+c.Title, nil)
		}
	}
	d.add("gateway-"+channelWork, "send", channelWork, "The gateways fill the queue", nil)
	d.add("agent-"+channelWork, "receive", channelWork, "The agents take from it while they have a free slot", nil)
	d.add("gateway-"+channelDeadlines, "send", channelDeadlines, "The gateways set deadlines, and act on those that are due", nil)
}

// add makes an operation; with no types it is about all messages of the channel.
func (d *document) add(name, action, channelName, text string, types []string) {
	if types == nil {
		for m := range d.Channels[channelName].Messages {
			types = append(types, m)
		}
		slices.Sort(types)
	}
	at := "#/channels/" + channelName
	o := operation{Action: action, Channel: reference{at}, Title: name, Description: text}
	for _, t := range types {
		o.Messages = append(o.Messages, reference{at + "/messages/" + t})
	}
	d.Operations[name] = o
}

func title(a events.Actor) string {
	if a == events.Client {
		return "a gateway on behalf of a client"
	}
	return "the " + string(a)
}
