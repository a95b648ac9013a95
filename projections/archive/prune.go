package archive

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"

	"streamstack/events"
)

// prunedKey is where the bucket of entries says up to which sequence segments have been pruned.
const (
	prunedKey     = "pruned"
	prunedSubject = "$KV." + Bucket + "." + prunedKey
)

// prune takes away the segments whose last event is older than the archive's retention. First it is said, then the
// objects go, and then the entries, but for the last one, for it says where the archive goes on. Who is killed between
// leaves objects that nobody reads and the next pass takes away, or, when their entries have gone, that are collected.
func (a *Archiver) prune(ctx context.Context, kv jetstream.KeyValue, objects jetstream.ObjectStore) error {
	if a.cfg.Retention <= 0 {
		return nil
	}
	known, pruned, err := a.cfg.Archive.list(ctx)
	if err != nil {
		return err
	}
	n, limit := 0, a.now().Add(-a.cfg.Retention)
	for n < len(known) && known[n].Last.Before(limit) {
		n++
	}
	if n == 0 || known[n-1].To == pruned && n == 1 {
		return nil // or it is the last entry, whose object has gone before
	}
	if err := a.step("prune"); err != nil {
		return err
	}
	if err := a.sayPruned(ctx, kv, known[n-1].To); err != nil {
		return err
	}
	if err := a.step("delete"); err != nil {
		return err
	}
	for _, e := range known[:n] {
		err := objects.Delete(ctx, e.Object)
		switch {
		case errors.Is(err, jetstream.ErrObjectNotFound): // an archiver that was killed, or is faster
		case err != nil:
			return fmt.Errorf("archive: prune %s: %w", e.Object, err)
		default:
			a.log.Info("pruned, for the archive's retention is over", "from", e.From, "to", e.To, "events", e.Events, "bytes", e.Bytes, "stored_until", e.Last)
		}
	}
	if err := a.step("forget"); err != nil {
		return err
	}
	return a.forget(ctx, known[min(n, len(known)-1)].seq)
}

// sayPruned raises the sequence up to which segments are pruned. It never falls, whatever archivers do at the same time.
func (a *Archiver) sayPruned(ctx context.Context, kv jetstream.KeyValue, upTo events.Seq) error {
	text := []byte(strconv.FormatUint(uint64(upTo), 10))
	for {
		there, err := kv.Get(ctx, prunedKey)
		switch {
		case errors.Is(err, jetstream.ErrKeyNotFound):
			_, err = kv.Create(ctx, prunedKey, text)
		case err != nil:
		default:
			var before events.Seq
			if before, err = parsePruned(there.Value()); err != nil || before >= upTo {
				return err
			}
			_, err = kv.Update(ctx, prunedKey, text, there.Revision())
		}
		if err == nil {
			return nil
		}
		if !errors.Is(err, jetstream.ErrKeyExists) {
			return fmt.Errorf("archive: prune up to %d: %w", upTo, err)
		}
	}
}

// parsePruned reads what sayPruned wrote.
func parsePruned(text []byte) (events.Seq, error) {
	n, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("archive: key %s of bucket %s: %w", prunedKey, Bucket, err)
	}
	return events.Seq(n), nil
}

// forget takes away the entries before one, all at once. What says how far has been pruned is younger than the last entry
// that it takes in, so it goes only when nothing is left that it tells about.
func (a *Archiver) forget(ctx context.Context, before events.Seq) error {
	stream, err := a.cfg.Archive.log.JetStream().Stream(ctx, entriesStream)
	if err == nil {
		err = stream.Purge(ctx, jetstream.WithPurgeSequence(uint64(before)))
	}
	if err != nil {
		return fmt.Errorf("archive: prune: %w", err)
	}
	return nil
}
