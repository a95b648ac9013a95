package instanceapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// Name is a setting's.
type Name string

// The settings (streamer-config.md, section 7).
const (
	RTCLog  Name = "rtc_log"
	Active  Name = "stream_active"
	MinKbps Name = "stream_video_bitrate_min_kbps"
	MaxKbps Name = "stream_video_bitrate_max_kbps"
)

// writable are those that can be changed.
var writable = []Name{RTCLog, MinKbps, MaxKbps}

// Settings are all, with their values now.
type Settings struct {
	RTCLog bool `json:"rtc_log"`
	// Active tells that a client is connected, or a viewer.
	Active bool `json:"stream_active"`
	// MinKbps and MaxKbps bound the bitrate of the pictures, kbit/s; MaxKbps is 0 where nothing bounds it.
	MinKbps uint32 `json:"stream_video_bitrate_min_kbps"`
	MaxKbps uint32 `json:"stream_video_bitrate_max_kbps"`
}

// Change is what a request asks for. Nil leaves a setting as it is.
type Change struct {
	RTCLog           *bool
	MinKbps, MaxKbps *Kbps
}

// Kbps is a bound of the bitrate.
type Kbps struct {
	// Value is in kbit/s; of the upper bound, 0 is none.
	Value uint32
	// Default is the one that follows from the display, in place of Value.
	Default bool
}

// ErrRefused is wrapped by errors of what a caller asks for; others are ours.
var ErrRefused = errors.New("refused")

// Platform is who has the settings. Its methods are called by several goroutines.
type Platform interface {
	Settings() Settings
	// Change changes all that is asked for, or nothing and tells why.
	Change(c Change) error
}

// described is what GET answers.
type described struct {
	Name   string   `json:"name"` // webrtc
	Config Settings `json:"config"`
}

func platform(w http.ResponseWriter, r *http.Request, p Platform) {
	read := parsePatch
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		succeed(w, described{"webrtc", p.Settings()})
		return
	case http.MethodPatch:
	case http.MethodDelete:
		read = parseDelete
	default:
		refuseMethod(w, r, http.MethodGet, http.MethodPatch, http.MethodDelete)
		return
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
		fail(w, http.StatusBadRequest, fmt.Sprintf("the body is longer than %d bytes", maxBody))
		return
	} else if err != nil {
		fail(w, http.StatusBadRequest, "the body did not come in whole, or not in time")
		return
	}
	change, err := read(text)
	if err == nil {
		err = p.Change(change)
	}
	switch {
	case errors.Is(err, ErrRefused):
		fail(w, http.StatusBadRequest, strings.TrimPrefix(err.Error(), ErrRefused.Error()+": "))
	case err != nil:
		fail(w, http.StatusInternalServerError, err.Error())
	default:
		succeed(w, nil)
	}
}

// Refusef makes an error that the caller sees as the text.
func Refusef(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

// parsePatch reads {"config":{NAME: VALUE}}.
func parsePatch(text []byte) (c Change, err error) {
	var body struct {
		Config *map[Name]json.RawMessage `json:"config"`
	}
	if err := decode(text, &body); err != nil {
		return c, err
	}
	if body.Config == nil {
		return c, Refusef(`the body has no "config": send {"config":{"%s":1500,"%s":4000}}`, MinKbps, MaxKbps)
	}
	for name, raw := range *body.Config {
		if err := c.set(name, raw); err != nil {
			return Change{}, err
		}
	}
	return c, nil
}

func (c *Change) set(name Name, raw json.RawMessage) error {
	switch name {
	case RTCLog:
		on, err := value[bool](name, raw, "true or false")
		c.RTCLog = &on
		return err
	case MinKbps, MaxKbps:
		n, err := value[uint32](name, raw, "a whole number of kbit/s from 0 to 4294967295")
		if name == MinKbps {
			c.MinKbps = &Kbps{Value: n}
		} else {
			c.MaxKbps = &Kbps{Value: n}
		}
		return err
	default:
		return unknown(name)
	}
}

// value reads one value. Null is none: DELETE goes back to a default.
func value[T any](name Name, raw json.RawMessage, what string) (v T, err error) {
	if err := json.Unmarshal(raw, &v); err != nil || bytes.Equal(bytes.TrimSpace(raw), []byte("null")) {
		return v, Refusef("%s takes %s", name, what)
	}
	return v, nil
}

// parseDelete reads {"configs":[NAME]}.
func parseDelete(text []byte) (c Change, err error) {
	var body struct {
		Configs *[]Name `json:"configs"`
	}
	if err := decode(text, &body); err != nil {
		return c, err
	}
	if body.Configs == nil {
		return c, Refusef(`the body has no "configs": send {"configs":["%s","%s"]}`, MinKbps, MaxKbps)
	}
	for _, name := range *body.Configs {
		switch name {
		case RTCLog:
			c.RTCLog = new(bool)
		case MinKbps:
			c.MinKbps = &Kbps{Default: true}
		case MaxKbps:
			c.MaxKbps = &Kbps{Default: true}
		default:
			return Change{}, unknown(name)
		}
	}
	return c, nil
}

// unknown refuses a name that cannot be changed.
func unknown(name Name) error {
	list := make([]string, 0, len(writable))
	for _, n := range writable {
		list = append(list, string(n))
	}
	if slices.Contains([]Name{Active}, name) {
		return Refusef("%s can only be read; %s can be changed", name, strings.Join(list, ", "))
	}
	return Refusef("there is no setting %q; there are %s", cut(string(name)), strings.Join(list, ", "))
}

// decode reads one JSON object, of members that are known.
func decode(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return Refusef("the body is no JSON object as this call takes it: %s", cut(err.Error()))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Refusef("there is more than one JSON object in the body")
	}
	return nil
}
