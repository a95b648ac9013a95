package docker

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/moby/moby/api/types/container"
)

// What Config.GPUs may ask for, besides CDI names (Container Device Interface).
const (
	gpuDRI    = "dri"    // every card's render node: Intel, AMD
	gpuNVIDIA = "nvidia" // NVIDIA's container runtime: all cards
)

// driFolder is where the kernel has graphics cards.
const driFolder = "/dev/dri"

// addGPUs asks for the graphics cards. groups are the numbers of the groups that may use the render nodes, which an ordinary
// user in the container must be in.
func addGPUs(h *container.HostConfig, gpus []string, groups []string) {
	for _, gpu := range gpus {
		switch gpu {
		case gpuDRI:
			h.Devices = append(h.Devices, container.DeviceMapping{PathOnHost: driFolder, PathInContainer: driFolder, CgroupPermissions: "rw"})
			h.GroupAdd = append(h.GroupAdd, groups...)
		case gpuNVIDIA:
			// utility is nvidia-smi's library, video NVENC's, graphics OpenGL's: what the runtime then brings into the container.
			h.DeviceRequests = append(h.DeviceRequests, container.DeviceRequest{Driver: "nvidia", Count: -1,
				Capabilities: [][]string{{"gpu", "utility", "video", "graphics", "display"}}})
		default:
			h.DeviceRequests = append(h.DeviceRequests, container.DeviceRequest{Driver: "cdi", DeviceIDs: []string{gpu}})
		}
	}
}

// renderGroups are the groups of the render nodes in a folder, where the engine is on this machine.
func renderGroups(engine, folder string) (groups []string) {
	if !strings.HasPrefix(engine, "unix:") {
		return nil
	}
	nodes, _ := filepath.Glob(filepath.Join(folder, "renderD*")) // the pattern is sound
	for _, node := range nodes {
		var info syscall.Stat_t
		if syscall.Stat(node, &info) != nil {
			continue
		}
		if group := strconv.FormatUint(uint64(info.Gid), 10); info.Gid != 0 && !slices.Contains(groups, group) {
			groups = append(groups, group)
		}
	}
	return groups
}
