package peer

import (
	"fmt"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v3"
)

// AskPicture asks the client's camera for a picture that stands on its own (RFC 4585, section 6.3.1).
func (p *Peer) AskPicture(remote *webrtc.TrackRemote) error {
	err := p.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(remote.SSRC())}})
	if err != nil {
		return fmt.Errorf("peer: ask for a picture: %w", err)
	}
	return nil
}
