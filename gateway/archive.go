package gateway

import (
	"context"
	"errors"
	"net/http"

	"streamstack/events"
	"streamstack/projections/archive"
)

// archiveLog archives what the log will let expire. Each gateway does, and one of them wins each segment.
func (g *Gateway) archiveLog(ctx context.Context) error {
	defer g.archive.Close()
	return archive.NewArchiver(archive.Config{Archive: g.archive, Logger: g.cfg.Logger, Folder: g.cfg.ArchiveFolder, Retention: g.cfg.ArchiveRetention}).Run(ctx)
}

// regionEver finds the region of a session that the log or its archive has.
func (g *Gateway) regionEver(ctx context.Context, id events.SessionID) (events.Region, error) {
	region, err := g.regionOf(ctx, id)
	var unknown *apiError
	if errors.As(err, &unknown) && unknown.status == http.StatusNotFound {
		old, ferr := g.findArchived(ctx, id)
		if ferr != nil {
			return "", ferr
		}
		if old != "" {
			return old, nil
		}
	}
	return region, err
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
