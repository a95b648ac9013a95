package peer

import (
	"fmt"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v3"
)

// RTP header extensions sent, besides transport-wide-cc.
const (
	playoutDelayURI   = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
	absCaptureTimeURI = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
	absSendTimeURI    = sdp.ABSSendTimeURI
)

// nackBuffer is how many sent packets per stream can be sent again: two seconds at 10 Mbit/s, or a burst of a 2 MB key
// frame. It must be a power of two.
const nackBuffer = 2048

// newAPI builds pion's factory for one peer.
func newAPI(cfg *Config, network *Network, gate *rtcpGate, streams *streams, limit *feedbackLimit, estimator *estimator, repeats *repeats, wire *outlet) (*webrtc.API, error) {
	media := &webrtc.MediaEngine{}
	if err := registerMedia(media, cfg); err != nil {
		return nil, fmt.Errorf("peer: register codecs and extensions: %w", err)
	}
	registry := &interceptor.Registry{}
	if err := registerInterceptors(media, registry, cfg, limit, estimator, repeats, wire); err != nil {
		return nil, fmt.Errorf("peer: set up RTP and RTCP: %w", err)
	}
	engine := webrtc.SettingEngine{LoggerFactory: pionLog{cfg.Log}}
	engine.SetSCTPMaxReceiveBufferSize(receiveWindow)
	engine.DetachDataChannels() // pion's own reading ends a channel, without a word to the client, at a message of 64 KiB
	engine.BufferFactory = streams.buffer
	if err := network.apply(&engine, gate); err != nil {
		return nil, err
	}
	return webrtc.NewAPI(
		webrtc.WithMediaEngine(media),
		webrtc.WithInterceptorRegistry(registry),
		webrtc.WithSettingEngine(engine),
	), nil
}

func registerMedia(media *webrtc.MediaEngine, cfg *Config) error {
	for _, codec := range []webrtc.RTPCodecParameters{opusParameters(), redParameters()} {
		if err := media.RegisterCodec(codec, webrtc.RTPCodecTypeAudio); err != nil {
			return err
		}
	}
	for _, codec := range videoParameters(rank(cfg.Codecs, cfg.Settings.PreferredCodecs)) {
		if err := media.RegisterCodec(codec, webrtc.RTPCodecTypeVideo); err != nil {
			return err
		}
	}
	for _, extension := range []struct {
		uri  string
		kind webrtc.RTPCodecType
	}{
		{playoutDelayURI, webrtc.RTPCodecTypeVideo},
		{absCaptureTimeURI, webrtc.RTPCodecTypeVideo},
		{absCaptureTimeURI, webrtc.RTPCodecTypeAudio},
		{absSendTimeURI, webrtc.RTPCodecTypeVideo},
		{absSendTimeURI, webrtc.RTPCodecTypeAudio},
	} {
		capability := webrtc.RTPHeaderExtensionCapability{URI: extension.uri}
		if err := media.RegisterHeaderExtension(capability, extension.kind); err != nil {
			return err
		}
	}
	return nil
}

// registerInterceptors sets up the chain a packet passes on its way out, the last registered first: sender reports, the
// buffer for repeats, the way of repeats back to the pacer, the send stamp, the transport-wide number, the estimator, the count of
// what is sent, the wire.
// Repeats thus get a stamp and a number of their own, which is what the receiver's feedback refers to. What comes in passes the first
// registered first.
func registerInterceptors(media *webrtc.MediaEngine, registry *interceptor.Registry, cfg *Config, limit *feedbackLimit, estimator *estimator, repeats *repeats, wire *outlet) error {
	log := pionLog{cfg.Log}
	registry.Add(limit)
	registry.Add(wire)
	registry.Add(estimator)
	if err := webrtc.ConfigureTWCCHeaderExtensionSender(media, registry); err != nil {
		return err
	}
	registry.Add(&stamper{})
	registry.Add(repeats)
	responder, err := nack.NewResponderInterceptor(nack.ResponderSize(nackBuffer), nack.ResponderLog(log.NewLogger("nack")))
	if err != nil {
		return err
	}
	registry.Add(responder)
	sender, err := report.NewSenderInterceptor(report.SenderLog(log.NewLogger("reports")))
	if err != nil {
		return err
	}
	registry.Add(sender)
	if !cfg.Settings.EnableMicrophone && !cfg.Settings.EnableCamera {
		return nil
	}
	receiver, err := report.NewReceiverInterceptor(report.ReceiverLog(log.NewLogger("reports")))
	if err != nil {
		return err
	}
	registry.Add(receiver)
	generator, err := nack.NewGeneratorInterceptor(nack.GeneratorLog(log.NewLogger("nack")))
	if err != nil {
		return err
	}
	registry.Add(generator)
	return nil
}
