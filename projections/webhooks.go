package projections

import (
	"slices"
	"strings"
	"time"

	"streamstack/events"
)

// Webhook is an address that gets events.
type Webhook struct {
	ID      events.WebhookID
	URL     string
	Types   []string
	Region  events.Region
	After   events.Seq
	Created time.Time
}

// Webhooks is the read model of the WEBHOOKS stream: those that exist. It is not safe for concurrent use.
type Webhooks struct {
	byID map[events.WebhookID]Webhook
	at   events.Seq
}

// NewWebhooks is the empty state.
func NewWebhooks() *Webhooks { return &Webhooks{byID: map[events.WebhookID]Webhook{}} }

// Apply folds one event of the WEBHOOKS stream.
func (m *Webhooks) Apply(e events.Event) {
	if e.Sequence <= m.at {
		return
	}
	m.at = e.Sequence
	p := strings.Split(e.Subject, ".")
	if e.Quarantine != "" || len(p) != 3 || p[0] != "webhooks" || e.Type != events.WebhookTypeOf(events.Name(p[2])) {
		return
	}
	id := events.WebhookID(p[1])
	switch events.Name(p[2]) {
	case events.WebhookCreated:
		d := data[events.WebhookData](e)
		m.byID[id] = Webhook{ID: id, URL: d.URL, Types: d.Types, Region: d.Region, After: d.After, Created: e.Time}
	case events.WebhookDeleted:
		delete(m.byID, id)
	}
}

// Fold makes [Webhooks] a [Folder].
func (m *Webhooks) Fold(e events.Event) { m.Apply(e) }

// At is the sequence folded last.
func (m *Webhooks) At() events.Seq { return m.at }

// Get returns a webhook.
func (m *Webhooks) Get(id events.WebhookID) (Webhook, bool) {
	w, ok := m.byID[id]
	return w, ok
}

// List returns the webhooks, oldest first.
func (m *Webhooks) List() []Webhook {
	out := make([]Webhook, 0, len(m.byID))
	for _, w := range m.byID {
		out = append(out, w)
	}
	slices.SortFunc(out, func(a, b Webhook) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return strings.Compare(string(a.ID), string(b.ID))
	})
	return out
}
