package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"streamstack/events"
	"streamstack/gateway/webhook"
	"streamstack/projections"
)

// codeTooMany is the code of a registration beyond the limit.
const codeTooMany = "too_many"

// webhookRoutes adds the webhooks to the admin API: who may make the gateway post to other hosts is its operator.
func (g *Gateway) webhookRoutes(e *echo.Echo) {
	e.POST("/1.0/webhooks", g.createWebhook)
	e.GET("/1.0/webhooks", g.listWebhooks)
	e.GET("/1.0/webhooks/:id", g.getWebhook)
	e.GET("/1.0/webhooks/:id/secret", g.getWebhookSecret)
	e.DELETE("/1.0/webhooks/:id", g.deleteWebhook)
}

// webhookObject is a webhook as the admin API shows it. Secret is in the answer of a creation only.
type webhookObject struct {
	ID      events.WebhookID `json:"id"`
	URL     string           `json:"url"`
	Types   []string         `json:"types"`
	Region  events.Region    `json:"region,omitempty"`
	Created string           `json:"created_at"`
	Secret  string           `json:"secret,omitempty"`
	*webhookProgress
}

// webhookProgress is how its deliveries are.
type webhookProgress struct {
	// Pending is how many events wait; those of ParkedSessions, whose deliveries fail by themselves, come on top.
	Pending        uint64 `json:"pending"`
	ParkedSessions int    `json:"parked_sessions"`
	// Failing is how many attempts in a row have failed.
	Failing     int    `json:"failing"`
	LastSuccess string `json:"last_success,omitempty"`
	LastError   string `json:"last_error,omitempty"`
	LastErrorAt string `json:"last_error_at,omitempty"`
}

func asWebhookObject(w projections.Webhook) webhookObject {
	types := w.Types
	if types == nil {
		types = []string{}
	}
	return webhookObject{ID: w.ID, URL: w.URL, Types: types, Region: w.Region, Created: w.Created.UTC().Format(time.RFC3339)}
}

func asWebhookState(s webhook.State) webhookObject {
	out := asWebhookObject(s.Webhook)
	out.webhookProgress = &webhookProgress{Pending: s.Pending, ParkedSessions: s.Parked, Failing: s.Failing,
		LastSuccess: instant(s.LastSuccess), LastError: s.LastError, LastErrorAt: instant(s.LastErrorAt)}
	return out
}

// instant is a time, or nothing for one that has not been.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// webhookRequest is the body of a registration.
type webhookRequest struct {
	URL    string        `json:"url"`
	Types  []string      `json:"types"`
	Region events.Region `json:"region"`
}

func (g *Gateway) createWebhook(c echo.Context) error {
	var req webhookRequest
	if err := decodeBody(c, &req); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), requestTime)
	defer cancel()
	w, secret, err := g.cfg.Webhooks.Add(ctx, webhook.Request{URL: req.URL, Types: req.Types, Region: req.Region})
	if err != nil {
		return webhookError(err, "")
	}
	out := asWebhookObject(w)
	out.Secret = secret.Text()
	return succeed(c, http.StatusCreated, out)
}

func (g *Gateway) listWebhooks(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), requestTime)
	defer cancel()
	list, err := g.cfg.Webhooks.List(ctx)
	if err != nil {
		return webhookError(err, "")
	}
	out := make([]webhookObject, 0, len(list))
	for _, s := range list {
		out = append(out, asWebhookState(s))
	}
	return succeedList(c, out, len(out))
}

func (g *Gateway) getWebhook(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), requestTime)
	defer cancel()
	s, err := g.cfg.Webhooks.Show(ctx, events.WebhookID(c.Param("id")))
	if err != nil {
		return webhookError(err, c.Param("id"))
	}
	return succeed(c, http.StatusOK, asWebhookState(s))
}

func (g *Gateway) getWebhookSecret(c echo.Context) error {
	id := events.WebhookID(c.Param("id"))
	secret, err := g.cfg.Webhooks.Secret(id)
	if err != nil {
		return webhookError(err, string(id))
	}
	return succeed(c, http.StatusOK, struct {
		ID     events.WebhookID `json:"id"`
		Secret string           `json:"secret"`
	}{id, secret.Text()})
}

func (g *Gateway) deleteWebhook(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), requestTime)
	defer cancel()
	if err := g.cfg.Webhooks.Delete(ctx, events.WebhookID(c.Param("id"))); err != nil {
		return webhookError(err, c.Param("id"))
	}
	return succeed(c, http.StatusOK, nil)
}

// webhookError gives a webhook's errors their status.
func webhookError(err error, id string) error {
	switch {
	case errors.Is(err, webhook.ErrInvalid):
		return badRequest("%s", err.Error())
	case errors.Is(err, webhook.ErrTooMany):
		return &apiError{http.StatusConflict, codeTooMany, err.Error(), err}
	case errors.Is(err, webhook.ErrUnknown):
		return &apiError{http.StatusNotFound, codeNotFound, fmt.Sprintf("webhook %s does not exist", quoted(id)), err}
	default:
		return err
	}
}
