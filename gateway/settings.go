package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"streamstack/gateway/settings"
)

// newSettings begins with what this gateway was started with.
func (g *Gateway) newSettings() *settings.Live {
	start := settings.Default()
	start.CORSOrigins, start.PublicURL = g.cfg.Origins, g.cfg.PublicURL
	f := g.bounds.figures
	start.RequestsPerSecond, start.SessionsPerAccount, start.SocketsPerAccount = f.RequestsPerSecond, f.SessionsPerAccount, f.SocketsPerAccount
	return settings.New(start, nil)
}

func (g *Gateway) followSettings(ctx context.Context) error {
	return g.settings.Follow(ctx, g.cfg.Log) //nolint:wrapcheck // it names the model
}

// configObject is the metadata of GET and PATCH /1.0/config (gateway-api.md, section 13): config is what the contract
// suggests, items tells what the settings are and who changed them.
type configObject struct {
	Config map[string]string `json:"config"`
	Items  []settingObject   `json:"items"`
}

type settingObject struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Value       string `json:"value"`
	Default     string `json:"default"` // of the gateway that answers
	ChangedBy   string `json:"changed_by,omitempty"`
	ChangedAt   string `json:"changed_at,omitempty"`
}

// getConfig is GET /1.0/config.
func (g *Gateway) getConfig(c echo.Context) error {
	out := configObject{Config: map[string]string{}, Items: []settingObject{}}
	for _, it := range g.settings.Items() {
		x := settingObject{Name: it.Name, Description: it.Text, Value: it.Value, Default: it.Default, ChangedBy: it.Account}
		if !it.Changed.IsZero() {
			x.ChangedAt = it.Changed.UTC().Format(time.RFC3339)
		}
		out.Config[it.Name] = it.Value
		out.Items = append(out.Items, x)
	}
	return succeed(c, http.StatusOK, out)
}

// patchConfig is PATCH /1.0/config: one item gets another value, at every gateway; null brings its default back.
func (g *Gateway) patchConfig(c echo.Context) error {
	var req struct {
		Name  string          `json:"name"`
		Value json.RawMessage `json:"value"`
	}
	if err := decodeBody(c, &req); err != nil {
		return err
	}
	if req.Name == "" {
		return badRequest("name is required: the setting to change")
	}
	value, err := settingText(req.Value)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), requestTime)
	defer cancel()
	err = g.settings.Change(ctx, g.cfg.Log, req.Name, value, caller(c))
	switch {
	case errors.Is(err, settings.ErrUnknown):
		return &apiError{status: http.StatusBadRequest, code: codeNoSetting, message: err.Error()}
	case errors.Is(err, settings.ErrValue):
		return badRequest("%s", err.Error())
	case err != nil:
		return err
	}
	return g.getConfig(c)
}

// settingText takes a text, or a number as its text; nil for null.
func settingText(raw json.RawMessage) (*string, error) {
	var text string
	var number json.Number
	switch {
	case len(raw) == 0:
		return nil, badRequest("value is required: a text, or null for the default")
	case string(raw) == "null":
		return nil, nil
	case json.Unmarshal(raw, &text) == nil:
		return &text, nil
	case json.Unmarshal(raw, &number) == nil:
		text = number.String()
		return &text, nil
	}
	return nil, badRequest("value must be a text, a number, or null")
}
