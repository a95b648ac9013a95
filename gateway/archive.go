package gateway

import (
	"context"

	"streamstack/events"
	"streamstack/projections/archive"
)

// archiveLog archives what the log will let expire. Each gateway does, and one of them wins each segment.
func (g *Gateway) archiveLog(ctx context.Context) error {
	defer g.archive.Close()
	return archive.NewArchiver(archive.Config{Archive: g.archive, Logger: g.cfg.Logger, Folder: g.cfg.ArchiveFolder}).Run(ctx)
}

// findArchived looks up the region of a session that the log itself does not hold any more; empty if there is no such.
func (g *Gateway) findArchived(ctx context.Context, id events.SessionID) (region events.Region, err error) {
	err = g.archive.Read(ctx, events.SessionFilter("*", id), 0, func(e events.Event) error {
		region = e.Region
		return errPage
	})
	if region != "" {
		return region, nil // found, and so no further
	}
	return "", err
}
