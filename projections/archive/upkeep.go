package archive

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// copyToFolder puts the segments into the folder that are not there yet. A file appears whole or not at all, so that
// several archivers may do this at once, and be killed while they do.
func (a *Archiver) copyToFolder(ctx context.Context) error {
	if a.cfg.Folder == "" {
		return nil
	}
	if err := os.MkdirAll(a.cfg.Folder, 0o700); err != nil {
		return fmt.Errorf("archive: the folder cannot be made: %w (name another with --archive)", err)
	}
	segments, err := a.cfg.Archive.Segments(ctx)
	if err != nil {
		return err
	}
	for _, s := range segments {
		path := filepath.Join(a.cfg.Folder, filepath.Base(s.Object))
		if _, err := os.Stat(path); err == nil {
			continue
		}
		if err := a.copySegment(ctx, s, path); err != nil {
			return err
		}
	}
	return nil
}

func (a *Archiver) copySegment(ctx context.Context, s Segment, path string) (err error) {
	t, err := os.CreateTemp(a.cfg.Folder, ".segment-*")
	if err != nil {
		return fmt.Errorf("archive: the folder cannot be written: %w (name another with --archive)", err)
	}
	defer func() { _ = os.Remove(t.Name()) }() // after the rename it is gone already
	_, err = copyObject(ctx, a.cfg.Archive.log.JetStream(), s, t)
	if err == nil {
		err = t.Sync()
	}
	if err = errors.Join(err, t.Close()); err != nil {
		return fmt.Errorf("archive: copy to %s: %w", path, err)
	}
	if err := a.step("rename"); err != nil {
		return err
	}
	if err := os.Rename(t.Name(), path); err != nil {
		return fmt.Errorf("archive: copy to the folder: %w", err)
	}
	return nil
}

// collect takes away objects, and chunks of objects, that archivers who were killed left behind.
func (a *Archiver) collect(ctx context.Context, objects jetstream.ObjectStore) error {
	if a.now().Sub(a.collected) < a.orphanAge {
		return nil
	}
	// What was stored before the entries are read, and has none after so long, never gets one.
	before := a.now().Add(-a.orphanAge)
	segments, err := a.cfg.Archive.Segments(ctx)
	if err != nil {
		return err
	}
	entered := map[string]bool{}
	for _, s := range segments {
		entered[s.Object], entered[s.NUID] = true, true
	}
	list, err := a.listObjects(ctx, objects)
	if err != nil {
		return err
	}
	if list == nil {
		return nil
	}
	for _, o := range list {
		if !entered[o.Name] && o.ModTime.Before(before) {
			a.log.Info("an object that no segment refers to is taken away", "object", o.Name)
			if err := objects.Delete(ctx, o.Name); err != nil && !errors.Is(err, jetstream.ErrObjectNotFound) {
				return fmt.Errorf("archive: delete %s: %w", o.Name, err)
			}
		} else {
			entered[o.NUID] = true // its chunks are not left behind
		}
	}
	if err := a.collectChunks(ctx, func(nuid string) bool { return entered[nuid] }, before.UnixNano()); err != nil {
		return err
	}
	a.collected = a.now()
	return nil
}

// listObjects lists the objects; nil when the list did not end in time. The client's List waits for as many entries as there
// were when it began, and so for ever when another archiver takes one away meanwhile; the next pass lists again.
func (a *Archiver) listObjects(ctx context.Context, objects jetstream.ObjectStore) ([]*jetstream.ObjectInfo, error) {
	listing, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	list, err := objects.List(listing)
	switch {
	case errors.Is(err, jetstream.ErrNoObjectsFound):
		return []*jetstream.ObjectInfo{}, nil
	case err != nil && ctx.Err() == nil && listing.Err() != nil:
		a.log.Info("the archive's objects could not be listed in time, trying again with the next pass")
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("archive: list objects: %w", err)
	}
	return list, nil
}

// listTime bounds the listing of the archive's objects: there is one a day, or a few.
const listTime = 5 * time.Second

// collectChunks takes away the chunks of objects whose storing was cut short: the object store itself does not know them.
func (a *Archiver) collectChunks(ctx context.Context, wanted func(nuid string) bool, before int64) error {
	stream, err := a.cfg.Archive.log.JetStream().Stream(ctx, objectsStream)
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(chunkSubjects+">"))
	if err != nil {
		return fmt.Errorf("archive: list chunks: %w", err)
	}
	for subject := range info.State.Subjects {
		if wanted(strings.TrimPrefix(subject, chunkSubjects)) {
			continue
		}
		last, err := stream.GetLastMsgForSubject(ctx, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue // another archiver was faster
		}
		if err != nil {
			return fmt.Errorf("archive: chunks %s: %w", subject, err)
		}
		if last.Time.UnixNano() >= before {
			continue
		}
		if err := stream.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
			return fmt.Errorf("archive: chunks %s: %w", subject, err)
		}
	}
	return nil
}
