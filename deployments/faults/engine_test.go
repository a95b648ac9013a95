package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"streamstack/agent/driver/ams"
	"streamstack/agent/driver/ams/amstest"
	"streamstack/events"
)

// engine is an AMS whose instances say that they are ready.
type engine struct {
	*amstest.Server
	switches
	config ams.Config
}

func newEngine(t *testing.T, h *house) *engine {
	t.Helper()
	own := amstest.NewCertificate(t, "agent", time.Now().Add(time.Hour))
	machine := amstest.Func(func(ctx context.Context, b amstest.Boot) (amstest.Running, error) {
		var data struct {
			Session events.SessionID `json:"session_id"`
		}
		if err := json.Unmarshal(b.UserData, &data); err != nil {
			return nil, fmt.Errorf("user data: %w", err)
		}
		if _, err := h.log.Append(ctx, events.NewDraft(region, data.Session, events.Streamer, events.Ready, events.ReadyData{Codecs: []string{"VP8"}})); err != nil {
			return nil, err
		}
		return amstest.Idle{}.Boot(ctx, b)
	})
	e := &engine{Server: amstest.Start(t, machine, own)}
	e.SetApplications(amstest.Ready("d0jz1b85q1fs739k2ar0", "racing", 1))
	e.SetNodes(amstest.Node{Name: "lxd0", Status: "online", StatusCode: 4, CPUs: 4, Memory: "16GB", DiskSize: "100GB"})
	e.Intercept(e.intercept)
	e.config = ams.Config{URL: e.URL, Certificate: own.Cert, Key: own.Key, ServerCertificate: e.Certificate.Cert}
	return e
}
