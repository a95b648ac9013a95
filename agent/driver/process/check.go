package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"streamstack/agent/driver"
)

// Where distributions put Xorg itself. The script in PATH would only add a shell, and on Debian a setuid wrapper that
// refuses to run without a console.
var xorgPaths = []string{"/usr/lib/xorg/Xorg", "/usr/libexec/Xorg", "/usr/lib/Xorg"}

// dummyPatterns are the places of the dummy driver, Debian's and others'.
var dummyPatterns = []string{"/usr/lib/xorg/modules/drivers/dummy_drv.so", "/usr/lib64/xorg/modules/drivers/dummy_drv.so", "/usr/lib/*/xorg/modules/drivers/dummy_drv.so"}

func findXorg() (string, error) {
	for _, path := range xorgPaths {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	path, err := exec.LookPath("Xorg")
	if err != nil {
		return "", driver.Because(driver.ErrMissing, "process: no X server (Xorg) is installed; run: apt-get install xserver-xorg-core")
	}
	return path, nil
}

// requirement is something that instances need from the machine.
type requirement struct {
	what, debian string
	there        func() bool
}

var requirements = []requirement{
	{"the X server (Xorg)", "xserver-xorg-core", func() bool { _, err := findXorg(); return err == nil }},
	{"Xorg's dummy driver", "xserver-xorg-video-dummy", func() bool { return anyFile(dummyPatterns...) }},
	{"xkbcomp", "x11-xkb-utils", inPath("xkbcomp")},
	{"the keyboard database", "xkb-data", func() bool { return anyFile(filepath.Join(xkbData, "rules", "evdev")) }},
	{"the sound server (pulseaudio)", "pulseaudio", inPath("pulseaudio")},
}

func inPath(name string) func() bool {
	return func() bool { _, err := exec.LookPath(name); return err == nil }
}

func anyFile(patterns ...string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		found, err := filepath.Glob(pattern)
		return err == nil && len(found) > 0
	})
}

// Check names everything that is missing in one line, with the one command that installs it on Debian and Ubuntu; see
// [driver.Driver].
func (d *Driver) Check(ctx context.Context) error {
	if err := check(requirements); err != nil {
		return err
	}
	if len(d.config.Confine) > 0 {
		if err := CheckIsolation(ctx, d.config.Confine); err != nil {
			return err
		}
	}
	if _, err := d.groups(); d.config.Limits == LimitsEnforce {
		return errLimits(err)
	}
	return nil
}

func check(requirements []requirement) error {
	var missing, packages []string
	for _, r := range requirements {
		if !r.there() {
			missing, packages = append(missing, r.what), append(packages, r.debian)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("process: missing on this machine: %s; run: apt-get install %s", strings.Join(missing, ", "), strings.Join(packages, " "))
}

// Need is something that instances need from the machine, and whether it is there.
type Need struct {
	What string
	// Debian is the package of Debian and Ubuntu that has it.
	Debian string
	There  bool
}

// Needs lists all that [Driver.Check] checks, in its order.
func Needs() []Need {
	needs := make([]Need, len(requirements))
	for i, r := range requirements {
		needs[i] = Need{r.what, r.debian, r.there()}
	}
	return needs
}
