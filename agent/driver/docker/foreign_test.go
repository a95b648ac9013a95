package docker

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/moby/moby/api/types/container"
	"github.com/stretchr/testify/require"

	"streamstack/agent/driver"
)

// What an agent has left in an engine that another shares is seen by its session, also when that came later than the container, and
// ended one by one; what still waits for a session, is the agent's own, or has no label of ours is not even seen.
func TestForeign(t *testing.T) {
	t.Parallel()
	e := engine(t)
	lost, mine := config(t, e), config(t, e)
	first, err := New(t.Context(), lost)
	require.NoError(t, err)
	cold, claimed := spec("steady"), spec("steady")
	launch(t, first, cold)
	_, err = warmUp(t, first).Claim(t.Context(), claimed)
	require.NoError(t, err)
	waits := warmUp(t, first)
	first.end() // its agent is killed
	<-waits.Done()
	first.work.Wait()
	stranger := lost.Agent + "." + uuid.NewString()
	e.Podman("create", "--name", stranger, e.Image)

	d := open(t, mine)
	own := spec("steady")
	launch(t, d, own)
	all, err := d.Foreign(t.Context())
	require.NoError(t, err)
	left := map[string]driver.Foreign{}
	for _, f := range all {
		require.NotEqual(t, mine.Agent, f.Agent)
		if f.Agent == lost.Agent { // other tests have their own
			left[f.Session] = f
		}
	}
	require.Len(t, left, 2, "%+v", left)
	for _, s := range []driver.Spec{cold, claimed} {
		require.Equal(t, e.Podman("inspect", "--format", "{{.Id}}", lost.name(s.Session)), left[s.Session].ID)
	}
	require.NoError(t, d.EndForeign(t.Context(), left[cold.Session]))
	rest := []string{lost.name(claimed.Session), lost.name(waits.ID()), stranger, mine.name(own.Session)}
	require.ElementsMatch(t, rest, of(e, lost, mine))
	require.NoError(t, d.EndForeign(t.Context(), left[cold.Session]), "it is gone already")

	// Its agent has made another of the same name: that is not the one that was seen.
	e.Podman("rm", "--force", "--time", "0", lost.name(claimed.Session))
	back := open(t, lost)
	launch(t, back, claimed)
	require.NoError(t, d.EndForeign(t.Context(), left[claimed.Session]))
	require.ElementsMatch(t, rest, of(e, lost, mine))

	e.Podman("rm", stranger)
	swept, err := back.Sweep(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{waits.ID()}, swept)
	e.Podman("kill", lost.name(claimed.Session), mine.name(own.Session)) // which takes less time than to have them end in order
}

// A container that waited has its session by its name, which must be of our making.
func TestForeignSession(t *testing.T) {
	for _, x := range []struct {
		session, warm, names, want string
	}{
		{"s-1", "", "/a.s-2", "s-1"},
		{"", "w-1", "/a.s-1", "s-1"},
		{"", "w-1", "a.s-1", "s-1"},
		{"", "w-1", "/a.w-1", ""},   // it waits
		{"", "w-1", "/b.s-1", ""},   // renamed by somebody
		{"", "w-1", "/a.S 1", ""},   // likewise
		{"", "w-1", "/x/a.s-1", ""}, // a link's (Docker)
		{"", "w-1", "", ""},
		{"", "", "/a.s-1", ""}, // not ours, for all its name says
		{"no token", "", "/a.s-1", ""},
	} {
		c := container.Summary{Names: slices.DeleteFunc([]string{x.names}, func(n string) bool { return n == "" }),
			Labels: map[string]string{LabelSession: x.session, LabelWarm: x.warm}}
		require.Equal(t, x.want, foreignSession(c, "a"), strings.TrimSpace(x.names))
	}
}
