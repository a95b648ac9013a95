package client

import (
	"context"
	"net/http"
	"net/url"
)

// Webhook is a webhook as the admin API shows it.
type Webhook struct {
	ID      string   `json:"id"`
	URL     string   `json:"url"`
	Types   []string `json:"types"` // none: all
	Region  string   `json:"region,omitempty"`
	Created string   `json:"created_at"`       // RFC 3339
	Secret  string   `json:"secret,omitempty"` // in the answer to a creation only

	// Of an answer to List and Show. Pending is how many events wait; those of ParkedSessions, whose deliveries fail by
	// themselves, come on top. Failing is how many attempts in a row have failed. Times are in RFC 3339.
	Pending        uint64 `json:"pending"`
	ParkedSessions int    `json:"parked_sessions"`
	Failing        int    `json:"failing"`
	LastSuccess    string `json:"last_success,omitempty"`
	LastError      string `json:"last_error,omitempty"`
	LastErrorAt    string `json:"last_error_at,omitempty"`
}

// WebhookRequest asks for a webhook.
type WebhookRequest struct {
	URL    string   `json:"url"`
	Types  []string `json:"types,omitempty"`  // as in [EventsQuery]; none: all
	Region string   `json:"region,omitempty"` // empty: all
}

// AddWebhook registers a webhook and returns it with its secret.
func (a *Admin) AddWebhook(ctx context.Context, r WebhookRequest) (Webhook, error) {
	var w Webhook
	_, err := a.api.call(ctx, http.MethodPost, "/1.0/webhooks", r, http.StatusCreated, &w)
	return w, err
}

// Webhooks returns all webhooks, oldest first.
func (a *Admin) Webhooks(ctx context.Context) ([]Webhook, error) {
	var list []Webhook
	_, err := a.api.call(ctx, http.MethodGet, "/1.0/webhooks", nil, http.StatusOK, &list)
	return list, err
}

// Webhook returns one webhook.
func (a *Admin) Webhook(ctx context.Context, id string) (Webhook, error) {
	var w Webhook
	_, err := a.api.call(ctx, http.MethodGet, "/1.0/webhooks/"+url.PathEscape(id), nil, http.StatusOK, &w)
	return w, err
}

// WebhookSecret returns what signs a webhook's deliveries from now on.
func (a *Admin) WebhookSecret(ctx context.Context, id string) (string, error) {
	var w Webhook
	_, err := a.api.call(ctx, http.MethodGet, "/1.0/webhooks/"+url.PathEscape(id)+"/secret", nil, http.StatusOK, &w)
	return w.Secret, err
}

// DeleteWebhook ends a webhook.
func (a *Admin) DeleteWebhook(ctx context.Context, id string) error {
	_, err := a.api.call(ctx, http.MethodDelete, "/1.0/webhooks/"+url.PathEscape(id), nil, http.StatusOK, nil)
	return err
}
