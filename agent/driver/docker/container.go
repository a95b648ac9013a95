package docker

import (
	"cmp"
	"fmt"
	"maps"
	"strconv"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"streamstack/agent/driver"
)

// program is our own in every image.
const program = "/usr/bin/streamstack"

// name is a container's in the engine. An agent's id has no dot.
func (c *Config) name(session string) string { return c.Agent + "." + session }

// describe is the container for a session. Nothing of the session's secrets, user data or application is in it but the
// application's name.
func (c *Config) describe(spec driver.Spec, groups []string) client.ContainerCreateOptions {
	memory := cmp.Or(spec.Application.Limits.Memory, c.Memory)
	cpus := cmp.Or(spec.Application.Limits.CPUs, c.CPUs)
	pids, grace := int64(pidsLimit), int(stopGrace.Seconds())
	host := &container.HostConfig{
		NetworkMode:    container.NetworkMode(c.Network),
		IpcMode:        container.IPCModePrivate,
		RestartPolicy:  container.RestartPolicy{Name: container.RestartPolicyDisabled},
		CapDrop:        []string{"ALL"},
		SecurityOpt:    []string{"no-new-privileges"},
		ReadonlyRootfs: true,
		// exec: applications may bring programs of their own into their home.
		Tmpfs: map[string]string{
			"/tmp":  fmt.Sprintf("rw,exec,nosuid,nodev,mode=1777,size=%d", tmpSize),
			"/data": fmt.Sprintf("rw,exec,nosuid,nodev,mode=1777,size=%d", dataSize),
			// A link to the sockets, where programs made for the original look for them (package guest).
			"/run/user/1000": "rw,noexec,nosuid,nodev,mode=1777,size=65536",
		},
		ShmSize:   shmSize,
		LogConfig: container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": strconv.Itoa(logLimit)}},
		Resources: container.Resources{
			Memory: memory, MemorySwap: memory, // the same: no swap
			NanoCPUs:  int64(cpus * 1e9),
			PidsLimit: &pids,
			Ulimits: []*container.Ulimit{{Name: "nofile", Soft: nofile, Hard: nofile}, {Name: "nproc", Soft: nproc, Hard: nproc},
				{Name: "core", Soft: 0, Hard: 0}}, // a core would hold the session's secrets
		},
	}
	addGPUs(host, c.GPUs, groups)
	labels := map[string]string{LabelAgent: c.Agent, LabelSession: spec.Session, LabelApplication: spec.Application.Name}
	if spec.Attempt > 0 {
		labels[LabelAttempt] = strconv.Itoa(spec.Attempt)
	}
	return client.ContainerCreateOptions{
		Name: c.name(spec.Session),
		Config: &container.Config{
			Image: c.image(spec.Application), Labels: maps.Clone(labels),
			Entrypoint: []string{program}, Cmd: []string{"instance"},
			OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true,
			StopTimeout: &grace,
		},
		HostConfig: host,
	}
}
