package docker

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/moby/moby/api/types/container"
	"github.com/stretchr/testify/require"

	"streamstack/agent/driver"
	"streamstack/agent/driver/docker/guest"
)

// What runs in a container can write in its guest's place: whatever it says is bounded, and text.
func FuzzParseReport(f *testing.F) {
	for _, line := range []string{`{"up":true}`, `{"launched":true}`, `{"failed":{"kind":"missing","reason":"no"}}`, `{"ending":{"Part":"application","Failed":true,"Reason":"r"}}`, `{}`, `[`, "\xff"} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		r, ok := parseReport(line)
		if !ok {
			require.Equal(t, guest.Report{}, r)
			return
		}
		if r.Ending == nil {
			return
		}
		e := sound(*r.Ending)
		for text, most := range map[string]int{e.Reason: maxReason, e.LogTail: maxTail, e.Signal: maxWord, string(e.Part): maxWord} {
			require.LessOrEqual(t, len(text), most)
			require.True(t, utf8.ValidString(text))
		}
	})
}

// What the engine alone knows of an end.
func TestFromState(t *testing.T) {
	in := &instance{d: &Driver{}}
	for _, x := range []struct {
		state  container.State
		says   string
		code   int
		signal string
	}{
		{container.State{ExitCode: 137}, "the container was ended by signal 9 (killed)", -1, "killed"},
		{container.State{ExitCode: 2, Error: "no such device"}, "the container ended with status 2: no such device", 2, ""},
	} {
		var e driver.Ending
		in.fromState(&e, x.state)
		require.Equal(t, driver.Ending{Reason: x.says, ExitCode: x.code, Signal: x.signal}, e)
	}
}

// A log keeps its end, in whole lines, with a line that tells of what was dropped.
func TestKeptLog(t *testing.T) {
	k := newKeptLog(t.TempDir() + "/log")
	require.NoError(t, k.begin())
	line := strings.Repeat("x", 1022) + "\n"
	for range 3 * logLimit / len(line) {
		n, err := k.Write([]byte(line))
		require.NoError(t, err)
		require.Equal(t, len(line), n)
	}
	_, err := k.Write([]byte("the last line\n"))
	require.NoError(t, err)
	require.LessOrEqual(t, k.size, int64(logLimit+len(line)))
	require.True(t, strings.HasSuffix(k.tail(), "\nthe last line"), k.tail())
	require.NoError(t, k.close())
	_, err = k.Write([]byte("too late\n"))
	require.NoError(t, err, "it must not end the reading")
}
