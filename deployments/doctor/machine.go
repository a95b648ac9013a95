package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v3"

	agent "streamstack/agent/command"
	"streamstack/agent/driver/process"
	"streamstack/agent/driver/process/confine"
)

// vendors are the makers of GPUs by their PCI numbers.
var vendors = map[string]string{"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}

// gpus looks below root, which is / but in tests, for the devices that encoding and rendering in hardware need.
func gpus(root string) (found []Finding) {
	nodes, _ := filepath.Glob(filepath.Join(root, "dev/dri/renderD*")) // the pattern is sound
	for _, node := range nodes {
		name := strings.TrimPrefix(node, strings.TrimSuffix(root, "/"))
		found = append(found, of("gpu", name, maker(root, filepath.Base(node)), false, openable(node)))
	}
	if len(nodes) == 0 {
		found = append(found, of("gpu", "/dev/dri/renderD*", "", false,
			errors.New("there is no render node: no GPU of Intel or AMD, or its driver is not loaded, or the container is not given the device")))
	}
	version, err := os.ReadFile(filepath.Join(root, "proc/driver/nvidia/version"))
	if err != nil {
		return append(found, of("gpu", "nvidia", "", false,
			errors.New("NVIDIA's driver is not loaded (no /proc/driver/nvidia/version): no GPU of NVIDIA, or install its driver")))
	}
	line, _, _ := strings.Cut(string(version), "\n")
	return append(found, of("gpu", "nvidia", strings.Join(strings.Fields(line), " "), false, openable(filepath.Join(root, "dev/nvidiactl"))))
}

// maker names who made the GPU of a render node.
func maker(root, node string) string {
	id, err := os.ReadFile(filepath.Join(root, "sys/class/drm", node, "device/vendor"))
	if err != nil {
		return "of an unknown maker"
	}
	number := strings.TrimSpace(string(id))
	if name := vendors[number]; name != "" {
		return name
	}
	return "of the maker with PCI number " + number
}

// openable tells whether this user may use a device.
func openable(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	switch {
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w: add the user to the group that `ls -l %s` shows", err, path)
	case err != nil:
		return fmt.Errorf("it cannot be opened: %w", err)
	}
	_ = f.Close() // nothing was written
	return nil
}

// instances are what the process driver needs: displays and sound servers.
func instances(needs []process.Need) (found []Finding) {
	for _, n := range needs {
		area := "display"
		if strings.Contains(n.What, "sound") {
			area = "sound"
		}
		var err error
		if !n.There {
			err = fmt.Errorf("run `apt-get install %s`", n.Debian)
		}
		found = append(found, of(area, n.What, "", true, err))
	}
	return found
}

// limits are those of applications' files, where instances are processes of this machine.
func limits(how string, err error) Finding {
	return of("limits", "of memory, processors and processes", how, false, err)
}

// namespaces are those of applications with --isolate.
func namespaces(ctx context.Context) Finding {
	self, err := os.Executable()
	if err == nil {
		err = process.CheckIsolation(ctx, []string{self, confine.Name})
	}
	return of("isolation", "namespaces of an application (--isolate)", "", false, err)
}

// engines are what else could run instances: a container engine, and AMS where one is named.
func engines(ctx context.Context, cmd *cli.Command) []Finding {
	engine, says, err := agent.ReachContainers(ctx, cmd)
	found := []Finding{of("engine", strings.TrimSpace("container engine "+engine), says, false, err)}
	address, says, err := agent.ReachAMS(ctx, cmd)
	return append(found, of("engine", strings.TrimSpace("AMS "+address), says, false, err))
}

// port is an address that `up` listens on.
type port struct {
	flag, addr string
	udp        bool
}

// ports looks whether the addresses are free. Those that the running stack has are not looked at.
func ports(ctx context.Context, all []port, running bool) (found []Finding) {
	for _, p := range all {
		name := "--" + p.flag + " " + p.addr
		if running {
			found = append(found, of("port", name, "not looked at: a stack runs", false, nil))
			continue
		}
		err := listen(ctx, "tcp", p.addr)
		if p.udp && err == nil {
			err = listen(ctx, "udp", p.addr)
		}
		if err != nil {
			err = fmt.Errorf("%w: give `up` another address with --%s", err, p.flag)
		}
		found = append(found, of("port", name, "free", true, err))
	}
	return found
}

func listen(ctx context.Context, network, addr string) error {
	var config net.ListenConfig
	if network == "udp" {
		conn, err := config.ListenPacket(ctx, network, addr)
		if err != nil {
			return err
		}
		return conn.Close()
	}
	listener, err := config.Listen(ctx, network, addr)
	if err != nil {
		return err
	}
	return listener.Close()
}
