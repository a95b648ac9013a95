package command

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"streamstack/events"
)

// load is the average of the last minute: processes that run or wait, for each processor.
func load() float64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	const fraction = 1 << 16                                                                     // sysinfo(2): SI_LOAD_SHIFT
	return float64(int(float64(info.Loads[0])/fraction/float64(runtime.NumCPU())*100+0.5)) / 100 // two digits
}

// vendors are the PCI numbers of those who make graphics cards.
var vendors = map[string]string{"0x10de": "nvidia", "0x1002": "amd", "0x8086": "intel"}

// gpus are the graphics cards that have a render node, by the kernel's device tree in a folder.
func gpus(drm string) (all []events.GPUData) {
	nodes, _ := filepath.Glob(filepath.Join(drm, "renderD*")) // the pattern is sound
	slices.Sort(nodes)
	for _, node := range nodes {
		number, err := os.ReadFile(filepath.Join(node, "device", "vendor"))
		if err != nil {
			continue // not on PCI: nothing that encodes
		}
		vendor := strings.TrimSpace(string(number))
		if name, known := vendors[vendor]; known {
			vendor = name
		}
		all = append(all, events.GPUData{Vendor: vendor, Device: "/dev/dri/" + filepath.Base(node)})
	}
	return all
}

// kernelGPUs is where the kernel lists graphics cards.
const kernelGPUs = "/sys/class/drm"
