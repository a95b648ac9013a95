package snapshot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"

	"streamstack/events"
)

// Load returns the newest sound snapshot of a kind that is not after the sequence upTo and belongs to the stream as it is
// now; found is false when there is none. Others are passed over with a line in the log, and those that can never serve
// are dropped from the manifest.
func (s *Store) Load(ctx context.Context, k Kind, upTo events.Seq) (snap Snapshot, found bool, err error) {
	kv, err := s.bucket(ctx)
	if err != nil {
		return Snapshot{}, false, err
	}
	for range readTries {
		m, err := s.manifest(ctx, kv, k.Model)
		if err != nil {
			return Snapshot{}, false, err
		}
		snap, bad, err := s.pick(ctx, kv, m, k, upTo)
		if err != nil {
			return Snapshot{}, false, err
		}
		// What seemed damaged was only swept away, if the manifest is another by now.
		same := true
		if len(bad) > 0 {
			if same, err = s.drop(ctx, kv, k.Model, m, bad); err != nil {
				return Snapshot{}, false, err
			}
		}
		if snap.Schema == k.Schema {
			return snap, true, nil
		}
		if same {
			return Snapshot{}, false, nil
		}
	}
	return Snapshot{}, false, nil
}

// pick reads the first snapshot of a manifest that serves, and names those on the way that never will. Its schema is not
// the kind's when none serves.
func (s *Store) pick(ctx context.Context, kv jetstream.KeyValue, m manifest, k Kind, upTo events.Seq) (snap Snapshot, bad []string, err error) {
	end, err := s.end(ctx, k.Stream) // after the manifest, see Save
	if err != nil {
		return Snapshot{}, nil, err
	}
	for _, e := range m.Snapshots {
		why, never := "it is of another schema version", false
		switch {
		case e.Schema != k.Schema.String(): // a gateway of another version may have use for it
		case e.At > end:
			why, never = "it lies beyond the end of the stream, which was restored from an older backup", true
		case e.At > upTo:
			continue
		default:
			snap, why, err = s.read(ctx, kv, k, e)
			if err != nil || why == "" {
				return snap, bad, err
			}
			never = true
		}
		s.log.Warn("snapshot discarded: "+why, "model", k.Model, "sequence", e.At, "schema", e.Schema, "wanted", k.Schema.String())
		if never {
			bad = append(bad, e.Generation)
		}
	}
	return Snapshot{}, bad, nil
}

// read reads one snapshot, or says why it does not serve.
func (s *Store) read(ctx context.Context, kv jetstream.KeyValue, k Kind, e entry) (snap Snapshot, why string, err error) {
	sealed, err := s.chunks(ctx, kv, k.Model, e)
	if errors.Is(err, ErrCorrupt) {
		return Snapshot{}, err.Error(), nil
	}
	if err != nil {
		return Snapshot{}, "", err
	}
	snap, err = Open(sealed)
	switch {
	case err != nil:
		return Snapshot{}, err.Error(), nil //nolint:nilerr // it is the reason why this one does not serve
	case snap.Kind != k || snap.At != e.At:
		return Snapshot{}, "it is not what the manifest calls it", nil
	}
	why, err = s.foreign(ctx, snap)
	return snap, why, err
}

// chunks reads a snapshot's bytes.
func (s *Store) chunks(ctx context.Context, kv jetstream.KeyValue, model string, e entry) ([]byte, error) {
	var sealed []byte
	for i := range e.Chunks {
		c, err := kv.Get(ctx, chunksOf(model, e.Generation)+"."+strconv.Itoa(i))
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			return nil, fmt.Errorf("%w: chunk %d of %d is missing", ErrCorrupt, i+1, e.Chunks)
		}
		if err != nil {
			return nil, fmt.Errorf("snapshot: read %s: %w", model, err)
		}
		sealed = append(sealed, c.Value()...)
	}
	if len(sealed) != e.Bytes {
		return nil, fmt.Errorf("%w: %d bytes of %d", ErrCorrupt, len(sealed), e.Bytes)
	}
	return sealed, nil
}

// foreign says why a snapshot is of another stream than the one of its name; empty when it is not. Where it has seen its
// last lasting event, the stream must have that very event, unless the event has outlived its retention.
func (s *Store) foreign(ctx context.Context, snap Snapshot) (why string, err error) {
	if snap.Anchor.Seq == 0 {
		return "", nil // nothing lasting has been folded
	}
	e, found, err := s.events.EventAt(ctx, snap.Stream, snap.Anchor.Seq)
	if err != nil {
		return "", fmt.Errorf("snapshot: %w", err)
	}
	if found && e.ID == snap.Anchor.ID {
		return "", nil
	}
	if !found {
		b, err := s.events.Bounds(ctx, snap.Stream)
		if err != nil {
			return "", fmt.Errorf("snapshot: %w", err)
		}
		if snap.Anchor.Seq < b.First {
			return "", nil
		}
	}
	return fmt.Sprintf("at %d the stream has not the event that it has seen: it is of another history", snap.Anchor.Seq), nil
}

// drop takes generations out of a manifest, unless it has changed meanwhile; same tells that it had not.
func (s *Store) drop(ctx context.Context, kv jetstream.KeyValue, model string, m manifest, bad []string) (same bool, err error) {
	m.Snapshots = slices.DeleteFunc(slices.Clone(m.Snapshots), func(e entry) bool { return slices.Contains(bad, e.Generation) })
	return s.replace(ctx, kv, model, m)
}
