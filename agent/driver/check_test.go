package driver_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/agent/application"
	"streamstack/agent/driver"
)

func TestSpecsAreCheckedBeforeAnythingStarts(t *testing.T) {
	t.Parallel()
	good := driver.Spec{Session: "0192f1c2-a", Application: application.Application{Name: "xterm", Command: []string{"xterm"}},
		Screen: driver.Screen{Width: 1280, Height: 720, FPS: 60}, UserData: bytes.Repeat([]byte("1"), driver.MaxUserData),
		Streamer: driver.Streamer{Secret: make([]byte, driver.MaxSecret)}}
	require.NoError(t, good.Check())
	for text, change := range map[string]func(*driver.Spec){
		`session id "../x" must be`:            func(s *driver.Spec) { s.Session = "../x" },
		`session id "" must be`:                func(s *driver.Spec) { s.Session = "" },
		`application "xterm" has no command`:   func(s *driver.Spec) { s.Application.Command = nil },
		"user data has 10241 bytes":            func(s *driver.Spec) { s.UserData = append(s.UserData, '1') },
		"the streamer's secret has 60001 byte": func(s *driver.Spec) { s.Streamer.Secret = make([]byte, driver.MaxSecret+1) },
		"screen: width must be":                func(s *driver.Spec) { s.Screen.Width = 0 },
		"screen: fps must be":                  func(s *driver.Spec) { s.Screen.FPS = 100_000 },
	} {
		bad := good
		change(&bad)
		require.ErrorContains(t, bad.Check(), text)
	}
}

func FuzzValidID(f *testing.F) {
	for _, s := range []string{"", "a", "a.b", "A", "0192f1c2-a", "a\n", "ä", "--"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		good := len(s) > 0 && len(s) < 64
		for _, c := range []byte(s) {
			good = good && (c == '-' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z')
		}
		require.Equal(t, good, driver.ValidID(s))
	})
}
