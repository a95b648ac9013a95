// Package process is the driver that runs an instance as processes of this machine.
//
// Each instance has four parts, in sessions (setsid(2)) of their own: an Xorg with the dummy driver, a PulseAudio
// daemon with a null sink, the streamer and the application. Display and sound start side by side, then the streamer
// and the application. All of them end together: whichever ends first is the reason, the others get SIGTERM and then
// SIGKILL in the order application, streamer, sound, display.
//
// # Folders
//
//	DATA/instances/.host                  this folder's own random id, part of the marker
//	DATA/instances/SESSION/state.json     while it runs: who started it, its processes by pid and start time, its control group
//	DATA/instances/SESSION/{x,sound,streamer,application}.log
//	DATA/instances/SESSION/home           the application's HOME, while it runs; user-data.json in it
//	DATA/instances/SESSION/traces         the RTC event log, where a program of the instance has switched it on
//	DATA/cache                            the streamers' XDG_CACHE_HOME, shared: it holds GStreamer's registry
//	TMPDIR/streamstack-*                  XDG_RUNTIME_DIR of an instance (0700; short, since a socket's path is at most
//	                                      107 bytes): X authority, PulseAudio's socket, configuration of both
//
// # Nothing is left
//
// The streamer is started before anything else, and reads what it is to do from its standard input when all is up: an agent that is killed
// in the midst of a launch leaves a streamer that sees the end of it, and ends the instance (streamer/instance). From then on it is
// the log that tells it.
//
// A process belongs to an instance when it is in the session of one of the parts, is a descendant of one, or carries
// STREAMSTACK_INSTANCE=HOST/SESSION in its environment; the last finds daemons that called setsid and whose parent is
// gone. Where the host lets us make control groups (package cgroup), each instance has one, which nobody leaves; elsewhere a
// program escapes that does both and clears its environment. Children
// are not tied to us with PR_SET_PDEATHSIG: it fires when the *thread* that forked ends, which Go decides, and the
// instances of a stand-alone agent must outlive it. [Driver.Sweep] ends the orphans of a run that died instead. So when agent and streamer
// are killed together, display, sound and application stay until that agent's next start: whoever could end them sooner would be one more
// process of each instance, which the same hand kills. A service manager that ends the agent's control group ends all of it.
// Their output goes straight to files, not through pipes that would break with the agent.
//
// # Instances that wait
//
// [Driver.Warm] starts all but the application, in a folder of its name, warm-UUID. With its session it gets that one's name, screen, limits
// and application; the old name stays as a link, since its processes know it, and in their marker. One that waits when its agent dies is
// not adopted: its streamer ends it, and so does the next Sweep.
//
// # What the application can see
//
// Its environment is made from nothing: PATH, LANG, HOME, XDG_RUNTIME_DIR, DISPLAY, XAUTHORITY, PULSE_SERVER, the
// marker, STREAMSTACK_USER_DATA, STREAMSTACK_SENSOR_SOCKET and its own variables. The streamer gets its secret on standard input, since a process
// of the same user can read another's environment.
//
// With [Config.Confine] it runs in namespaces of its own (package confine): it has no network but a loopback of its own, sees no other
// process, and of the data folder and /tmp what is its session's. Display and sound are sockets with files, so that the session is as any
// other; one that has a port for shares is refused. Other files are those of the agent's user, as they are without.
//
// # Limits
//
// Those of an application's file hold for all of its instance, encoder included, as they do where an instance is a container. They need
// control groups; RLIMIT_AS, the one limit of setrlimit(2) that comes near, breaks programs that reserve address space, such as
// browsers and OpenGL drivers. Where there are none, [Limits] says whether that is worth a warning or the end of the matter. An instance
// one of whose processes was killed for its memory ends as a whole: what is left of a program is of no use to anybody.
package process
