package process

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// defaultPath is Debian's PATH, for an agent that has none.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environment is what every part of an instance gets; it is made from nothing, so that no secret in ours leaks.
func (in *instance) environment() []string {
	path := os.Getenv("PATH")
	if path == "" {
		path = defaultPath
	}
	return []string{
		"PATH=" + path,
		"LANG=C.UTF-8",
		"HOME=" + in.home(),
		"XDG_RUNTIME_DIR=" + in.runtime,
		markerVariable + "=" + in.marker,
	}
}

// clientEnvironment adds the way to the display and the sound server.
func (in *instance) clientEnvironment() []string {
	return append(in.environment(),
		"DISPLAY=:"+strconv.Itoa(in.display),
		"XAUTHORITY="+in.runtimeFile("xauthority"),
		"PULSE_SERVER=unix:"+in.soundSocket(),
		// Written by the streamer, read by the application.
		"STREAMSTACK_CLIENT_FILE="+in.clientFile(),
		"STREAMSTACK_DATA_SOCKETS="+in.socketFolder(),
		"STREAMSTACK_API_SOCKET="+filepath.Join(in.socketFolder(), "api.unix"),
		"STREAMSTACK_FILE_INBOX="+filepath.Join(in.home(), "inbox"),
		"STREAMSTACK_FILE_OUTBOX="+filepath.Join(in.home(), "outbox"),
		// Made by the streamer, for programs that want the client's sensors and location (package sensors).
		"STREAMSTACK_SENSOR_SOCKET="+in.runtimeFile("sensors"),
	)
}

// streamerEnvironment adds what the caller gives. The cache is shared by all instances: GStreamer's registry of
// plug-ins in it takes seconds to make.
func (in *instance) streamerEnvironment() []string {
	screen := "STREAMSTACK_SCREEN=" + in.screen
	input := "STREAMSTACK_INPUT_FOLDER=" + in.inputFolder()
	return append(append(in.clientEnvironment(), "XDG_CACHE_HOME="+in.cache, "STREAMSTACK_MICROPHONE="+MicrophoneSink,
		// Beside the logs, for whoever has switched it on from inside.
		"STREAMSTACK_TRACES="+filepath.Join(in.folder, "traces"), screen, input), in.spec.Streamer.Env...)
}

// applicationEnvironment adds the application's own variables, which cannot name ours (package application).
func (in *instance) applicationEnvironment() []string {
	// The rate is for applications that pace themselves, such as the test card.
	env := append(in.clientEnvironment(), "STREAMSTACK_FPS="+strconv.Itoa(in.spec.Screen.FPS))
	if len(in.spec.UserData) > 0 {
		env = append(env, "STREAMSTACK_USER_DATA="+in.userDataFile())
	}
	for _, name := range slices.Sorted(maps.Keys(in.spec.Application.Env)) {
		env = append(env, name+"="+in.spec.Application.Env[name])
	}
	return env
}

func (in *instance) home() string                   { return filepath.Join(in.folder, "home") }
func (in *instance) userDataFile() string           { return filepath.Join(in.home(), "user-data.json") }
func (in *instance) clientFile() string             { return filepath.Join(in.home(), "client.json") }
func (in *instance) runtimeFile(name string) string { return filepath.Join(in.runtime, name) }
func (in *instance) soundSocket() string            { return in.runtimeFile("sound") }

// inputFolder has the sockets of the display's mouse and touch screen. (A socket's path is at most 107 bytes.)
func (in *instance) inputFolder() string { return in.runtimeFile("input") }

// logFile is a log's path; part is one of x, sound, streamer, application.
func (in *instance) logFile(part string) string { return filepath.Join(in.folder, part+".log") }
