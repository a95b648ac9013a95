package images

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// stand is a script in folder that stands for a program; it writes down its arguments, one a line, before it does something.
func stand(t *testing.T, folder, name, does string) (arguments string) {
	t.Helper()
	arguments = filepath.Join(folder, name+".arguments")
	script := "#!/bin/sh\nprintf '%s\\n' \"$@\" >>" + arguments + "\n" + does
	require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(script), 0o700))
	return arguments
}

// With --base debootstrap the packages come from a mirror, by mmdebstrap, what it has made is what the engine imports, and the image is
// built on that. Both are stood in for: half a gigabyte from a mirror is for `task image -- --base debootstrap`.
func TestDebootstrap(t *testing.T) {
	folder := t.TempDir()
	made := stand(t, folder, "mmdebstrap", `[ -z "$FAIL" ] || exit 25
for last; do root=$before before=$last; done
mkdir -p "$root/etc" && echo made >"$root/etc/mark"
`)
	asked := stand(t, folder, "engine", `case $1 in import) tar -xO ./etc/mark >`+filepath.Join(folder, "imported")+` ;; esac
`)
	program := filepath.Join(folder, "program")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\n"), 0o700))
	build := func(env ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "sh", "build.sh", "--base", "debootstrap", "--tag", "t:1", "--binary", program)
		cmd.Env = append(append(os.Environ(), "PATH="+folder+":"+os.Getenv("PATH"), "ENGINE=engine"), env...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := build("RELEASE=bookworm", "MIRROR=http://mirror.example/debian")
	require.NoError(t, err, out)
	text, err := os.ReadFile(made)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	here, err := os.Getwd()
	require.NoError(t, err)
	n := len(lines)
	require.GreaterOrEqual(t, n, 5, lines)
	require.Equal(t, []string{"--variant=essential", "--include=" + strings.Join(list(t, "packages.txt"), ",")}, lines[:2])
	require.Equal(t, `--customize-hook=sh `+here+`/finish.sh "$1"`, lines[n-4])
	require.Equal(t, []string{"bookworm", "http://mirror.example/debian"}, []string{lines[n-3], lines[n-1]})
	for _, option := range lines[2 : n-4] {
		require.Regexp(t, `^--dpkgopt=path-exclude=/usr/share/(doc|man|locale)/\*$`, option)
	}
	imported, err := os.ReadFile(filepath.Join(folder, "imported"))
	require.NoError(t, err)
	require.Equal(t, "made\n", string(imported), "the engine imports what mmdebstrap has made")
	text, err = os.ReadFile(asked)
	require.NoError(t, err)
	require.Contains(t, string(text), "import\n-\nstreamstack-base:debootstrap\nbuild\n--build-arg\nBASE=streamstack-base:debootstrap\n--tag\nt:1\n")
	require.NoDirExists(t, filepath.Dir(lines[n-2]), "the root file system is not kept")

	require.NoError(t, os.Remove(asked))
	out, err = build("FAIL=yes")
	require.Error(t, err, out)
	require.NoFileExists(t, asked, "nothing is built of what could not be made")
}
