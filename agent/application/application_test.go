package application

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// editor is the example of spec/cli.md.
const editor = `name: editor              # one NATS token
version: 1                # the highest is the default
command: [xterm, -maximized]
env: {LANG: C.UTF-8}
screen: {width: 1280, height: 720, fps: 60}   # what a request that names none gets
audio: true
limits: {memory: 1GiB, cpus: 1.0}
`

func TestTheContractsExampleIsRead(t *testing.T) {
	got, err := Parse("editor.yaml", []byte(editor))
	require.NoError(t, err)
	require.Equal(t, []Application{{
		Name: "editor", Version: 1, Command: []string{"xterm", "-maximized"}, Env: map[string]string{"LANG": "C.UTF-8"},
		Screen: Screen{1280, 720, 60}, Audio: true, Limits: Limits{Memory: 1 << 30, CPUs: 1},
	}}, got)
}

func TestPortOfShares(t *testing.T) {
	got, err := Parse("a.yaml", []byte("name: a\ncommand: [x]\nadb: {port: 5555}\n"))
	require.NoError(t, err)
	require.Equal(t, ADB{Port: 5555}, got[0].ADB)
}

func TestFieldsLeftOutGetDefaults(t *testing.T) {
	got, err := Parse("a.yaml", []byte("---\nname: a\ncommand:\n- true\n- 5\n- '-x'\n"))
	require.NoError(t, err)
	require.Equal(t, []Application{{Name: "a", Version: 1, Command: []string{"true", "5", "-x"},
		Screen: Screen{1280, 720, 60}, Audio: true}}, got)
}

func TestRefusalsNameFileLineAndField(t *testing.T) {
	head := "name: a\ncommand: [x]\n"
	for _, c := range []struct{ name, yaml, want string }{
		{"syntax", "name: [a", "f.yaml:1: not YAML: "},
		{"no mapping", "- a", "f.yaml:1: document: must be a mapping with the fields adb, audio, command, env, limits, name, screen, version, not a list"},
		{"unknown", head + "colour: red", "f.yaml:3: colour: is not a field; allowed are adb, audio, command"},
		{"unknown within", head + "screen:\n  width: 5\n  depth: 3", "f.yaml:5: screen.depth: is not a field; allowed are fps, height, width"},
		{"twice", head + "name: b", "f.yaml:3: not YAML: "},
		{"no name", "command: [x]", "name: is missing"},
		{"no command", "name: a", "command: is missing"},
		{"name", "name: A b\ncommand: [x]", `f.yaml:1: name: must be 1 to 63 of a-z, 0-9 and - (not first), not "A b"`},
		{"name first", "name: -a\ncommand: [x]", "f.yaml:1: name: "},
		{"version", head + "version: '2'", `f.yaml:3: version: must be a whole number from 1 to 2147483647, not "2"`},
		{"version zero", head + "version: 0", "f.yaml:3: version: "},
		{"command text", "name: a\ncommand: xterm -e sh", "f.yaml:2: command: must be a list of arguments"},
		{"command empty", "name: a\ncommand: []", "f.yaml:2: command: must be a list"},
		{"argument", "name: a\ncommand:\n - x\n - {a: b}", "f.yaml:4: command[1]: must be text, not a mapping"},
		{"env", head + "env: [A]", "f.yaml:3: env: must be a mapping"},
		{"env name", head + "env: {A-B: c}", "f.yaml:3: env.A-B: is no name for a variable"},
		{"env ours", head + "env: {DISPLAY: ':0'}", "f.yaml:3: env.DISPLAY: is set by streamstack itself"},
		{"env null", head + "env: {A: }", "f.yaml:3: env.A: must be text, not nothing"},
		{"screen", head + "screen: 5", `f.yaml:3: screen: must be a mapping with the fields fps, height, width, not "5"`},
		{"screen type", head + "screen: {width: wide}", `f.yaml:3: screen.width: must be a whole number from 1 to 16384, not "wide"`},
		{"screen area", head + "screen: {width: 3841, height: 2160}", "f.yaml:3: screen: width × height must be at most 3840 × 2160"},
		{"fps", head + "screen: {fps: 1000}", "f.yaml:3: screen.fps: must be a whole number from 1 to 240"},
		{"audio", head + "audio: loud", `f.yaml:3: audio: must be true or false, not "loud"`},
		{"memory", head + "limits: {memory: 1 pound}", "f.yaml:3: limits.memory: must be a quantity such as 512MiB"},
		{"memory unit", head + "limits: {memory: 512}", "f.yaml:3: limits.memory: must be a quantity of at least 1MiB"},
		{"cpus", head + "limits: {cpus: 0}", "f.yaml:3: limits.cpus: must be a number of cores above 0"},
		{"cpus nan", head + "limits: {cpus: .nan}", "f.yaml:3: limits.cpus: "},
		{"adb", head + "adb: 5555", `f.yaml:3: adb: must be a mapping with the fields port, not "5555"`},
		{"adb without port", head + "adb: {}", "f.yaml:3: adb: needs the port that shares lead to, such as {port: 5555}"},
		{"adb port", head + "adb:\n  port: 65536", `f.yaml:4: adb.port: must be a whole number from 1 to 65535, not "65536"`},
		{"adb port text", head + "adb: {port: adbd}", `f.yaml:3: adb.port: must be a whole number from 1 to 65535, not "adbd"`},
		{"adb port zero", head + "adb: {port: 0}", "f.yaml:3: adb.port: must be"},
		{"adb host", head + "adb: {port: 5555, host: example.net}", "f.yaml:3: adb.host: is not a field; allowed are port"},
		{"alias", "name: &n a\ncommand: [x]", "f.yaml:1: name: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("f.yaml", []byte(c.yaml))
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "\n", "one line")
		})
	}
}

func TestFolderWithVersions(t *testing.T) {
	folder := t.TempDir()
	write := func(name, content string) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600))
	}
	write("a.yaml", "name: a\nversion: 2\ncommand: [two]\n---\nname: a\nversion: 10\ncommand: [ten]\n")
	write("b.yml", "name: b\ncommand: [x]\n")
	write("notes.txt", "not: read")
	got, err := Load(folder)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, got.Names())
	newest, ok := got.Default("a")
	require.True(t, ok)
	require.Equal(t, 10, newest.Version)
	_, ok = got.Get("a", 2)
	require.True(t, ok)
	_, ok = got.Get("a", 3)
	require.False(t, ok)
	_, ok = got.Default("c")
	require.False(t, ok)
	require.Len(t, got.All(), 3)

	one, err := Load(filepath.Join(folder, "a.yaml"))
	require.NoError(t, err)
	require.Len(t, one.All(), 2)

	write("c.yaml", "name: b\ncommand: [x]\n")
	_, err = Load(folder)
	require.ErrorContains(t, err, "c.yaml:1: version: b version 1 is already given in "+filepath.Join(folder, "b.yml")+":1")
}

func TestPathsThatHoldNothing(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Load(t.TempDir())
	require.ErrorContains(t, err, "holds no application")
}

func TestBuiltinApplications(t *testing.T) {
	got, err := Builtin()
	require.NoError(t, err)
	require.Equal(t, []string{"glxgears", "testcard", "xterm"}, got.Names())
	card, _ := got.Default("testcard")
	require.Equal(t, []string{"/opt/streamstack", "testcard"}, card.Argv("/opt/streamstack"))
	require.Equal(t, Self, card.Command[0], "Argv must not change the application")
	term, _ := got.Default("xterm")
	require.Equal(t, "xterm", term.Argv("/opt/streamstack")[0])
}

func TestScreenLimitsHoldForAnySize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Screen{rapid.IntRange(-10, 40000).Draw(t, "w"), rapid.IntRange(-10, 40000).Draw(t, "h"), rapid.IntRange(-5, 500).Draw(t, "fps")}
		ok := s.Width >= 1 && s.Height >= 1 && s.Width <= MaxSide && s.Height <= MaxSide &&
			s.Width*s.Height <= MaxPixels && s.FPS >= 1 && s.FPS <= MaxFPS
		require.Equal(t, ok, s.Validate() == nil, "%+v", s)
	})
}

// FuzzParse: whatever stands in a file, it is refused in one line or yields applications that keep the rules.
func FuzzParse(f *testing.F) {
	f.Add(editor)
	f.Add("name: a\ncommand: [x]\nadb: {port: 5555}\n")
	f.Add("name: a\ncommand: [x]\n---\n- b\n")
	f.Add("a: &a [*a, !!int x, <<: *a]\n? {b: c}\n: |\n  text\n")
	f.Fuzz(func(t *testing.T, content string) {
		got, err := Parse("f", []byte(content))
		if err != nil {
			require.NotContains(t, strings.TrimSpace(err.Error()), "\n")
			return
		}
		for _, a := range got {
			require.True(t, ValidName(a.Name))
			require.NotEmpty(t, a.Command)
			require.Positive(t, a.Version)
			require.NoError(t, a.Screen.Validate())
		}
	})
}
