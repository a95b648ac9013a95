package instanceapi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/frame"
)

const patience = 30 * time.Second

// shelf is a Platform that has its settings in a field.
type shelf struct {
	settings Settings
	changes  []Change
	err      error
}

func (s *shelf) Settings() Settings { return s.settings }

func (s *shelf) Change(c Change) error {
	if s.err == nil {
		s.changes = append(s.changes, c)
	}
	return s.err
}

func ask(h http.Handler, method, path, body string) (int, string, http.Header) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w.Code, strings.TrimSpace(w.Body.String()), w.Header()
}

func TestEnvelopes(t *testing.T) {
	t.Parallel()
	p := &shelf{settings: Settings{RTCLog: true, MinKbps: 1500, MaxKbps: 4_294_967_295}}
	h := Handler(p, http.NotFoundHandler())
	code, text, header := ask(h, http.MethodGet, "/1.0/platform", "")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, `{"type":"sync","status":"Success","status_code":200,"metadata":{"name":"webrtc","config":{"rtc_log":true,"stream_active":false,`+
		`"stream_video_bitrate_min_kbps":1500,"stream_video_bitrate_max_kbps":4294967295}}}`, text)
	require.Equal(t, "application/json", header.Get("Content-Type"))
	code, text, _ = ask(h, http.MethodPatch, "/1.0/platform", `{"config":{"rtc_log":true,"stream_video_bitrate_min_kbps":1500,"stream_video_bitrate_max_kbps":0}}`)
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, `{"type":"sync","status":"Success","status_code":200,"metadata":{}}`, text)
	_, text, _ = ask(h, http.MethodDelete, "/1.0/platform", `{"configs":["rtc_log","stream_video_bitrate_min_kbps"]}`)
	require.Equal(t, `{"type":"sync","status":"Success","status_code":200,"metadata":{}}`, text)
	on, off := true, false
	require.Equal(t, []Change{{RTCLog: &on, MinKbps: &Kbps{Value: 1500}, MaxKbps: &Kbps{}}, {RTCLog: &off, MinKbps: &Kbps{Default: true}}}, p.changes)

	p.err = fmt.Errorf("disk: %w", errors.New("full"))
	code, text, _ = ask(h, http.MethodPatch, "/1.0/platform", `{"config":{"rtc_log":true}}`)
	require.Equal(t, http.StatusInternalServerError, code)
	require.Equal(t, `{"type":"error","error":"disk: full","error_code":500}`, text)
	p.err = Refusef("not so")
	code, text, _ = ask(h, http.MethodPatch, "/1.0/platform", `{"config":{}}`)
	require.Equal(t, http.StatusBadRequest, code)
	require.Equal(t, `{"type":"error","error":"not so","error_code":400}`, text)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	p := &shelf{}
	h := Handler(p, http.NotFoundHandler())
	for _, c := range []struct {
		method, path, body string
		code               int
		says               string
	}{
		{http.MethodPatch, "/1.0/platform", ``, 400, "no JSON object"},
		{http.MethodPatch, "/1.0/platform", `[]`, 400, "no JSON object"},
		{http.MethodPatch, "/1.0/platform", `null`, 400, `no \"config\"`},
		{http.MethodPatch, "/1.0/platform", `{}`, 400, `no \"config\"`},
		{http.MethodPatch, "/1.0/platform", `{"config":null}`, 400, `no \"config\"`},
		{http.MethodPatch, "/1.0/platform", `{"configs":["rtc_log"]}`, 400, "unknown field"},
		{http.MethodPatch, "/1.0/platform", `{"config":{}} {}`, 400, "more than one"},
		{http.MethodPatch, "/1.0/platform", `{"config":{"stream_active":true}}`, 400, "can only be read"},
		{http.MethodPatch, "/1.0/platform", `{"config":{"tomorrow":1}}`, 400, "there is no setting"},
		{http.MethodPatch, "/1.0/platform", `{"config":{"rtc_log":true,"tomorrow":1}}`, 400, "there is no setting"},
		{http.MethodPatch, "/1.0/platform", `{"config":{"rtc_log":"true"}}`, 400, "true or false"},
		{http.MethodPatch, "/1.0/platform", `{"config":{"rtc_log":null}}`, 400, "true or false"},
		{http.MethodPatch, "/1.0/platform", `{"config":{"stream_video_bitrate_min_kbps":-1}}`, 400, "whole number"},
		{http.MethodPatch, "/1.0/platform", `{"config":{"stream_video_bitrate_min_kbps":1.5}}`, 400, "whole number"},
		{http.MethodPatch, "/1.0/platform", `{"config":{"stream_video_bitrate_max_kbps":4294967296}}`, 400, "whole number"},
		{http.MethodPatch, "/1.0/platform", `{"config":{"stream_video_bitrate_max_kbps":null}}`, 400, "whole number"},
		{http.MethodPatch, "/1.0/platform", `{"config":{"rtc_log":true` + strings.Repeat(" ", maxBody) + `}}`, 400, "longer than"},
		{http.MethodDelete, "/1.0/platform", `{}`, 400, `no \"configs\"`},
		{http.MethodDelete, "/1.0/platform", `{"configs":"rtc_log"}`, 400, "no JSON object"},
		{http.MethodDelete, "/1.0/platform", `{"configs":["stream_active"]}`, 400, "can only be read"},
		{http.MethodDelete, "/1.0/platform", `{"configs":["rtc_log","` + strings.Repeat("x", 1000) + `"]}`, 400, "there is no setting"},
		{http.MethodPost, "/1.0/platform", `{}`, 400, "use GET, PATCH, DELETE"},
		{http.MethodPost, "/1.0/metrics", ``, 400, "use GET"},
		{http.MethodGet, "/", ``, 404, "no such path"},
		{http.MethodGet, "/1.0", ``, 404, "no such path"},
		{http.MethodGet, "/1.0/platform/", ``, 404, "no such path"},
		{http.MethodGet, "//1.0/platform", ``, 404, "no such path"},
		{http.MethodGet, "/1.0/x/../platform", ``, 404, "no such path"},
		{http.MethodGet, "/1.0/location", ``, 404, "no such path"},
	} {
		code, text, _ := ask(h, c.method, c.path, c.body)
		require.Equal(t, c.code, code, "%+v", c)
		require.Contains(t, text, c.says, "%+v", c)
		var e failure
		require.NoError(t, json.Unmarshal([]byte(text), &e))
		require.Equal(t, failure{"error", e.Error, c.code}, e)
		require.Less(t, len(text), 400)
	}
	require.Empty(t, p.changes)
}

// Whatever a body is, it is read as one change of known settings or refused with a text.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"config":{"rtc_log":true,"stream_video_bitrate_min_kbps":1500,"stream_video_bitrate_max_kbps":4000}}`, `{"configs":["rtc_log"]}`,
		`{"config":{"rtc_log":null}}`, `{"config":{"stream_video_bitrate_min_kbps":1e3}}`, `{"CONFIG":{}}`, `{"configs":[null]}`, `{"config":{"":{}}}`, "\xff", "{",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, read := range []func([]byte) (Change, error){parsePatch, parseDelete} {
			c, err := read(text)
			if err != nil {
				require.ErrorIs(t, err, ErrRefused)
				require.Equal(t, Change{}, c)
				require.Less(t, len(err.Error()), 400)
			}
		}
	})
}

// The socket is there for the instance's own user, in place of one that was left; many callers, and slow ones, do not keep others out
// for long, and at the end it is gone.
func TestSocket(t *testing.T) {
	t.Parallel()
	folder, err := os.MkdirTemp("", "api-") //nolint:usetesting // a socket's path is short
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	path := filepath.Join(folder, "anbox", "sockets", SocketName)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Serve(ctx, Config{Socket: path, Platform: &shelf{}, Metrics: NewMetrics(func() Sent { return Sent{} }).Handler(), Log: slog.New(slog.DiscardHandler)})
	}()
	var conn net.Conn
	deadline := time.Now().Add(patience)
	for conn == nil {
		if conn, err = (&net.Dialer{}).DialContext(t.Context(), "unix", path); err != nil {
			require.True(t, time.Now().Before(deadline), "%v", err)
		}
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o660), info.Mode().Perm())
	require.NoError(t, conn.SetDeadline(deadline))
	_, err = io.WriteString(conn, "GET /1.0/metrics HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.NoError(t, answer.Body.Close())
	require.NoError(t, conn.Close())

	slow, err := (&net.Dialer{}).DialContext(t.Context(), "unix", path)
	require.NoError(t, err)
	_, err = io.WriteString(slow, "PATCH /1.0/platform HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
	require.NoError(t, err)
	require.NoError(t, slow.SetDeadline(deadline))
	said, err := io.ReadAll(slow) // which ends by the server's time
	require.NoError(t, err)
	require.Contains(t, string(said), "not in time")

	cancel()
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(patience):
		t.Fatal("the server does not end")
	}
	require.NoFileExists(t, path)
	require.Error(t, Serve(t.Context(), Config{Socket: "/dev/null/x/api.unix", Log: slog.New(slog.DiscardHandler)}))
}

// The names are those of the contract, and nothing else is there.
func TestMetrics(t *testing.T) {
	t.Parallel()
	m := NewMetrics(func() Sent {
		return Sent{Bytes: 1, BytesAgain: 2, Packets: 3, PacketsAgain: 4, Delay: 1500 * time.Millisecond, NACKs: 5, FIRs: 6, PLIs: 7, SLIs: 8, TargetBitrate: 9, Relayed: true}
	})
	now := time.Unix(1_700_000_000, 0)
	stages := frame.Stages{Capture: time.Millisecond, Convert: time.Millisecond, Encode: 250 * time.Millisecond}
	m.Encoded(frame.Video{Keyframe: true, Data: make([]byte, 600), Stages: stages, ChangedAt: now.Add(-254 * time.Millisecond)}, "nvh264enc", now)
	m.Encoded(frame.Video{Data: make([]byte, 600), Stages: stages}, "x264enc", now)
	m.Encoded(frame.Video{}, "x264enc", now) // of which nothing is known
	_, text, _ := ask(m.Handler(), http.MethodGet, "/1.0/metrics", "")
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text + "\n"))
	require.NoError(t, err)
	got := map[string]float64{}
	for name, f := range families {
		one := f.GetMetric()[0]
		require.Empty(t, one.GetLabel())
		got[name] = one.GetCounter().GetValue() + one.GetGauge().GetValue() + one.GetHistogram().GetSampleSum()
	}
	require.Equal(t, map[string]float64{
		"webrtc_frames_encoded": 3, "webrtc_key_frames_encoded": 1, "webrtc_total_encode_time": 0.5, "webrtc_target_bitrate": 9,
		"webrtc_bytes_sent": 1, "webrtc_retransmitted_bytes_sent": 2, "webrtc_packets_sent": 3, "webrtc_retransmitted_packets_sent": 4,
		"webrtc_total_packet_send_delay": 1.5, "webrtc_nack_count": 5, "webrtc_fir_count": 6, "webrtc_pli_count": 7, "webrtc_sli_count": 8,
		"webrtc_relay_in_use": 1, "anbox_webrtc_frame_renderer_latency": 4, "anbox_webrtc_nvidia_bytes_per_encoded_frame": 600,
	}, got)
}
