package docker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/agent/driver"
)

// A session is a container that is there while the session lives, and nothing of it is left afterwards but its log.
func TestLaunchAndStop(t *testing.T) {
	e := engine(t)
	d := open(t, config(t, e))
	require.NoError(t, d.Check(t.Context()))
	s := spec("steady")
	in := launch(t, d, s)
	require.Equal(t, s.Session, in.ID())
	name := d.config.name(s.Session)
	require.Contains(t, e.Containers(), name)
	printed(t, d, s.Session, "streamer: secret of 19 bytes")
	require.NoError(t, in.Stop(t.Context()))
	require.Equal(t, driver.Ending{Reason: "stopped on request", ExitCode: -1}, in.Ending())
	require.NotContains(t, e.Containers(), name)
}
