package streamer

import (
	"net"
	"strconv"
	"strings"

	"github.com/pion/ice/v2"

	"streamstack/events"
)

// logCandidate logs an ICE candidate with its addresses, where that is switched on (streamer-config.md, section 8): they say where somebody
// is, so that nothing tells them otherwise. side is local or remote. The user fragment that browsers add is left out.
func (s *Streamer) logCandidate(id events.PeerID, side, line string) {
	if !s.cfg.LogCandidates {
		return
	}
	c, err := ice.UnmarshalCandidate(strings.TrimPrefix(strings.TrimSpace(line), "candidate:"))
	if err != nil {
		return // the end of candidates, or nothing that could be used
	}
	args := []any{"peer", id, "side", side, "type", c.Type().String(), "protocol", c.NetworkType().NetworkShort(),
		"address", net.JoinHostPort(c.Address(), strconv.Itoa(c.Port())), "priority", c.Priority()}
	if r := c.RelatedAddress(); r != nil && r.Address != "" {
		args = append(args, "related", net.JoinHostPort(r.Address, strconv.Itoa(r.Port)))
	}
	if t := c.TCPType().String(); c.NetworkType().IsTCP() {
		args = append(args, "tcp", t)
	}
	s.log.Info("ICE candidate", args...)
}
