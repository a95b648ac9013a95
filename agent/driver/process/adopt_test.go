package process

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"streamstack/agent/driver"
)

// An agent is killed. The next one takes its instance over as if it had launched it: windows are managed, a stop ends
// all of it. Whoever comes while the first lives gets nothing.
func TestAdopt(t *testing.T) {
	data, session := t.TempDir(), uuid.NewString()
	parent := startAgent(t, data, session)
	d := newDriverIn(t, data, "role:sleep")
	found, err := d.Adopt(t.Context())
	require.NoError(t, err)
	require.Empty(t, found, "its owner lives")
	require.NoError(t, parent.Process.Kill())
	_ = parent.Wait()

	found, err = d.Adopt(t.Context())
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, session, found[0].ID())
	requireResidents(t, data, 5)
	in, ok := found[0].(*instance)
	require.True(t, ok)
	dial(t, in) // the display and its cookie are known
	require.NotNil(t, in.kiosk)
	swept, err := d.Sweep(t.Context())
	require.NoError(t, err)
	require.Empty(t, swept)
	again, err := d.Adopt(t.Context())
	require.NoError(t, err)
	require.Empty(t, again)
	_, err = d.Launch(t.Context(), driver.Spec{Session: session, Application: app("xterm"), Screen: driver.Screen{Width: 640, Height: 360, FPS: 30}})
	require.ErrorIs(t, err, driver.ErrExists)

	require.NoError(t, in.Stop(t.Context()))
	require.Equal(t, driver.Ending{Reason: "stopped on request", ExitCode: -1}, in.Ending())
	require.NoDirExists(t, in.runtime)
	requireDisplayGone(t, in.display)
	requireNothingLeft(t, d)
}

// What ended while no agent looked, or ends later, is told and cleaned up, as far as can be known.
func TestAdoptWhatHasEnded(t *testing.T) {
	for name, c := range map[string]struct {
		part   driver.Part
		early  bool
		failed bool
	}{
		"streamer before": {driver.PartStreamer, true, true}, "streamer after": {driver.PartStreamer, false, true},
		"display before": {driver.PartDisplay, true, true}, "application after": {driver.PartApplication, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			data, session := t.TempDir(), uuid.NewString()
			parent := startAgent(t, data, session)
			require.NoError(t, parent.Process.Kill())
			_ = parent.Wait()
			s, err := readState(filepath.Join(data, "instances", session))
			require.NoError(t, err)
			if c.early {
				s.Parts[c.part].signal(syscall.SIGKILL)
				eventually(t, func() string {
					if s.Parts[c.part].alive() {
						return "the part's end"
					}
					return ""
				})
			}
			d := newDriverIn(t, data, "role:sleep")
			found, err := d.Adopt(t.Context())
			require.NoError(t, err)
			require.Len(t, found, 1)
			if !c.early {
				s.Parts[c.part].signal(syscall.SIGKILL)
			}
			in, ok := found[0].(*instance)
			require.True(t, ok)
			e := waitEnd(t, in)
			require.Equal(t, c.part, e.Part)
			require.Equal(t, c.failed, e.Failed)
			require.Equal(t, -1, e.ExitCode)
			require.Contains(t, e.Reason, titles[c.part]+" ended; its exit status is not known")
			requireNothingLeft(t, d)
		})
	}
}

// A launch that the agent's death cut short is nothing to take over: Sweep ends it.
func TestAdoptLeavesWhatIsNotWhole(t *testing.T) {
	data, session := t.TempDir(), uuid.NewString()
	parent := startAgent(t, data, session)
	require.NoError(t, parent.Process.Kill())
	_ = parent.Wait()
	folder := filepath.Join(data, "instances", session)
	s, err := readState(folder)
	require.NoError(t, err)
	delete(s.Parts, driver.PartApplication)
	require.NoError(t, s.write(folder))
	d := newDriverIn(t, data, "role:sleep")
	found, err := d.Adopt(t.Context())
	require.NoError(t, err)
	require.Empty(t, found)
	swept, err := d.Sweep(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{session}, swept)
	requireNothingLeft(t, d)
}

// What an instance of ours could not clean up is swept while we live.
func TestSweepWhatOursHasLeft(t *testing.T) {
	d := newDriver(t, "role:sleep")
	boot, err := bootID()
	require.NoError(t, err)
	self, ok := readProcess(os.Getpid())
	require.True(t, ok)
	folder := filepath.Join(d.instances, "left")
	require.NoError(t, os.Mkdir(folder, 0o700))
	require.NoError(t, state{Session: "left", Boot: boot, Owner: self.identity}.write(folder))
	mine := launch(t, d, spec(app("streamstack", "role:sleep")))
	swept, err := d.Sweep(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"left"}, swept)
	require.Zero(t, mine.Ending())
}
