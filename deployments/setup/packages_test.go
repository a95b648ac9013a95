package setup_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	debian12 = "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"
	ubuntu24 = "ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"24.04\"\nPRETTY_NAME=\"Ubuntu 24.04 LTS\"\n"
)

// machine is what the script believes to run on. The script is the real one; the commands that would change the machine, or
// that say what it has, are scripts of a few lines in front of PATH.
type machine struct {
	osRelease string            // default: debian12
	installed string            // packages, separated by spaces
	uid       string            // default: root
	commands  map[string]string // further commands, or others instead of those below: name and shell text
	without   []string          // commands that this machine does not have
	list      string            // default: gcc and xterm
	args      []string
	env       []string
}

type outcome struct {
	status      int
	out, errors string
	calls       string // the commands that were called, one a line
}

// run runs packages.sh on the machine.
func (m machine) run(t *testing.T) outcome {
	t.Helper()
	folder := t.TempDir()
	bin := filepath.Join(folder, "bin")
	require.NoError(t, os.Mkdir(bin, 0o700))
	calls := filepath.Join(folder, "calls")
	state := filepath.Join(folder, "installed")
	require.NoError(t, os.WriteFile(state, []byte(strings.ReplaceAll(m.installed, " ", "\n")+"\n"), 0o600))

	// PATH has nothing but what is put here, so that a real sudo or Chromium of this machine plays no part.
	for _, tool := range []string{"sh", "env", "sed", "tr", "grep", "cat", "mktemp", "rm", "sleep", "true", "uname"} {
		path, err := exec.LookPath(tool)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(path, filepath.Join(bin, tool)))
	}
	uid := m.uid
	if uid == "" {
		uid = "0"
	}
	commands := map[string]string{
		"id":         "echo " + uid,
		"dpkg-query": `shift 3; status=0; for p in "$@"; do if grep -qx "$p" ` + state + `; then echo "installed $p"; else status=1; fi; done; exit $status`,
		"apt-cache":  "exit 100",
		"apt-get":    `echo "apt-get $*" >>` + calls + `; for last; do :; done; case "$*" in *" install "*) for p; do echo "$p" >>` + state + `; done;; esac`,
		"sudo":       `echo "sudo $*" >>` + calls + `; [ "$1" != -n ] || shift; exec "$@"`,
	}
	for name, text := range m.commands {
		commands[name] = text
	}
	for _, name := range m.without {
		delete(commands, name)
	}
	for name, text := range commands {
		require.NoError(t, os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o700))
	}

	release, list := m.osRelease, m.list
	if release == "" {
		release = debian12
	}
	if list == "" {
		list = "# a list\ngcc   why\n\nxterm # why\n"
	}
	require.NoError(t, os.WriteFile(filepath.Join(folder, "os-release"), []byte(release), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "list"), []byte(list), 0o600))
	script, err := filepath.Abs("packages.sh")
	require.NoError(t, err)

	command := exec.CommandContext(t.Context(), filepath.Join(bin, "sh"), append(append([]string{script}, m.args...), filepath.Join(folder, "list"))...)
	command.Env = append([]string{"PATH=" + bin, "STREAMSTACK_OS_RELEASE=" + filepath.Join(folder, "os-release"), "STREAMSTACK_LOCK_PAUSE=0"}, m.env...)
	var out, errors bytes.Buffer
	command.Stdout, command.Stderr = &out, &errors
	_ = command.Run() // the status is judged by the test
	called, err := os.ReadFile(calls)
	if err != nil {
		require.ErrorIs(t, err, os.ErrNotExist)
	}
	return outcome{command.ProcessState.ExitCode(), out.String(), errors.String(), string(called)}
}

func TestNothingToDoIsSilent(t *testing.T) {
	require.Equal(t, outcome{}, machine{installed: "gcc xterm bash"}.run(t))
}

func TestInstallsWhatIsMissing(t *testing.T) {
	got := machine{installed: "gcc"}.run(t)
	require.Zero(t, got.status, got.errors)
	require.Contains(t, got.calls, "-q update\n")
	require.Contains(t, got.calls, "-q install --yes --no-install-recommends xterm\n")
	require.NotContains(t, got.calls, "sudo")
	require.Empty(t, got.out)
	require.Contains(t, got.errors, "installing 1 packages: xterm")
}

func TestUsesSudoOnlyWhenNotRoot(t *testing.T) {
	got := machine{uid: "1000"}.run(t)
	require.Zero(t, got.status, got.errors)
	require.Contains(t, got.calls, "sudo -n env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get")

	got = machine{uid: "1000", without: []string{"sudo"}}.run(t)
	require.Equal(t, 1, got.status)
	require.Contains(t, got.errors, "as root, run: apt-get install --yes --no-install-recommends gcc xterm")
	require.Empty(t, got.calls)

	got = machine{uid: "1000", commands: map[string]string{"sudo": "exit 1"}}.run(t)
	require.Equal(t, 1, got.status)
	require.Contains(t, got.errors, "sudo wants a password")
	require.Empty(t, got.calls)
}

func TestPrintChangesNothing(t *testing.T) {
	got := machine{args: []string{"--print"}, uid: "1000"}.run(t)
	require.Equal(t, outcome{out: "apt-get install --yes --no-install-recommends gcc xterm\n"}, got)
	require.Equal(t, outcome{}, machine{args: []string{"--print"}, installed: "gcc xterm"}.run(t))
}

func TestOtherSystemsAreToldWhatToInstall(t *testing.T) {
	fedora := "ID=fedora\nVERSION_ID=43\nPRETTY_NAME=\"Fedora Linux 43\"\n"
	got := machine{osRelease: fedora, list: "gcc\nxterm?\n"}.run(t)
	require.Equal(t, 1, got.status)
	require.Contains(t, got.errors, "this is: Fedora Linux 43")
	require.Contains(t, got.errors, "  gcc\n  xterm\n")
	require.Empty(t, got.calls)
	require.Equal(t, outcome{}, machine{osRelease: fedora, env: []string{"STREAMSTACK_SKIP_SETUP=1"}}.run(t))
}

func TestReleasesThatAreTooOld(t *testing.T) {
	for release, want := range map[string]string{
		"ID=debian\nVERSION_ID=\"11\"\nPRETTY_NAME=\"Debian 11\"\n":                  "Debian 11 is too old: Debian 12 or newer",
		"ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"20.04\"\nPRETTY_NAME=\"Ubuntu 20\"": "Ubuntu 20 is too old: Ubuntu 22.04 or newer",
		"ID=debian\nVERSION_ID=\"13\"\n":                                             "",
		"ID=debian\nPRETTY_NAME=\"Debian forky/sid\"\n":                              "",
		"ID=linuxmint\nID_LIKE=\"ubuntu debian\"\nVERSION_ID=\"21.3\"\n":             "",
		ubuntu24: "",
	} {
		got := machine{osRelease: release}.run(t)
		require.Contains(t, got.errors, want)
		require.Equal(t, want == "", got.status == 0, "%s\n%s", release, got.errors)
	}
}

func TestChromiumOnUbuntuIsASnap(t *testing.T) {
	got := machine{osRelease: ubuntu24, list: "gcc\nchromium\n"}.run(t)
	require.Equal(t, 1, got.status)
	require.Contains(t, got.errors, "sudo snap install chromium")
	require.Empty(t, got.calls)

	snap := map[string]string{"chromium": ""}
	got = machine{osRelease: ubuntu24, list: "gcc\nchromium\n", commands: snap}.run(t)
	require.Zero(t, got.status, got.errors)
	require.Contains(t, got.calls, "recommends gcc\n")
	require.Equal(t, outcome{}, machine{osRelease: ubuntu24, list: "gcc\nchromium\n", commands: snap, installed: "gcc"}.run(t))

	got = machine{list: "chromium\n"}.run(t)
	require.Contains(t, got.calls, "recommends chromium\n", "Debian has the package")
}

func TestPackagesThatNotEveryReleaseHas(t *testing.T) {
	list := "gcc\ngstreamer1.0-pulseaudio?\n"
	require.Equal(t, outcome{}, machine{list: list, installed: "gcc"}.run(t))
	got := machine{list: list, installed: "gcc", commands: map[string]string{"apt-cache": `[ "$*" = "show gstreamer1.0-pulseaudio" ]`}}.run(t)
	require.Contains(t, got.calls, "recommends gstreamer1.0-pulseaudio\n")
	require.Equal(t, outcome{}, machine{list: list, installed: "gcc gstreamer1.0-pulseaudio"}.run(t))
}

func TestWaitsForAnotherPackageManager(t *testing.T) {
	folder := t.TempDir()
	busyTwice := `case "$*" in *update*) echo x >>` + folder + `/n; [ "$(grep -c x ` + folder + `/n)" -gt 2 ] || { echo "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 17" >&2; exit 100; } ;; *) echo gcc >>` + folder + `/done; esac`
	got := machine{list: "gcc\n", commands: map[string]string{
		"apt-get":    busyTwice,
		"dpkg-query": `[ ! -e ` + folder + `/done ] || echo installed gcc`,
	}}.run(t)
	require.Zero(t, got.status, got.errors)
	require.Equal(t, 1, strings.Count(got.errors, "another package manager is running"))
	require.NotContains(t, got.errors, "failed")
}

func TestFailuresOfAptAreExplained(t *testing.T) {
	noNetwork := map[string]string{"apt-get": `echo "E: Temporary failure resolving 'deb.debian.org'" >&2; exit 100`}
	got := machine{commands: noNetwork}.run(t)
	require.Equal(t, 1, got.status)
	require.Contains(t, got.errors, "Temporary failure resolving")
	require.Contains(t, got.errors, "going on with the package lists that are there")
	require.Contains(t, got.errors, "apt-get could not install them (above): is the network up?")

	got = machine{commands: map[string]string{"apt-get": ""}}.run(t)
	require.Equal(t, 1, got.status)
	require.Contains(t, got.errors, "apt-get reported success, but these are not installed: gcc xterm")
}

func TestWrongUsage(t *testing.T) {
	got := machine{args: []string{"no-such-list"}}.run(t)
	require.Equal(t, 2, got.status)
	require.Contains(t, got.errors, "no such list: no-such-list")
}

// On this machine, where setup:test ran before the tests, the lists' packages are installed, and finding that out is quick
// enough for every start.
func TestThisMachineIsSetUp(t *testing.T) {
	begin := time.Now()
	out, err := exec.CommandContext(t.Context(), "sh", "packages.sh", "--print", "run.txt", "test.txt").CombinedOutput()
	require.NoError(t, err, string(out))
	require.Empty(t, string(out))
	require.Less(t, time.Since(begin), 30*time.Second)
}
