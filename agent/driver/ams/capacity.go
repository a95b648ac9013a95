package ams

import (
	"context"
	"math"
)

// Defaults of AMS (section 9).
const (
	defaultCPURate, defaultMemoryRate = 4, 2
	defaultCPUs                       = 2
	defaultMemory                     = 3 << 30
	diskContainer, diskVM             = 3 << 30, 15 << 30
)

// need is what instances take, or nodes have left.
type need struct {
	cpus         float64
	memory, disk float64 // bytes
	gpuSlots     float64
}

func (n need) less(m need) need {
	return need{n.cpus - m.cpus, n.memory - m.memory, n.disk - m.disk, n.gpuSlots - m.gpuSlots}
}

func (n need) most(m need) need {
	return need{max(n.cpus, m.cpus), max(n.memory, m.memory), max(n.disk, m.disk), max(n.gpuSlots, m.gpuSlots)}
}

// times is how often one fits.
func (n need) times(one need) int {
	fits := math.Inf(1)
	for _, pair := range [][2]float64{{n.cpus, one.cpus}, {n.memory, one.memory}, {n.disk, one.disk}, {n.gpuSlots, one.gpuSlots}} {
		if pair[1] > 0 {
			fits = min(fits, math.Floor(max(pair[0], 0)/pair[1]))
		}
	}
	return int(min(fits, math.MaxInt32))
}

// Capacity is how many instances the cluster can take beside those of others: the sum, over nodes that are online and
// schedulable, of how often the most that any application needs fits into what is left (section 9). AMS's own scheduler
// decides at each launch; this keeps an agent from claiming what could not start. Call it after [Driver.Applications].
func (d *Driver) Capacity(ctx context.Context) (int, error) {
	var nodes []node
	if err := d.client.get(ctx, "/1.0/nodes", recursive(), &nodes); err != nil {
		return 0, err
	}
	var instances []remote
	if err := d.client.get(ctx, "/1.0/instances", recursive(), &instances); err != nil {
		return 0, err
	}
	used := map[string]need{}
	for _, r := range instances {
		if !r.tagged(d.tag()) { // what an earlier run of this agent left is ended before work is taken
			used[r.Node] = used[r.Node].less(need{}.less(r.takes()))
		}
	}
	one, slots := d.largest(), 0
	for _, n := range nodes {
		if n.StatusCode == nodeOnline && !n.Unschedulable && !n.Unscheduable {
			slots += n.capacity().less(used[n.Name]).times(one)
		}
	}
	return slots, nil
}

// largest is what an instance of any application that can be streamed gets at most.
func (d *Driver) largest() (n need) {
	for _, a := range d.apps.all() {
		n = n.most(a.needs())
	}
	if n == (need{}) {
		n = remoteApp{}.needs()
	}
	return n
}

// needs are what an application's instance takes, AMS's defaults where it says nothing.
func (a remoteApp) needs() need {
	n := need{float64(a.Resources.CPUs), float64(parseSize(a.Resources.Memory)), float64(parseSize(a.Resources.Disk)), float64(a.Resources.GPUSlots)}
	disk := float64(diskContainer)
	if a.VM {
		disk = diskVM
	}
	for _, d := range []struct {
		of *float64
		is float64
	}{{&n.cpus, defaultCPUs}, {&n.memory, defaultMemory}, {&n.disk, disk}} {
		if *d.of == 0 {
			*d.of = d.is
		}
	}
	return n
}

// takes is what an instance occupies on its node: all while it lives, its disk when it failed.
func (r remote) takes() need {
	n := need{float64(r.Resources.CPUs), float64(r.Resources.Memory), float64(r.Resources.Disk), float64(r.Resources.GPUSlots)}
	switch r.StatusCode {
	case stateStopped, stateDeleted:
		return need{}
	case stateError:
		return need{disk: n.disk}
	}
	return n
}

// capacity is what a node offers, with its rates of allocation. A disk whose size is not told does not bound it.
func (n node) capacity() need {
	cpuRate, memoryRate := n.CPUAllocationRate, n.MemoryAllocationRate
	if cpuRate <= 0 {
		cpuRate = defaultCPURate
	}
	if memoryRate <= 0 {
		memoryRate = defaultMemoryRate
	}
	disk := float64(parseSize(n.Disk))
	if disk == 0 {
		disk = math.Inf(1)
	}
	return need{float64(n.CPUs) * cpuRate, float64(parseSize(n.Memory)) * memoryRate, disk, float64(n.GPUSlots)}
}
