package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"streamstack/events"
)

// Bucket is the key-value bucket of the snapshots; [events.CreateStreams] makes it.
const Bucket = events.SnapshotBucket

// Figures of the store.
const (
	// Keep is how many snapshots of a model are kept.
	Keep = 12
	// chunkSize in bytes: well below NATS's max_payload of 1 MiB, and a few of them per megabyte.
	chunkSize = 256 << 10
	// readTries is how often a snapshot is looked for anew that was swept while it was being read.
	readTries = 3
)

// Store reads and writes snapshots. It is safe for concurrent use, by any number of processes.
type Store struct {
	events *events.Log
	log    *slog.Logger
}

// NewStore makes a store beside a log whose NATS has the bucket.
func NewStore(log *events.Log, logger *slog.Logger) *Store { return &Store{events: log, log: logger} }

// manifest lists a model's snapshots, the newest first.
type manifest struct {
	Snapshots []entry `json:"snapshots"`
	revision  uint64  // of its key; 0 when there is none
}

// entry is a snapshot that is whole in the bucket.
type entry struct {
	Generation string     `json:"generation"`
	Schema     string     `json:"schema"`
	At         events.Seq `json:"at"`
	Bytes      int        `json:"bytes"`
	Chunks     int        `json:"chunks"`
}

func manifestKey(model string) string { return model + ".manifest" }
func chunksOf(model, generation string) string {
	return model + ".chunk." + generation
}

func (s *Store) bucket(ctx context.Context) (jetstream.KeyValue, error) {
	kv, err := s.events.JetStream().KeyValue(ctx, Bucket)
	if err != nil {
		return nil, fmt.Errorf("snapshot: bucket %s: %w", Bucket, err)
	}
	return kv, nil
}

func (s *Store) manifest(ctx context.Context, kv jetstream.KeyValue, model string) (m manifest, err error) {
	e, err := kv.Get(ctx, manifestKey(model))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return manifest{}, nil
	}
	if err != nil {
		return manifest{}, fmt.Errorf("snapshot: manifest of %s: %w", model, err)
	}
	if err := json.Unmarshal(e.Value(), &m); err != nil {
		s.log.Warn("snapshots discarded: their manifest is damaged", "model", model, "err", err)
		m = manifest{}
	}
	m.revision = e.Revision()
	return m, nil
}

// Newest is the sequence of the newest snapshot of a kind, 0 when there is none.
func (s *Store) Newest(ctx context.Context, k Kind) (events.Seq, error) {
	kv, err := s.bucket(ctx)
	if err != nil {
		return 0, err
	}
	m, err := s.manifest(ctx, kv, k.Model)
	if err != nil {
		return 0, err
	}
	for _, e := range m.Snapshots {
		if e.Schema == k.Schema.String() {
			return e.At, nil
		}
	}
	return 0, nil
}

// Save writes a snapshot, unless there is one of the same kind that is as new or newer, or another process writes one at
// the same time; saved is false then, which is no error. Snapshots of other schemas, and those that lie beyond the
// stream's end, are dropped from the manifest.
func (s *Store) Save(ctx context.Context, snap Snapshot) (saved bool, err error) {
	kv, err := s.bucket(ctx)
	if err != nil {
		return false, err
	}
	m, err := s.manifest(ctx, kv, snap.Model)
	if err != nil {
		return false, err
	}
	end, err := s.end(ctx, snap.Stream) // after the manifest: what that names was folded from a stream at least as long
	if err != nil {
		return false, err
	}
	kept := slices.DeleteFunc(slices.Clone(m.Snapshots), func(e entry) bool { return e.Schema != snap.Schema.String() || e.At > end })
	if len(kept) > 0 && kept[0].At >= snap.At {
		return false, nil
	}
	sealed := Seal(snap)
	e := entry{Generation: generation(m.revision), Schema: snap.Schema.String(), At: snap.At, Bytes: len(sealed)}
	for chunk := range slices.Chunk(sealed, chunkSize) {
		if _, err := kv.Create(ctx, chunksOf(snap.Model, e.Generation)+"."+strconv.Itoa(e.Chunks), chunk); err != nil {
			return false, fmt.Errorf("snapshot: write %s: %w", snap.Model, err)
		}
		e.Chunks++
	}
	next := manifest{Snapshots: thin(append([]entry{e}, kept...)), revision: m.revision}
	saved, err = s.replace(ctx, kv, snap.Model, next)
	if err != nil || !saved {
		return false, err // the next sweep takes these chunks away
	}
	return true, s.sweep(ctx, snap.Model, next)
}

// replace writes a manifest in the place of the one at its revision; done is false when another process was first.
func (s *Store) replace(ctx context.Context, kv jetstream.KeyValue, model string, m manifest) (done bool, err error) {
	body, err := json.Marshal(m)
	if err != nil {
		return false, fmt.Errorf("snapshot: manifest of %s: %w", model, err)
	}
	_, err = kv.Update(ctx, manifestKey(model), body, m.revision)
	if errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("snapshot: manifest of %s: %w", model, err)
	}
	return true, nil
}

func (s *Store) end(ctx context.Context, stream string) (events.Seq, error) {
	b, err := s.events.Bounds(ctx, stream)
	if err != nil {
		return 0, fmt.Errorf("snapshot: %w", err)
	}
	return b.Last, nil
}

// generation names a snapshot's chunks: by the manifest's revision that the writer started from, and at random.
func generation(revision uint64) string {
	return strconv.FormatUint(revision, 10) + "-" + uuid.NewString()
}

// thin drops snapshots until [Keep] are left: always the one whose neighbours lie closest to each other, so that those that
// stay are spread over the log. The newest stays, and the oldest.
func thin(list []entry) []entry {
	for len(list) > Keep {
		drop := 1
		for i := 1; i < len(list)-1; i++ {
			if list[i-1].At-list[i+1].At < list[drop-1].At-list[drop+1].At {
				drop = i
			}
		}
		list = slices.Delete(list, drop, drop+1)
	}
	return list
}

// sweep removes the chunks that the manifest does not name and that nobody can still name: whoever started from a revision
// before the one that m replaced has lost.
func (s *Store) sweep(ctx context.Context, model string, m manifest) error {
	named := map[string]bool{}
	for _, e := range m.Snapshots {
		named[e.Generation] = true
	}
	stream, err := s.events.JetStream().Stream(ctx, "KV_"+Bucket)
	if err != nil {
		return fmt.Errorf("snapshot: sweep %s: %w", model, err)
	}
	prefix := "$KV." + Bucket + "." + model + ".chunk."
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(prefix+">"))
	if err != nil {
		return fmt.Errorf("snapshot: sweep %s: %w", model, err)
	}
	swept := map[string]bool{}
	for subject := range info.State.Subjects {
		gen, _, _ := strings.Cut(strings.TrimPrefix(subject, prefix), ".")
		if named[gen] || swept[gen] || startedFrom(gen) > m.revision {
			continue
		}
		swept[gen] = true
		if err := stream.Purge(ctx, jetstream.WithPurgeSubject(prefix+gen+".*")); err != nil {
			return fmt.Errorf("snapshot: sweep %s: %w", model, err)
		}
	}
	return nil
}

// startedFrom is the revision that a generation's writer started from; 0 for what no writer named.
func startedFrom(generation string) uint64 {
	rev, _, _ := strings.Cut(generation, "-")
	n, err := strconv.ParseUint(rev, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
