package instanceapi

import (
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"streamstack/streamer/frame"
)

// Sent is what was sent to clients, one after the other, since the streamer's start, and how the one that is served is doing. It is of the
// pictures alone, and leaves out viewers. The meanings are those of RTCOutboundRtpStreamStats of the W3C, of the members of the same names.
type Sent struct {
	Bytes, BytesAgain, Packets, PacketsAgain uint64
	// Delay is how long packets waited here.
	Delay                   time.Duration
	NACKs, FIRs, PLIs, SLIs uint64
	// TargetBitrate is in bit/s, 0 while there is no client.
	TargetBitrate int
	// Relayed tells that the client is reached by way of TURN.
	Relayed bool
}

// Metrics are those of one streamer, under the contract's names (streamer-config.md, section 9) and no others. They are safe for concurrent
// use, and Encoded does not wait.
//
// Left out is anbox_webrtc_nvidia_packets_per_encoded_frame: GStreamer hands out each picture in one piece, so that NVENC's own packets are
// not seen.
type Metrics struct {
	registry     *prometheus.Registry
	frames, keys prometheus.Counter
	encode       prometheus.Counter
	renderer     prometheus.Histogram
	nvidiaBytes  prometheus.Histogram
}

// NewMetrics makes the metrics. sent is asked at each scrape.
func NewMetrics(sent func() Sent) *Metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		frames:   counter("webrtc_frames_encoded", "Pictures that were encoded."),
		keys:     counter("webrtc_key_frames_encoded", "Key frames among them."),
		encode:   counter("webrtc_total_encode_time", "Seconds that the encoder took for them."),
		renderer: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "anbox_webrtc_frame_renderer_latency", Help: "Milliseconds from a change on the display to its picture at the encoder.",
			Buckets: []float64{1, 2, 3, 5, 7.5, 10, 15, 20, 30, 50, 100, 200, 500},
		}),
		nvidiaBytes: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "anbox_webrtc_nvidia_bytes_per_encoded_frame", Help: "Bytes of a picture that an NVIDIA encoder made.",
			Buckets: prometheus.ExponentialBuckets(512, 2, 12), // to 1 MiB
		}),
	}
	m.registry.MustRegister(m.frames, m.keys, m.encode, m.renderer, m.nvidiaBytes, &collector{sent})
	return m
}

// Encoded counts a picture that an encoder, as GStreamer names the element, has just made.
func (m *Metrics) Encoded(f frame.Video, element string, now time.Time) {
	m.frames.Inc()
	if f.Keyframe {
		m.keys.Inc()
	}
	if f.Stages.Encode > 0 {
		m.encode.Add(f.Stages.Encode.Seconds())
	}
	if known := f.Stages != (frame.Stages{}); known && !f.ChangedAt.IsZero() {
		m.renderer.Observe(float64(max(0, now.Sub(f.ChangedAt)-f.Stages.Encode)) / float64(time.Millisecond))
	}
	if strings.HasPrefix(element, "nv") {
		m.nvidiaBytes.Observe(float64(len(f.Data)))
	}
}

// Handler answers with all metrics in Prometheus' text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// The names of what is read at each scrape.
var (
	bytesSent    = prometheus.NewDesc("webrtc_bytes_sent", "Bytes of pictures that were sent, repeats included, without headers.", nil, nil)
	bytesAgain   = prometheus.NewDesc("webrtc_retransmitted_bytes_sent", "Bytes among them that were sent again.", nil, nil)
	packetsSent  = prometheus.NewDesc("webrtc_packets_sent", "RTP packets of pictures that were sent, repeats and padding included.", nil, nil)
	packetsAgain = prometheus.NewDesc("webrtc_retransmitted_packets_sent", "Packets among them that were sent again.", nil, nil)
	sendDelay    = prometheus.NewDesc("webrtc_total_packet_send_delay", "Seconds that packets waited before they were sent.", nil, nil)
	nacks        = prometheus.NewDesc("webrtc_nack_count", "Packets by which clients asked for lost ones.", nil, nil)
	firs         = prometheus.NewDesc("webrtc_fir_count", "Full intra requests of clients.", nil, nil)
	plis         = prometheus.NewDesc("webrtc_pli_count", "Picture loss indications of clients.", nil, nil)
	slis         = prometheus.NewDesc("webrtc_sli_count", "Slice loss indications of clients; browsers send none.", nil, nil)
	target       = prometheus.NewDesc("webrtc_target_bitrate", "What the encoder aims at, bit/s; 0 while there is no client.", nil, nil)
	relay        = prometheus.NewDesc("webrtc_relay_in_use", "1 while the client is reached by way of TURN, else 0.", nil, nil)
)

// collector reads what was sent.
type collector struct{ sent func() Sent }

// Describe implements [prometheus.Collector].
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{bytesSent, bytesAgain, packetsSent, packetsAgain, sendDelay, nacks, firs, plis, slis, target, relay} {
		out <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(out chan<- prometheus.Metric) {
	s := c.sent()
	relayed := 0.
	if s.Relayed {
		relayed = 1
	}
	for _, m := range []struct {
		desc  *prometheus.Desc
		kind  prometheus.ValueType
		value float64
	}{
		{bytesSent, prometheus.CounterValue, float64(s.Bytes)}, {bytesAgain, prometheus.CounterValue, float64(s.BytesAgain)},
		{packetsSent, prometheus.CounterValue, float64(s.Packets)}, {packetsAgain, prometheus.CounterValue, float64(s.PacketsAgain)},
		{sendDelay, prometheus.CounterValue, s.Delay.Seconds()},
		{nacks, prometheus.CounterValue, float64(s.NACKs)}, {firs, prometheus.CounterValue, float64(s.FIRs)},
		{plis, prometheus.CounterValue, float64(s.PLIs)}, {slis, prometheus.CounterValue, float64(s.SLIs)},
		{target, prometheus.GaugeValue, float64(s.TargetBitrate)}, {relay, prometheus.GaugeValue, relayed},
	} {
		out <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value)
	}
}
