package events_test

import (
	"encoding/json"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"streamstack/events"
	"streamstack/events/eventstest"
)

// Agents', accounts' and webhooks' events have golden files too.
func TestGoldenOfTheOtherStreams(t *testing.T) {
	t.Parallel()
	l := eventstest.Log(t, events.WithClock(func() time.Time { return at }))
	screen := events.Screen{Width: 1280, Height: 720, FPS: 30, Density: 160}
	account := events.AccountData{TokenID: "0192f1c2", Expiry: "2027-11-22T06:27:09Z", Scopes: "read,create"}
	rtt, encode, p95 := 1.25, 9.5, 14.75
	origin := "https://app.example.net"
	hook := events.WebhookData{URL: "https://example.net/hook", Types: []string{"failed"}, Region: region, After: 17}
	for stream, drafts := range map[string]map[string]events.Draft{
		events.QualityStream: {
			"quality.sample": events.NewQualityDraft(region, session, events.QualityData{
				Peer: "p1", IntervalMs: 2001, FPS: 29.99, VideoKbps: 2400, AudioKbps: 96, TargetKbps: 2500, RTTMs: &rtt, Loss: 0.0039, EncodeMs: &encode,
				EncodeP95Ms: &p95, Stages: &events.StagesData{CaptureMs: 2.25, ConvertMs: 1.5, EncodeMs: 5.75}, Frames: 60, FramesDropped: 1, Keyframes: map[string]uint64{"pli": 1}, Freezes: 1, FrozenMs: 250, NACKs: 3, PLIs: 1, FIRs: 1, Inputs: 40, InputsDropped: map[string]uint64{"invalid": 1},
				VideoPackets: 560, VideoBytes: 600_300, AudioPackets: 200, AudioBytes: 24_012, Missed: 1,
			}),
			"quality.decisions": events.NewDecisionsDraft(region, session, events.DecisionsData{
				Peer: "p1", Omitted: 2, List: []events.DecisionData{
					{UnixMs: at.UnixMilli(), Kind: "target", Cause: "delay", TargetKbps: 800, FPS: 20, EstimateKbps: 1000, QueueMs: 120},
					{UnixMs: at.UnixMilli(), Kind: "drop", Cause: "overflow", TargetKbps: 800, FPS: 20, EstimateKbps: 1000, QueueMs: 120, Pictures: 7},
					{UnixMs: at.UnixMilli(), Kind: "fallback", Cause: "failed", TargetKbps: 800, FPS: 20, EstimateKbps: 1000, From: "nvh264enc", To: "x264enc"},
					{UnixMs: at.UnixMilli(), Kind: "bounds", Cause: "set", TargetKbps: 800, FPS: 20, EstimateKbps: 1000, MinKbps: 500, MaxKbps: 1500},
					{UnixMs: at.UnixMilli(), Kind: "redundancy", Cause: "loss", TargetKbps: 800, FPS: 20, EstimateKbps: 1000, Copies: 1},
				},
			}),
		},
		events.AgentsStream: {
			"agents.online": events.NewAgentDraft(region, "a1", events.AgentOnline, events.OnlineData{Driver: "process", Slots: 4, Version: "1",
				Applications: []events.ApplicationData{{Name: "testcard", Versions: []int{1, 2}, Screen: screen}}}),
			"agents.drain":   events.NewOrderDraft(region, "a1", events.AgentDrain, events.DrainData{By: "account:alice", Until: "2026-11-22T07:27:09Z"}),
			"agents.resume":  events.NewOrderDraft(region, "a1", events.AgentResume, events.DrainData{By: "account:alice"}),
			"agents.offline": events.NewAgentDraft(region, "a1", events.AgentOffline, events.OfflineData{Reason: "drained"}),
		},
		events.AccountsStream: {
			"accounts.created": events.NewAccountDraft("alice", events.AccountCreated, account),
			"accounts.deleted": events.NewAccountDraft("alice", events.AccountDeleted, account),
			"accounts.expired": events.NewAccountDraft("alice", events.AccountExpired, account),
		},
		events.WebhooksStream: {
			"webhooks.created": events.NewWebhookDraft("w1", events.WebhookCreated, hook),
			"webhooks.deleted": events.NewWebhookDraft("w1", events.WebhookDeleted, events.WebhookDeletedData{}),
		},
		events.SettingsStream: {
			"settings.changed": events.NewSettingDraft("cors_origins", events.SettingData{Value: &origin, Account: "alice"}),
		},
		events.RequestsStream: {
			"requests.claimed": events.NewRequestDraft(events.RequestKey{Account: "alice", Digest: "d1"},
				events.RequestData{Session: session, Region: region, Peer: "p1", Fingerprint: "f1"}),
		},
	} {
		for name, d := range drafts {
			seq := mustAppend(t, l, d)
			found := false
			err := l.Read(t.Context(), stream, "", seq, func(e events.Event) error {
				found = true
				e.ID, e.Sequence = "0192f1c2-0000-4000-8000-000000000000", 1
				out, err := json.Marshal(e)
				golden(t, filepath.Join("testdata", name+".json"), append(out, '\n'))
				return err
			})
			if err != nil || !found {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// Each type names its schema by an absolute URI, as CloudEvents 1.0 asks, whose path is the gateway's.
func TestSchemaURI(t *testing.T) {
	l := eventstest.Log(t)
	for _, k := range events.Types() {
		u, err := url.Parse(events.SchemaURI(k.CEType))
		if err != nil || !u.IsAbs() || u.Path != "/1.0/schemas/"+k.CEType+".json" {
			t.Errorf("%s has the schema %v, %v", k.CEType, u, err)
		}
	}
	mustAppend(t, l, created(session))
	if got := stored(t, l); got[0].Schema != events.SchemaURI(got[0].Type) || got[0].Schema == "" {
		t.Errorf("appended with the schema %q", got[0].Schema)
	}
}

// Every event that may be appended has a type in the catalogue, with what is known of it elsewhere.
func TestCatalogueIsWhole(t *testing.T) {
	newest := map[events.Name]events.Type{}
	for _, k := range events.Types() {
		if k.Data == nil || len(k.Actors) == 0 || k.Version < 1 {
			t.Errorf("incomplete: %+v", k)
		}
		if k.Newest && k.Stream == events.SessionsStream {
			newest[k.Name] = k
		}
	}
	for _, d := range samples() {
		s, err := events.ParseSubject(d.Subject)
		if err != nil {
			t.Fatal(err)
		}
		k, ok := newest[s.Name]
		if !ok || k.CEType != d.Type || k.ShortLived != events.ShortLived(s.Name) || !events.Known(s.Name) {
			t.Errorf("%s: the catalogue has %+v", d.Type, k)
		}
	}
	for n := range newest {
		if !events.Known(n) {
			t.Errorf("%s is in the catalogue, and may be appended by nobody", n)
		}
	}
}
