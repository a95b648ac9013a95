package process

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckNamesWhatIsMissingAndHowToGetIt(t *testing.T) {
	d := newDriver(t, "role:sleep")
	require.NoError(t, d.Check(t.Context()))
	t.Setenv("PATH", t.TempDir())
	require.EqualError(t, d.Check(t.Context()), "process: missing on this machine: xkbcomp, the sound server (pulseaudio); "+
		"run: apt-get install x11-xkb-utils pulseaudio")
}

func TestCheckLooksForXorgWhereItIs(t *testing.T) {
	paths := xorgPaths
	t.Cleanup(func() { xorgPaths = paths })
	xorgPaths = nil
	t.Setenv("PATH", t.TempDir())
	require.ErrorContains(t, check(requirements[:1]), "the X server (Xorg); run: apt-get install xserver-xorg-core")
	_, err := findXorg()
	require.ErrorContains(t, err, "apt-get install xserver-xorg-core")
}
