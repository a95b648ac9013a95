package peer

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"streamstack/streamer/frame"
)

// ControlChannel is the label of the data channel every client makes first.
const ControlChannel = "control"

// Limits of a `settings` message. The message comes from the browser, so nothing in it is trusted.
const (
	// MaxDataChannels is how many channels of its own a page may have; the SDK refuses more itself.
	MaxDataChannels = 5
	// maxSettingsBytes is far above any real message (some 400 bytes).
	maxSettingsBytes = 16 << 10
	// maxTextBytes bounds device_type and foreground_activity, which travel on to the instance.
	maxTextBytes = 256
	// maxPreferredCodecs bounds the list of decoders; four names are known.
	maxPreferredCodecs = 16
)

// ErrSettings marks settings a client must not send.
var ErrSettings = errors.New("peer: invalid settings")

var (
	channelName  = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
	activityName = regexp.MustCompile(`^[A-Za-z0-9_.$/]*$`)
)

// Settings is what a client asks for before the connection is made: the `settings` message of the signalling.
type Settings struct {
	// APIVersion is 2 (the streamer offers) or 1 (the client offers).
	APIVersion int
	// DataChannels are the labels of the page's own channels, without ControlChannel: at most MaxDataChannels, each
	// of the form [A-Za-z0-9_.-]{1,64}, no label twice. In version 1 they come with the offer instead.
	DataChannels []string

	EnableSpeaker    bool
	EnableMicrophone bool
	EnableVideo      bool
	EnableCamera     bool

	// DeviceType is free text of the page, at most 256 bytes.
	DeviceType string
	// ForegroundActivity names the Android activity to bring up, at most 256 bytes of [A-Za-z0-9_.$/].
	ForegroundActivity string
	// PreferredCodecs are the client's decoders, best first; names we do not know are left out.
	PreferredCodecs []frame.Codec
}

type wireSettings struct {
	APIVersion         *int     `json:"api_version"`
	DataChannels       []string `json:"data_channels"`
	EnableSpeaker      *bool    `json:"enable_speaker"`
	EnableMicrophone   *bool    `json:"enable_microphone"`
	EnableVideo        *bool    `json:"enable_video"`
	EnableCamera       *bool    `json:"enable_camera"`
	DeviceType         string   `json:"device_type"`
	ForegroundActivity string   `json:"foreground_activity"`
	Video              struct {
		PreferredDecoderCodecs []string `json:"preferred_decoder_codecs"`
	} `json:"video"`
}

// ParseSettings reads the JSON object of a `settings` message. Unknown fields and unknown codecs are ignored and missing
// fields take the SDK's defaults: version 2, speaker and video on, microphone and camera off. Version 0 is read as 1.
// Every error wraps ErrSettings.
func ParseSettings(data []byte) (Settings, error) {
	if len(data) > maxSettingsBytes {
		return Settings{}, fmt.Errorf("%w: %d bytes, send at most %d", ErrSettings, len(data), maxSettingsBytes)
	}
	var wire wireSettings
	if err := json.Unmarshal(data, &wire); err != nil {
		return Settings{}, fmt.Errorf("%w: %s", ErrSettings, wrongType(err))
	}
	version := valueOr(wire.APIVersion, 2)
	if version == 0 {
		version = 1
	}
	s := Settings{
		APIVersion:         version,
		EnableSpeaker:      valueOr(wire.EnableSpeaker, true),
		EnableMicrophone:   valueOr(wire.EnableMicrophone, false),
		EnableVideo:        valueOr(wire.EnableVideo, true),
		EnableCamera:       valueOr(wire.EnableCamera, false),
		DeviceType:         wire.DeviceType,
		ForegroundActivity: wire.ForegroundActivity,
		PreferredCodecs:    parseCodecs(wire.Video.PreferredDecoderCodecs),
	}
	s.DataChannels = pageChannels(wire.DataChannels)
	if err := s.Validate(); err != nil {
		return Settings{}, err
	}
	return s, nil
}

// wrongType says what is wrong with a message in words for whoever wrote the page: it is shown in the browser.
func wrongType(err error) string {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) || wrong.Field == "" {
		return "a settings message is a JSON object"
	}
	wanted := "a string"
	switch wrong.Type.Kind() {
	case reflect.Bool:
		wanted = "true or false"
	case reflect.Int:
		wanted = "a whole number"
	case reflect.Slice:
		wanted = "a list of strings"
	case reflect.Struct:
		wanted = "an object"
	default:
	}
	return fmt.Sprintf("%s must be %s", wrong.Field, wanted)
}

// pageChannels are a client's list of channels without the control channel, which is always there, without repetition, and
// without names that cannot be served: the stream is worth more than a channel that the contract would allow.
func pageChannels(names []string) (own []string) {
	for _, name := range names {
		if name != ControlChannel && channelName.MatchString(name) && !slices.Contains(own, name) {
			own = append(own, name)
		}
	}
	return own
}

// Validate tells whether s keeps the limits written at its fields. The error wraps ErrSettings.
func (s Settings) Validate() error {
	if s.APIVersion < 1 || s.APIVersion > 2 {
		return fmt.Errorf("%w: api_version %d, use 1 or 2", ErrSettings, s.APIVersion)
	}
	if len(s.DataChannels) > MaxDataChannels {
		return fmt.Errorf("%w: %d data channels, name at most %d", ErrSettings, len(s.DataChannels), MaxDataChannels)
	}
	for i, name := range s.DataChannels {
		if !channelName.MatchString(name) {
			return fmt.Errorf("%w: data channel %d needs a name of 1 to 64 of A-Z a-z 0-9 _ . -", ErrSettings, i)
		}
		if name == ControlChannel || slices.Contains(s.DataChannels[:i], name) {
			return fmt.Errorf("%w: data channel %q is named twice, name it once", ErrSettings, name)
		}
	}
	if len(s.DeviceType) > maxTextBytes || strings.ContainsFunc(s.DeviceType, isControl) {
		return fmt.Errorf("%w: device_type must be one line of at most %d bytes", ErrSettings, maxTextBytes)
	}
	if len(s.ForegroundActivity) > maxTextBytes || !activityName.MatchString(s.ForegroundActivity) {
		return fmt.Errorf("%w: foreground_activity must be an activity name such as com.example.Main or .Main", ErrSettings)
	}
	return nil
}

func parseCodecs(names []string) []frame.Codec {
	var known []frame.Codec
	for _, name := range names[:min(len(names), maxPreferredCodecs)] {
		for _, codec := range []frame.Codec{frame.H264, frame.VP8, frame.VP9, frame.AV1} {
			if strings.EqualFold(name, string(codec)) && !slices.Contains(known, codec) {
				known = append(known, codec)
			}
		}
	}
	return known
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

func valueOr[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
