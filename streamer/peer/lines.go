package peer

import (
	"fmt"
	"strings"

	"github.com/pion/webrtc/v3"
)

// addOfferedLines adds what the settings ask for, in the order the SDK needs: audio, camera, display, data. The camera
// has to come before the display: the SDK puts its camera into the first video line.
func (p *Peer) addOfferedLines() error {
	settings := p.cfg.Settings
	if settings.EnableSpeaker {
		direction := webrtc.RTPTransceiverDirectionSendonly
		if settings.EnableMicrophone {
			direction = webrtc.RTPTransceiverDirectionSendrecv
		}
		if err := p.addTrack(p.audio, direction); err != nil {
			return err
		}
	} else if settings.EnableMicrophone {
		if err := p.addReceiver(webrtc.RTPCodecTypeAudio); err != nil {
			return err
		}
	}
	if settings.EnableCamera && len(p.ranked) > 0 {
		if err := p.addReceiver(webrtc.RTPCodecTypeVideo); err != nil {
			return err
		}
	}
	if settings.EnableVideo {
		if err := p.addTrack(p.video, webrtc.RTPTransceiverDirectionSendonly); err != nil {
			return err
		}
	}
	// The client has made its channels, but an answer cannot add lines: without this one no input would ever work.
	negotiated, id := true, uint16(offerChannelID)
	if _, err := p.pc.CreateDataChannel("", &webrtc.DataChannelInit{Negotiated: &negotiated, ID: &id}); err != nil {
		return fmt.Errorf("peer: add the application line: %w", err)
	}
	return nil
}

// addAnsweredTracks prepares what a client of version 1 may have asked for; pion matches it with the lines of the offer.
func (p *Peer) addAnsweredTracks(video bool) error {
	if err := p.addTrack(p.audio, webrtc.RTPTransceiverDirectionSendonly); err != nil {
		return err
	}
	if !video {
		return nil
	}
	return p.addTrack(p.video, webrtc.RTPTransceiverDirectionSendonly)
}

func (p *Peer) addTrack(t *track, direction webrtc.RTPTransceiverDirection) error {
	transceiver, err := p.pc.AddTransceiverFromTrack(t, webrtc.RTPTransceiverInit{Direction: direction})
	if err != nil {
		return fmt.Errorf("peer: add the %s line: %w", t.kind, err)
	}
	sender := transceiver.Sender()
	p.goroutines.Go(func() { p.readFeedback(p.ctx, sender, t.kind) })
	return nil
}

func (p *Peer) addReceiver(kind webrtc.RTPCodecType) error {
	init := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}
	if _, err := p.pc.AddTransceiverFromKind(kind, init); err != nil {
		return fmt.Errorf("peer: add the client's %s line: %w", kind, err)
	}
	return nil
}

// withMessageSize adds the largest message we take to the application line of a description (RFC 8841, section 6); pion has no
// way to say it, and without it a browser takes 64 KiB for the limit.
func withMessageSize(text string) string {
	const port = "a=sctp-port:5000\r\n"
	return strings.Replace(text, port, port+fmt.Sprintf("a=max-message-size:%d\r\n", maxReceived), 1)
}
