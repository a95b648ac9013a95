package gateway

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/events"
)

func TestQualityPages(t *testing.T) {
	t.Parallel()
	r := house(t)
	id := r.create().ID
	path := "/1.0/sessions/" + string(id) + "/quality"
	a := r.do(http.MethodGet, path, "")
	require.JSONEq(t, "[]", string(a.Metadata), "nothing was measured")
	require.Zero(t, *a.Next)

	for n := range 5 {
		for _, whose := range []events.SessionID{id, "another"} {
			_, err := r.stack.log.Append(t.Context(), events.NewQualityDraft(region, whose, events.QualityData{Peer: "p", FPS: float64(10 + n)}))
			require.NoError(t, err)
		}
	}
	_, err := r.stack.log.JetStream().Publish(t.Context(), events.QualityFilter(region, id), []byte(`{"fps":1}`)) // no envelope
	require.NoError(t, err)

	var fps []float64
	after := ""
	for {
		a := r.do(http.MethodGet, path+"?limit=2"+after, "")
		require.Equal(t, http.StatusOK, a.StatusCode, a.Error)
		var page []events.Event
		a.into(t, &page)
		if len(page) == 0 {
			break
		}
		require.LessOrEqual(t, len(page), 2)
		for _, e := range page {
			s, err := e.Quality()
			require.NoError(t, err)
			require.Equal(t, id, s.Session)
			fps = append(fps, s.FPS)
		}
		after = "&after=" + strconv.FormatInt(*a.Next, 10)
	}
	require.Equal(t, []float64{10, 11, 12, 13, 14}, fps)
}

// A client that asks for it is told what the streamer decided, in its place among the samples; one that does not, is not.
func TestQualityTellsDecisions(t *testing.T) {
	t.Parallel()
	r := house(t)
	id := r.create().ID
	for n := range 3 {
		_, err := r.stack.log.Append(t.Context(), events.NewQualityDraft(region, id, events.QualityData{Peer: "p", FPS: float64(n)}))
		require.NoError(t, err)
		_, err = r.stack.log.Append(t.Context(), events.NewDecisionsDraft(region, id, events.DecisionsData{
			Peer: "p", List: []events.DecisionData{{UnixMs: 1, Kind: "target", Cause: "delay", TargetKbps: 1000 - n, FPS: 30}},
		}))
		require.NoError(t, err)
	}
	for query, want := range map[string][]int{"": {0, 1, 2}, "&kind=samples": {0, 1, 2}, "&kind=decisions": {1000, 999, 998}, "&kind=all": {0, 1000, 1, 999, 2, 998}} {
		var got []int
		for after := int64(0); ; {
			a := r.do(http.MethodGet, fmt.Sprintf("/1.0/sessions/%s/quality?limit=2&after=%d%s", id, after, query), "")
			require.Equal(t, http.StatusOK, a.StatusCode, a.Error)
			var page []events.Event
			a.into(t, &page)
			if len(page) == 0 {
				break
			}
			for _, e := range page {
				if s, err := e.Quality(); err == nil {
					got = append(got, int(s.FPS))
					continue
				}
				d, err := e.Decisions()
				require.NoError(t, err)
				got = append(got, d.List[0].TargetKbps)
			}
			after = *a.Next
		}
		require.Equal(t, want, got, query)
	}
}

func TestQualityRefuses(t *testing.T) {
	t.Parallel()
	r := house(t)
	path := "/1.0/sessions/" + string(r.create().ID) + "/quality"
	for _, x := range []struct {
		path   string
		status int
	}{
		{path + "?limit=0", 400}, {path + "?limit=1001", 400}, {path + "?limit=x", 400}, {path + "?after=-1", 400}, {path + "?kind=", 200}, {path + "?kind=x", 400}, {path + "/", 200},
		{"/1.0/sessions/0192f1c2-7d4e-4b53-9a52-0d8ce3a5a0f1/quality", 404}, {"/1.0/sessions/A*/quality", 400},
	} {
		a := r.do(http.MethodGet, x.path, "")
		require.Equal(t, x.status, a.StatusCode, "%s: %s", x.path, a.Error)
	}
	require.Equal(t, http.StatusUnauthorized, r.do(http.MethodGet, path, "", "Authorization", "").StatusCode)
}
