package streamer

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/streamer/bitrate"
	"streamstack/streamer/instanceapi"
	"streamstack/streamer/rtclog"
)

// program is one of the instance that uses its API.
type program struct {
	t      *testing.T
	client *http.Client
}

// newProgram gives a rig's streamer an API, before its start.
func newProgram(t *testing.T, r *rig) program {
	t.Helper()
	r.cfg.APISocket, r.cfg.Traces = filepath.Join(socketFolder(t), instanceapi.SocketName), filepath.Join(t.TempDir(), "traces")
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", r.cfg.APISocket)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return program{t, &http.Client{Transport: transport, Timeout: patience}}
}

// call makes a request; its answer is read into the metadata, if that is not nil.
func (p program) call(method, body string, metadata any) (code int, text string) {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), method, "http://instance/1.0/platform", strings.NewReader(body))
	require.NoError(p.t, err)
	answer, err := p.client.Do(request)
	require.NoError(p.t, err)
	defer func() { _ = answer.Body.Close() }()
	var envelope struct {
		Metadata json.RawMessage
		Error    string
	}
	require.NoError(p.t, json.NewDecoder(answer.Body).Decode(&envelope))
	if metadata != nil {
		require.NoError(p.t, json.Unmarshal(envelope.Metadata, metadata))
	}
	return answer.StatusCode, envelope.Error
}

func (p program) settings() (s instanceapi.Settings) {
	p.t.Helper()
	platform := struct{ Config *instanceapi.Settings }{&s}
	code, text := p.call(http.MethodGet, "", &platform)
	require.Equal(p.t, http.StatusOK, code, text)
	return s
}

func (p program) change(method, body string) {
	p.t.Helper()
	code, text := p.call(method, body, nil)
	require.Equal(p.t, http.StatusOK, code, text)
}

// metrics are those of one value.
func (p program) metrics() map[string]float64 {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, "http://instance/1.0/metrics", nil)
	require.NoError(p.t, err)
	answer, err := p.client.Do(request)
	require.NoError(p.t, err)
	defer func() { _ = answer.Body.Close() }()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	require.NoError(p.t, err)
	values := map[string]float64{}
	for name, f := range families {
		m := f.GetMetric()[0]
		values[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
	}
	return values
}

// kbps is what the encoder that runs was told last.
func (r *rig) kbps() int {
	videos, _ := r.screen.open()
	if len(videos) == 0 {
		return 0
	}
	v := videos[len(videos)-1]
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.kbps * max(v.fps, 1) / r.cfg.Screen.FPS // as it counts pictures, and not time
}

func (r *rig) eventually(why func() string) {
	r.t.Helper()
	eventstest.Wait(r.t, patience, why)
}

// bounded waits for the decision in the log.
func (r *rig) bounded(p events.PeerID, low, high int) {
	r.t.Helper()
	r.eventually(func() string {
		for _, d := range r.decided(p) {
			for _, one := range d.List {
				if one.Kind == "bounds" && one.Cause == "set" && one.MinKbps == low && one.MaxKbps == high {
					return ""
				}
			}
		}
		return fmt.Sprintf("bounds of %d to %d in %+v", low, high, r.decided(p))
	})
}

// A program of the instance bounds the bitrate before a stream and while it runs, sees that somebody watches and how that goes, and has
// what passes on the wire written down.
func TestProgramsBoundTheStream(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := newProgram(t, r)
	r.start()
	r.eventually(func() string {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "unix", r.cfg.APISocket)
		if err != nil {
			return err.Error()
		}
		require.NoError(t, conn.Close())
		return ""
	})
	require.Equal(t, instanceapi.Settings{MinKbps: 1000, MaxKbps: 3000}, p.settings(), "the display's own")
	p.change(http.MethodPatch, `{"config":{"rtc_log":true,"stream_video_bitrate_min_kbps":300,"stream_video_bitrate_max_kbps":900}}`)
	require.Equal(t, instanceapi.Settings{RTCLog: true, MinKbps: 300, MaxKbps: 900}, p.settings(), "kept")

	b := visit(t, r)
	r.bounded(b.id, 300, 900)
	require.True(t, p.settings().Active)
	require.LessOrEqual(t, r.kbps(), 900)

	p.change(http.MethodPatch, `{"config":{"stream_video_bitrate_min_kbps":100,"stream_video_bitrate_max_kbps":200}}`)
	r.eventually(func() string {
		if kbps := r.kbps(); kbps > 200 {
			return fmt.Sprintf("the new bounds at the encoder, which has %d kbit/s", kbps)
		}
		return ""
	})
	r.bounded(b.id, 100, 200)
	code, text := p.call(http.MethodPatch, `{"config":{"rtc_log":false,"stream_video_bitrate_min_kbps":201}}`, nil)
	require.Equal(t, http.StatusBadRequest, code)
	require.Contains(t, text, "must not be above")
	require.Equal(t, instanceapi.Settings{RTCLog: true, Active: true, MinKbps: 100, MaxKbps: 200}, p.settings(), "all or nothing")
	p.change(http.MethodDelete, `{"configs":["stream_video_bitrate_min_kbps","stream_video_bitrate_max_kbps"]}`)
	r.bounded(b.id, 1000, 3000)
	r.eventually(func() string {
		if kbps := r.kbps(); kbps <= 200 {
			return fmt.Sprintf("the display's own bounds at the encoder, which has %d kbit/s", kbps)
		}
		return ""
	})

	before := p.metrics()
	require.Len(t, before, 16, "%v", before)
	for _, name := range []string{"webrtc_frames_encoded", "webrtc_key_frames_encoded", "webrtc_bytes_sent", "webrtc_packets_sent", "webrtc_target_bitrate", "webrtc_total_packet_send_delay"} {
		require.Positive(t, before[name], name)
	}
	require.Zero(t, before["webrtc_relay_in_use"])
	r.eventually(func() string {
		if now := p.metrics(); now["webrtc_frames_encoded"] <= before["webrtc_frames_encoded"] || now["webrtc_bytes_sent"] <= before["webrtc_bytes_sent"] {
			return "more pictures"
		}
		return ""
	})

	b.send(`{"type":"stream::disconnect"}`)
	r.gone(b.id)
	r.eventually(func() string {
		if p.settings().Active {
			return "the end of the stream"
		}
		return ""
	})
	left := p.metrics()
	require.GreaterOrEqual(t, left["webrtc_bytes_sent"], before["webrtc_bytes_sent"], "counters never fall")
	require.Zero(t, left["webrtc_target_bitrate"])

	p.change(http.MethodDelete, `{"configs":["rtc_log"]}`)
	require.False(t, p.settings().RTCLog)
	text = traces(t, r.cfg.Traces)
	for _, part := range []string{`"rtp":{`, `"rtcp":{"kind":"twcc"`, `"estimate":{`, `"decision":{"kind":"bounds"`, `"peer":"` + string(b.id)[:8]} {
		require.Contains(t, text, part)
	}
	require.Empty(t, addresses(text))

	r.stop()
	require.NoError(t, r.finished())
	require.NoFileExists(t, r.cfg.APISocket)
	require.NotContains(t, r.output.String(), "ICE candidate", "unless it is asked for")
}

// traces are all files of the log.
func traces(t *testing.T, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "rtc_log.*"))
	require.NoError(t, err)
	var all bytes.Buffer
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		all.Write(text)
	}
	lines := bufio.NewScanner(bytes.NewReader(all.Bytes()))
	for lines.Scan() {
		require.True(t, json.Valid(lines.Bytes()), lines.Text())
	}
	require.NoError(t, lines.Err())
	return all.String()
}

// addresses are the IP addresses in a text.
func addresses(text string) (found []string) {
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("\"{}[], \n=", r) }) {
		if a, err := netip.ParseAddr(word); err == nil {
			found = append(found, a.String())
		} else if a, err := netip.ParseAddrPort(word); err == nil {
			found = append(found, a.String())
		}
	}
	return found
}

// Where it is asked for, candidates of both sides are in the log, and nothing that would let somebody pass for either.
func TestCandidatesAreLogged(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.cfg.LogCandidates = true
	r.start()
	b := visit(t, r)
	r.eventually(func() string {
		sides := map[string]bool{}
		for line := range strings.Lines(r.output.String()) {
			if strings.Contains(line, "ICE candidate") && strings.Contains(line, string(b.id)) && len(addresses(line)) > 0 {
				sides["local"] = sides["local"] || strings.Contains(line, "side=local")
				sides["remote"] = sides["remote"] || strings.Contains(line, "side=remote")
			}
		}
		if !sides["local"] || !sides["remote"] {
			return fmt.Sprintf("candidates of both sides: %v", sides)
		}
		return ""
	})
	require.NotContains(t, r.output.String(), "ufrag")
}

// Whatever programs ask for, the range that holds is in order, what was refused changes nothing, and what was set holds, unless the other
// bound was set too.
func TestRangeProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		kbps := func(label string) uint32 {
			return rapid.SampledFrom([]uint32{0, 1, 500, 1000, 2500, 3000, 5000, 1 << 31}).Draw(t, label)
		}
		table := bitrate.Limit{MinKbps: 1000, MaxKbps: 3000}
		i := newInside(rtclog.New("", slog.New(slog.DiscardHandler)), table)
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			before := i.Settings()
			var c instanceapi.Change
			if rapid.Bool().Draw(t, "low") {
				c.MinKbps = &instanceapi.Kbps{Value: kbps("min"), Default: rapid.Bool().Draw(t, "default")}
			}
			if rapid.Bool().Draw(t, "high") {
				c.MaxKbps = &instanceapi.Kbps{Value: kbps("max"), Default: rapid.Bool().Draw(t, "default")}
			}
			on := rapid.Bool().Draw(t, "log") // which cannot be written here
			if on {
				c.RTCLog = &on
			}
			err := i.Change(c)
			now := i.Settings()
			switch {
			case err != nil:
				require.Equal(t, before, now)
			default:
				require.False(t, on)
				if c.MinKbps != nil && !c.MinKbps.Default {
					require.Equal(t, c.MinKbps.Value, now.MinKbps)
				}
				if c.MaxKbps != nil && !c.MaxKbps.Default {
					require.Equal(t, c.MaxKbps.Value, now.MaxKbps)
				}
			}
			require.True(t, now.MaxKbps == 0 || now.MinKbps <= now.MaxKbps, "%+v", now)
			if rapid.Bool().Draw(t, "again") {
				var same instanceapi.Change // what is shown can be asked for, in whole and in part
				if which := rapid.IntRange(1, 3).Draw(t, "which"); which&1 != 0 {
					same.MinKbps = &instanceapi.Kbps{Value: now.MinKbps}
					if which&2 != 0 {
						same.MaxKbps = &instanceapi.Kbps{Value: now.MaxKbps}
					}
				} else {
					same.MaxKbps = &instanceapi.Kbps{Value: now.MaxKbps}
				}
				require.NoError(t, i.Change(same), "%+v", now)
				require.Equal(t, now, i.Settings())
			}
			l := i.limit()
			as := &client{limit: l}
			require.LessOrEqual(t, as.lowest(false), 1000*as.maxKbps())
			require.Positive(t, as.lowest(false))
			if rapid.Bool().Draw(t, "resize") {
				low := int(kbps("table min") % 10_000)
				i.display(bitrate.Limit{MinKbps: low, MaxKbps: low + int(kbps("table more")%10_000)})
			}
		}
	})
}
