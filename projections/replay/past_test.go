package replay

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/events/eventstest"
	"streamstack/projections/archive/archivetest"
)

// A session that has left the stream altogether is replayed from the archive, to standard output and into a sandbox.
func TestReplayReadsTheArchive(t *testing.T) {
	log := eventstest.Log(t)
	archivetest.AllowExpiry(t, log)
	dir := t.TempDir()
	require.NoError(t, connect.Endpoints{NATS: log.Conn().ConnectedUrl()}.Write(dir))
	t.Setenv("STREAMSTACK_DATA", dir)
	for _, d := range []events.Draft{
		events.NewDraft("local", session, events.Gateway, events.Created, events.CreatedData{App: "testcard"}),
		events.NewDraft("local", session, events.Streamer, events.Offer, events.SDPData{Peer: "p", SDP: "v=0"}),
		events.NewDraft("local", session, events.Agent, events.Terminated, events.EndedData{Reason: "done"}),
	} {
		_, err := log.Append(t.Context(), d)
		require.NoError(t, err)
	}
	archivetest.Archive(t, log)
	archivetest.Expire(t, log, 4)

	out, messages := must(t, "replay", string(session), "--speed", "max", "--json")
	require.Equal(t, 2, strings.Count(out, "\n"), out)
	require.Contains(t, out, `"streamstack.session.created.v1"`)
	require.Contains(t, messages, "2 of 2 events")
	must(t, "replay", string(session), "--speed", "max", "--to", "rehearsal")
	again, _ := must(t, "history", "--json", "--stream", "rehearsal", string(session))
	require.Equal(t, 2, strings.Count(again, "\n"), again)
}
