package peer

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v3"
)

// maxFeedbackErrors in a row end the reading of one stream's RTCP: the transport is gone then.
const maxFeedbackErrors = 100

// readFeedback takes the RTCP the client sends about one of our streams until the stream ends. Reading is also what makes
// the repeats of lost packets work: pion answers NACKs as they pass.
func (p *Peer) readFeedback(ctx context.Context, sender *webrtc.RTPSender, kind webrtc.RTPCodecType) {
	buffer := make([]byte, 1500)
	for failures := 0; failures < maxFeedbackErrors && ctx.Err() == nil; {
		n, attributes, err := sender.Read(buffer)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) {
			return
		}
		if err != nil {
			failures++
			p.log.Debug("unreadable RTCP", "error", err)
			continue
		}
		failures = 0
		packets, err := attributes.GetRTCPPackets(buffer[:n])
		if err != nil {
			p.log.Debug("unreadable RTCP", "error", err)
			continue
		}
		p.wire.traceFeedback(packets)
		for _, encoding := range sender.GetParameters().Encodings {
			p.takeFeedback(packets, uint32(encoding.SSRC), kind == webrtc.RTPCodecTypeVideo)
		}
	}
}

// takeFeedback acts on packets about the stream with the given SSRC. A compound packet about two streams comes here
// once for each, so what is meant for the other one is skipped.
func (p *Peer) takeFeedback(packets []rtcp.Packet, ssrc uint32, video bool) {
	for _, packet := range packets {
		switch packet := packet.(type) {
		case *rtcp.PictureLossIndication:
			if video && packet.MediaSSRC == ssrc {
				p.counters.plis.Add(1)
				p.keyframes.request(KeyframePLI)
			}
		case *rtcp.FullIntraRequest:
			if video && asksFor(packet, ssrc) {
				p.counters.firs.Add(1)
				p.keyframes.request(KeyframeFIR)
			}
		case *rtcp.TransportLayerNack:
			if packet.MediaSSRC == ssrc {
				if video {
					p.counters.nackPackets.Add(1)
				}
				for _, pair := range packet.Nacks {
					p.counters.nacks.Add(uint64(len(pair.PacketList())))
				}
			}
		case *rtcp.SliceLossIndication:
			if video && packet.MediaSSRC == ssrc {
				p.counters.slis.Add(1)
			}
		case *rtcp.TransportLayerCC:
			if err := p.estimator.feed(packet); err != nil {
				p.log.Debug("congestion feedback not used", "error", err)
			}
			select {
			case p.fed <- struct{}{}:
			default:
			}
		case *rtcp.ReceiverReport:
			p.takeReports(packet.Reports, ssrc, video)
		case *rtcp.SenderReport: // of a client with a microphone or camera
			p.takeReports(packet.Reports, ssrc, video)
		}
	}
}

func (p *Peer) takeReports(reports []rtcp.ReceptionReport, ssrc uint32, video bool) {
	for _, report := range reports {
		if report.SSRC == ssrc {
			p.counters.report(time.Now(), report, video)
		}
	}
}

func asksFor(request *rtcp.FullIntraRequest, ssrc uint32) bool {
	if request.MediaSSRC == ssrc {
		return true
	}
	for _, entry := range request.FIR {
		if entry.SSRC == ssrc {
			return true
		}
	}
	return false
}
