package events

// WebhooksStream holds the registrations of webhooks, and WebhookBucket how far their deliveries are. They are operators'
// data. An address is not secret to them, so the gateway takes none with a password, or with a parameter that names a secret;
// what tells a receiver that a delivery is ours is its signature.
const (
	WebhooksStream = "WEBHOOKS"
	WebhookBucket  = "WEBHOOK_STATE"
)

// WebhookID identifies a webhook: one token.
type WebhookID string

// The events of a webhook's life, on webhooks.<id>.<event>; appended by a gateway.
const (
	WebhookCreated Name = "created"
	WebhookDeleted Name = "deleted"
)

// WebhookData is webhooks.….created. The secret that signs its deliveries is derived from the gateways' key and the id,
// and is in no event.
type WebhookData struct {
	URL    string   `json:"url"`              // where events are posted to
	Types  []string `json:"types,omitempty"`  // as in the filter type of GET /1.0/events; none for all
	Region Region   `json:"region,omitempty"` // empty for all
	After  Seq      `json:"after"`            // the sequence of SESSIONS after which the deliveries begin
}

// WebhookDeletedData is webhooks.….deleted.
type WebhookDeletedData struct{}

// NewWebhookDraft makes a draft of a webhook's event.
func NewWebhookDraft(id WebhookID, n Name, data any) Draft {
	return Draft{Subject: "webhooks." + string(id) + "." + string(n), Source: SourceOf(Gateway),
		Type: WebhookTypeOf(n), Data: data}
}

// WebhookConsumerPrefix begins the name of every webhook's consumer.
const WebhookConsumerPrefix = "webhook-"

// WebhookConsumer names the durable consumer of a webhook's deliveries, which the gateways share.
func WebhookConsumer(id WebhookID) string { return WebhookConsumerPrefix + string(id) }
