package media

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"streamstack/streamer/media/encoder"
)

const (
	// probeFile is the cache's file, in a folder that all streamers of a machine share.
	probeFile = "streamstack-encoders.json"
	// probeAge is how long results count: what is not in the key may have changed as well.
	probeAge = 24 * time.Hour
	// maxProbeFile bounds what is read; a real one has some kilobytes.
	maxProbeFile = 1 << 20
)

// probed is the content of the file.
type probed struct {
	Key      string    `json:"key"`
	At       time.Time `json:"at"`
	Encoders []Encoder `json:"encoders"`
}

// ProbeCached is [Probe] for a streamer that starts: what an earlier one found on this machine, with this GStreamer and these drivers, it
// takes from a file in a folder. An encoder of hardware that did not work is tried again each time: the GPU may have been busy. Whatever is
// wrong with the file costs no more than the probe.
func ProbeCached(ctx context.Context, log *slog.Logger, folder string) []Encoder {
	if err := initialise(); err != nil {
		return Probe(ctx, log)
	}
	file, key := filepath.Join(folder, probeFile), probeKey()
	known := readProbed(file, key, log)
	var missing []encoder.Row
	for _, r := range rows {
		if _, found := known[r.Element]; !found {
			missing = append(missing, r)
		}
	}
	if len(missing) > 0 {
		for _, e := range probe(ctx, log, missing) {
			known[e.Name] = e
		}
	}
	all := make([]Encoder, 0, len(rows))
	for _, r := range rows {
		all = append(all, known[r.Element])
	}
	log.Info("encoders", "known", len(rows)-len(missing), "probed", len(missing))
	if len(missing) > 0 && ctx.Err() == nil {
		if err := writeProbed(file, probed{Key: key, At: time.Now(), Encoders: all}); err != nil {
			log.Debug("the probe's results are not kept", "err", err)
		}
	}
	return all
}

// readProbed gives what the file knows for this key, by element; it is empty where it knows nothing.
func readProbed(file, key string, log *slog.Logger) map[string]Encoder {
	known := map[string]Encoder{}
	info, err := os.Stat(file)
	if err == nil && info.Size() > maxProbeFile {
		err = fmt.Errorf("%s has %d bytes", file, info.Size())
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(file)
	}
	var p probed
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			log.Debug("the probe's results of before do not count", "err", err)
		}
		return known
	}
	if age := time.Since(p.At); p.Key != key || age < 0 || age > probeAge {
		return known
	}
	for _, r := range rows {
		i := slices.IndexFunc(p.Encoders, func(e Encoder) bool { return e.Name == r.Element && e.Codec == r.Codec && e.Vendor == r.Vendor })
		if i >= 0 && (p.Encoders[i].OK || !r.Hardware() || missingOf(r) != nil) {
			known[r.Element] = p.Encoders[i]
		}
	}
	return known
}

// writeProbed replaces the file as a whole: other streamers may be reading it.
func writeProbed(file string, p probed) error {
	text, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("media: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".encoders-*")
	if err != nil {
		return fmt.Errorf("media: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("media: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// probeKey changes with whatever the result of a probe depends on: our table, the machine, GStreamer and its plugins, the drivers and the devices that
// this user may open.
func probeKey() string {
	h := sha256.New()
	add := func(what ...any) { _, _ = fmt.Fprintln(h, what...) } // a hash takes everything
	add(version(), runtime.GOARCH, runtime.GOMAXPROCS(0), rows)
	for _, r := range rows {
		for _, element := range r.Elements() {
			add(element, installed(element))
		}
	}
	for _, name := range []string{"/proc/driver/nvidia/version", "/proc/sys/kernel/osrelease", "/etc/machine-id"} {
		text, err := os.ReadFile(name)
		add(name, string(text), err != nil)
	}
	for _, pattern := range []string{"/dev/nvidia*", "/dev/dri/renderD*", "/dev/video*", "/usr/lib/*/gstreamer-1.0/*.so", "/usr/lib/*/dri/*_drv_video.so"} {
		found, _ := filepath.Glob(pattern) // the patterns are well-formed
		for _, name := range found {
			info, err := os.Stat(name)
			if err != nil {
				continue // gone
			}
			add(name, info.Size(), info.Mode(), syscall.Access(name, readWrite) == nil)
			if info.Mode().IsRegular() {
				add(info.ModTime())
			}
		}
	}
	for _, name := range []string{"LIBVA_DRIVER_NAME", "LIBVA_DRIVERS_PATH", "CUDA_VISIBLE_DEVICES", "GST_PLUGIN_PATH", "GST_PLUGIN_PATH_1_0", "GST_PLUGIN_SYSTEM_PATH_1_0"} {
		add(name, os.Getenv(name))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// readWrite is access(2)'s R_OK and W_OK.
const readWrite = 4 | 2
