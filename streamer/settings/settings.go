// Package settings reads the streamer's configuration in the instance, streamer.json (streamer-config.md, sections 1 to 3).
//
// Users and add-ons write that file, and a session must not fail for it: whatever is wrong in it is logged, by its key, and the default holds for
// that key alone. It is read once, at the start.
package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"streamstack/streamer/bitrate"
	"streamstack/streamer/frame"
	"streamstack/streamer/media/encoder"
)

// Path is where the file is.
const Path = "/var/lib/anbox/streamer.json"

// maxSize bounds the file, in bytes; a real one has some hundred.
const maxSize = 1 << 20

// Settings are what the file says, with defaults for what it does not. The zero value is what holds without a file.
type Settings struct {
	// Bitrate is video.bitrate_limits.
	Bitrate bitrate.Table
	// Disabled is video.disabled_codecs.
	Disabled []frame.Codec
	// NVENC is nvidia_h264 and nvidia_av1: how NVIDIA's encoders are to work.
	NVENC map[frame.Codec]encoder.NVENC
}

// Read reads a file. One that is not there says nothing; one that is faulty says what of it can be understood.
func Read(path string, log *slog.Logger) Settings {
	log = log.With("file", path)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Settings{}
	}
	if err != nil {
		log.Warn("the streamer's configuration cannot be read: the defaults hold", "err", err)
		return Settings{}
	}
	defer func() { _ = f.Close() }() // read only
	text, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err == nil && len(text) > maxSize {
		err = fmt.Errorf("it is larger than %d bytes", maxSize)
	}
	if err != nil {
		log.Warn("the streamer's configuration cannot be read: the defaults hold", "err", err)
		return Settings{}
	}
	return Parse(text, log)
}

// reader reads keys one by one, so that a faulty one does not take others along.
type reader struct{ log *slog.Logger }

// Parse reads the content of a file.
func Parse(text []byte, log *slog.Logger) Settings {
	r := reader{log}
	var s Settings
	var file, video map[string]json.RawMessage
	if err := json.Unmarshal(text, &file); err != nil {
		log.Warn("the streamer's configuration is no JSON object: the defaults hold", "err", err)
		return s
	}
	r.read(file, "", "video", &video)
	s.Bitrate = r.limits(video)
	s.Disabled = r.disabled(video)
	for key, codec := range map[string]frame.Codec{"nvidia_h264": frame.H264, "nvidia_av1": frame.AV1} {
		// The reference has them beside video, its example inside: both count, and the latter wins.
		where, in := "", file
		if _, inside := video[key]; inside {
			where, in = "video.", video
		}
		if n, found := r.nvenc(in, where, key); found {
			if s.NVENC == nil {
				s.NVENC = map[frame.Codec]encoder.NVENC{}
			}
			s.NVENC[codec] = n
		}
	}
	return s
}

// read reads one key, if it is there and not null.
func (r reader) read(from map[string]json.RawMessage, where, key string, to any) bool {
	raw, there := from[key]
	if !there || bytes.Equal(bytes.TrimSpace(raw), []byte("null")) {
		return false
	}
	if err := json.Unmarshal(raw, to); err != nil {
		r.wrong(where+key, err.Error())
		return false
	}
	return true
}

// entry reads one of a list, where null is nothing that an entry could be.
func (r reader) entry(key string, raw json.RawMessage, to any) bool {
	err := json.Unmarshal(raw, to)
	if err == nil && bytes.Equal(raw, []byte("null")) {
		err = errors.New("it is null")
	}
	if err != nil {
		r.wrong(key, err.Error())
	}
	return err == nil
}

func (r reader) wrong(key, why string) {
	r.log.Warn("a key of the streamer's configuration is wrong: its default holds", "key", key, "err", why)
}

func (r reader) limits(video map[string]json.RawMessage) bitrate.Table {
	var raw []json.RawMessage
	if !r.read(video, "video.", "bitrate_limits", &raw) {
		return bitrate.Table{}
	}
	var limits []bitrate.Limit
	for i, one := range raw {
		var l bitrate.Limit
		if r.entry(fmt.Sprintf("video.bitrate_limits[%d]", i), one, &l) {
			limits = append(limits, l)
		}
	}
	return bitrate.NewTable(r.log, limits)
}

// disabled are the codecs that it knows, in any letter case.
func (r reader) disabled(video map[string]json.RawMessage) (disabled []frame.Codec) {
	var raw []json.RawMessage
	r.read(video, "video.", "disabled_codecs", &raw)
	for i, one := range raw {
		var name string
		if !r.entry(fmt.Sprintf("video.disabled_codecs[%d]", i), one, &name) {
			continue
		}
		switch codec := frame.Codec(strings.ToUpper(name)); codec {
		case frame.AV1, frame.H264, frame.VP8, frame.VP9:
			disabled = append(disabled, codec)
		default:
			r.wrong("video.disabled_codecs", fmt.Sprintf("%q is no codec: use AV1, H264, VP8, VP9", name))
		}
	}
	return disabled
}

func (r reader) nvenc(from map[string]json.RawMessage, where, key string) (n encoder.NVENC, found bool) {
	var raw map[string]json.RawMessage
	if !r.read(from, where, key, &raw) {
		return n, false
	}
	where += key + "."
	r.read(raw, where, "multipass", &n.Multipass)
	r.read(raw, where, "multipass_quarter_resolution", &n.QuarterResolution)
	r.read(raw, where, "aq", &n.AQ)
	r.number(raw, where, "aq_strength", encoder.MaxAQStrength, &n.AQStrength)
	r.number(raw, where, "preset", encoder.MaxPreset, &n.Preset)
	return n, true
}

// number reads one from 0 to most.
func (r reader) number(from map[string]json.RawMessage, where, key string, most int, to *int) {
	var n int
	switch {
	case !r.read(from, where, key, &n):
	case n < 0 || n > most:
		r.wrong(where+key, fmt.Sprintf("%d is not between 0 and %d", n, most))
	default:
		*to = n
	}
}
