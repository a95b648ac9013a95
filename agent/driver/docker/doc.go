// Package docker is the driver that runs an instance as a container of any engine that speaks the Docker Engine API: Docker, or
// Podman's socket (podman-system-service(1)).
//
// A container is one session, with its own X server, sound server, streamer and application: `streamstack instance` (package
// guest) in it is the process driver. The engine may be on this machine or, over TCP with TLS, on another; nothing is
// shared with it but the API.
//
// # Found again
//
// A container is found by its labels: [LabelAgent] and [LabelSession]. It outlives the agent, and so does the engine's log of
// what the guest said, from which the next run of the agent knows whether it was launched to its end ([Driver.Adopt]) and how
// it ended. There is no state file. [Driver.Sweep], which the agent's janitor calls, removes whatever carries the agent's
// label and belongs to no session.
//
// # Engines that several agents share
//
// An agent that is lost and never comes back leaves its containers to its neighbours: [Driver.Foreign] tells them what there is of
// others' sessions, the log whether those are over or another agent's by now, and [Driver.EndForeign] ends what nobody wants. A
// container that was started before its session came has that in its name alone (labels cannot be changed), which counts only
// as AGENT.SESSION with the agent of its label. One that still waits is left alone, whoever's it is: no log tells whether its agent is
// alive, and it holds nobody's session. It ends by itself when its agent does, as its standard input ends then; what stays is a
// container that is stopped, and its agent's next run removes it.
//
// # What a container may do
//
// As little as will do: no capabilities, no new privileges, a read-only root file system with temporary ones on /tmp and /data,
// a private IPC and process namespace, the image's ordinary user, limits of memory (no swap), processors, processes and open
// files. What it prints is bounded, by the engine and here. The one thing that is open by default is the network: the host's, since a
// browser must reach the streamer's UDP ports; Config.Network names another.
//
// # Secrets
//
// The session reaches the guest through the container's standard input, once, and never stands in its environment, arguments,
// labels or files: those are what anybody with the engine's socket is shown by `inspect`.
//
// # Engines that are away
//
// A launch while the engine does not answer fails as [driver.ErrAway]. A session that runs is not touched by that: its
// container goes on (Podman's always do, Docker's with its live-restore), and the driver asks again until the engine is back.
package docker
