package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestStatIsReadWhateverTheNameHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringN(0, 15, 15).Draw(t, "name")
		line := fmt.Sprintf("42 (%s) S 7 42 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456789 0 0\n", name)
		got, ok := parseStat(42, line)
		require.True(t, ok)
		require.Equal(t, processInfo{identity: identity{42, 123456789}, parent: 7, session: 9}, got)
	})
}

func TestWeFindOurselves(t *testing.T) {
	me, ok := readProcess(os.Getpid())
	require.True(t, ok)
	require.Equal(t, os.Getppid(), me.parent)
	require.True(t, me.alive())
	require.False(t, identity{me.PID, me.Start + 1}.alive())
	found, err := belonging([]identity{me.identity}, func(string) bool { return true })
	require.NoError(t, err)
	for _, p := range found {
		require.NotEqual(t, me.PID, p.PID, "never ourselves")
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("1 (a) S 1 1 1")
	f.Fuzz(func(_ *testing.T, line string) { parseStat(1, line) })
}

func TestTailsArePlainText(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	rapid.Check(t, func(rt *rapid.T) {
		content := rapid.SliceOfN(rapid.Byte(), 0, 5000).Draw(rt, "content")
		require.NoError(rt, os.WriteFile(path, content, 0o600))
		tail := logTail(path)
		require.LessOrEqual(rt, strings.Count(tail, "\n"), tailLines-1)
		for _, r := range tail {
			require.True(rt, r == '\n' || r == '\t' || unicode.IsPrint(r), "%q", r)
		}
		require.NotContains(rt, tellingLine(tail), "\n")
	})
	require.Empty(t, logTail(path+".none"))
}

func TestXorgsFatalErrorIsTheTellingLine(t *testing.T) {
	require.Equal(t, "no screens found", tellingLine("(EE) \nFatal server error:\n(EE) no screens found(EE) \n(EE) Server terminated with error (1). Closing log file."))
	require.Equal(t, "last", tellingLine("first\nlast"))
}

func TestTrimKeepsTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	require.NoError(t, trimLog(path, 100), "no log yet")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("a", 80)+strings.Repeat("b", 50)), 0o600))
	require.NoError(t, trimLog(path, 130))
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Len(t, before, 130)
	require.NoError(t, trimLog(path, 100))
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "[80 bytes were dropped here]\n"+strings.Repeat("b", 50), string(after))
}
