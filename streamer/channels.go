package streamer

import (
	"context"
	"time"

	"streamstack/events"
	"streamstack/streamer/datasocket"
	"streamstack/streamer/files"
	"streamstack/streamer/peer"
)

// serveChannel serves one of the page's own data channels until its end, which the client's close waits for.
func (c *client) serveChannel(ctx context.Context, ch *peer.Channel) {
	c.channels.Go(func() {
		log := c.s.log.With("peer", c.id, "channel", ch.Label())
		if ch.Label() == files.Channel {
			c.serveFiles(ctx, ch)
			return
		}
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

// recordTime bounds the recording of a file's transfer: the page waits meanwhile.
const recordTime = 5 * time.Second

// serveFiles carries files until the channel's end.
func (c *client) serveFiles(ctx context.Context, ch *peer.Channel) {
	cfg := &c.s.cfg
	if cfg.FileInbox == "" || cfg.FileOutbox == "" {
		ch.Close() // which tells the page that files are switched off
		return
	}
	err := files.Serve(ctx, files.Config{
		Inbox: cfg.FileInbox, Outbox: cfg.FileOutbox, Log: c.s.log.With("peer", c.id),
		Done: func(ctx context.Context, d events.FileTransferredData) {
			d.Peer = c.id
			ctx, cancel := context.WithTimeout(ctx, recordTime)
			defer cancel()
			if err := c.s.say(ctx, events.FileTransferred, d); err != nil {
				c.s.log.Warn("a file's transfer was not recorded", "peer", c.id, "direction", d.Direction, "bytes", d.Bytes, "err", err)
			}
		},
	}, ch)
	if err != nil {
		c.s.log.Error("no files can be carried", "peer", c.id, "err", err)
		ch.Close()
	}
}
