package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"streamstack/deployments/e2e/stack"
	"streamstack/events"
)

// checkInside is a program of the instance, which uses the instance's API while a browser is shown the picture: it sees that somebody
// watches, that pictures are encoded and sent, and the bitrate goes down to what it asks for, at once.
func checkInside(t *testing.T, s *stack.Stack, id events.SessionID) {
	t.Helper()
	socket := filepath.Join(runtimeOf(t, s, id), "anbox", "sockets", "api.unix")
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	inside := &http.Client{Transport: transport, Timeout: liveTime}
	platform := func(method, body string) (config struct {
		Active bool   `json:"stream_active"`
		Max    uint32 `json:"stream_video_bitrate_max_kbps"`
	}) {
		request, err := http.NewRequestWithContext(t.Context(), method, "http://instance/1.0/platform", strings.NewReader(body))
		require.NoError(t, err)
		answer, err := inside.Do(request)
		require.NoError(t, err)
		defer func() { _ = answer.Body.Close() }()
		var said struct {
			Error    string
			Metadata struct{ Config json.RawMessage }
		}
		require.NoError(t, json.NewDecoder(answer.Body).Decode(&said))
		require.Equal(t, http.StatusOK, answer.StatusCode, said.Error)
		if method == http.MethodGet {
			require.NoError(t, json.Unmarshal(said.Metadata.Config, &config))
		}
		return config
	}
	metrics := func() (frames, sent, target float64) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://instance/1.0/metrics", nil)
		require.NoError(t, err)
		answer, err := inside.Do(request)
		require.NoError(t, err)
		defer func() { _ = answer.Body.Close() }()
		parser := expfmt.NewTextParser(model.LegacyValidation)
		f, err := parser.TextToMetricFamilies(answer.Body)
		require.NoError(t, err)
		return f["webrtc_frames_encoded"].GetMetric()[0].GetCounter().GetValue(), f["webrtc_bytes_sent"].GetMetric()[0].GetCounter().GetValue(),
			f["webrtc_target_bitrate"].GetMetric()[0].GetGauge().GetValue()
	}

	require.True(t, platform(http.MethodGet, "").Active)
	frames, sent, target := metrics()
	const low = 400 // kbit/s
	require.Greater(t, target, 1000.*low, "a range as the display has it by itself")
	stack.Eventually(t, liveTime, func() string {
		if f, b, _ := metrics(); f < frames+10 || b <= sent {
			return fmt.Sprintf("ten more pictures than %.0f, and more than %.0f bytes: %.0f, %.0f", frames, sent, f, b)
		}
		return ""
	})
	platform(http.MethodPatch, fmt.Sprintf(`{"config":{"stream_video_bitrate_min_kbps":100,"stream_video_bitrate_max_kbps":%d}}`, low))
	require.EqualValues(t, low, platform(http.MethodGet, "").Max)
	stack.Eventually(t, liveTime, func() string {
		if _, _, target = metrics(); target > 1000*low {
			return fmt.Sprintf("a target of at most %d kbit/s, not %.0f bit/s", low, target)
		}
		return ""
	})
	// What is sent follows, but for a picture that was under way.
	begun := time.Now()
	_, sent, _ = metrics()
	stack.Eventually(t, liveTime, func() string {
		_, now, _ := metrics()
		took := time.Since(begun)
		rate := (now - sent) * 8 / took.Seconds()
		if took < 2*time.Second || rate > 1.5*1000*low {
			return fmt.Sprintf("two seconds of about %d kbit/s: %.0f bit/s in %v", low, rate, took)
		}
		return ""
	})
	platform(http.MethodDelete, `{"configs":["stream_video_bitrate_min_kbps","stream_video_bitrate_max_kbps"]}`)
	require.Greater(t, platform(http.MethodGet, "").Max, uint32(low))
}
