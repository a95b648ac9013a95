package gateway

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
)

// TestExpiredSessionsKeepTheirEvents lets a session expire from the log while two gateways archive, and asks a third one,
// which never knew it, for its events.
func TestExpiredSessionsKeepTheirEvents(t *testing.T) {
	t.Parallel()
	server := eventstest.Start(t)
	mint := openMint(t)
	s := &stack{t: t, nats: server, mint: mint, log: eventstest.NewLog(t, server.Connect(t),
		events.StreamsConfig{Retention: 3 * time.Second, SDPRetention: time.Second})}
	folder := t.TempDir()
	s.gateway(func(g *Gateway) { g.cfg.ArchiveFolder = folder })
	s.gateway()
	const id events.SessionID = "0192f1c2-7d4e-4b53-9a52-0d8ce3a5a0f1"
	for _, d := range []events.Draft{
		events.NewDraft(region, id, events.Gateway, events.Created, events.CreatedData{App: "testcard", Ephemeral: true}),
		events.NewDraft(region, id, events.Agent, events.Claimed, events.ClaimedData{Agent: "a1", Attempt: 1}),
		events.NewDraft(region, id, events.Streamer, events.Offer, events.SDPData{Peer: "p", SDP: "v=0"}),
		events.NewDraft(region, id, events.Agent, events.Terminated, events.EndedData{Reason: "done"}),
	} {
		_, err := s.log.Append(t.Context(), d)
		require.NoError(t, err)
	}
	eventstest.Wait(t, within, func() string {
		left := 0
		if err := s.log.Read(t.Context(), events.SessionsStream, "", 0, func(events.Event) error { left++; return nil }); err != nil {
			return err.Error()
		}
		files, err := filepath.Glob(filepath.Join(folder, "events-*.parquet"))
		require.NoError(t, err)
		if left > 0 || len(files) == 0 {
			return fmt.Sprintf("the expiry of %d events, %d files", left, len(files))
		}
		return ""
	})
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.NotEmpty(t, entries)

	r := s.gateway()
	require.Equal(t, http.StatusNotFound, r.do(http.MethodGet, "/1.0/sessions/"+string(id), "").StatusCode, "it is in no read model")
	for _, path := range []string{"/1.0/sessions/" + string(id) + "/events?limit=2", "/1.0/events?limit=2&session=" + string(id)} {
		var names []events.Name
		for after := int64(0); ; {
			a := r.do(http.MethodGet, path+"&after="+strconv.FormatInt(after, 10), "")
			require.Equal(t, http.StatusOK, a.StatusCode, a.Error)
			var page []events.Event
			a.into(t, &page)
			for _, e := range page {
				names = append(names, e.Name)
			}
			if *a.Next == after {
				break
			}
			after = *a.Next
		}
		require.Equal(t, []events.Name{events.Created, events.Claimed, events.Terminated}, names, path)
	}
	require.Equal(t, http.StatusNotFound, r.do(http.MethodGet, "/1.0/sessions/unknown/events", "").StatusCode)
}
