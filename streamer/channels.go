package streamer

import (
	"context"

	"streamstack/streamer/datasocket"
	"streamstack/streamer/peer"
)

// serveChannel serves one of the page's own data channels until its end, which the client's close waits for.
func (c *client) serveChannel(ctx context.Context, ch *peer.Channel) {
	c.channels.Go(func() {
		log := c.s.log.With("peer", c.id, "channel", ch.Label())
		if c.s.cfg.DataSockets == "" {
			log.Warn("data channel closed: this streamer has no folder for its socket")
			ch.Close()
			return
		}
		stats, err := datasocket.Serve(ctx, datasocket.Config{Folder: c.s.cfg.DataSockets, Log: c.s.log.With("peer", c.id)}, ch)
		if err != nil {
			log.Error("data channel closed: no socket for it", "err", err)
			ch.Close() // the page sees that nobody is there
			return
		}
		log.Info("data channel ended", "to_page", stats.ToPage, "to_program", stats.ToProgram, "dropped", stats.Dropped)
	})
}
