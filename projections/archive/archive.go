package archive

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"streamstack/events"
)

// Bucket names the object store of the segments and the key-value bucket of their entries.
const Bucket = "ARCHIVE"

// The streams behind the two buckets.
const (
	entriesStream = "KV_" + Bucket
	objectsStream = "OBJ_" + Bucket
	chunkSubjects = "$O." + Bucket + ".C."
)

// askTime bounds a question about a stream; who waits for an answer is told within 2 s when NATS is away.
const askTime = 1800 * time.Millisecond

// Archive reads the archive of a log. It is safe for concurrent use; [Archive.Close] lets go of what it keeps.
type Archive struct {
	log   *events.Log
	files files

	mu      sync.Mutex // guards what follows
	entries []entry
	seen    events.Seq // the last entry read
	pruned  events.Seq // up to here segments have no object any more
}

// entry is a segment with the sequence of its entry, which is its revision in the bucket.
type entry struct {
	Segment
	seq events.Seq
}

// New makes an archive on a log. Nothing is read, or made, before it is needed.
func New(log *events.Log) *Archive {
	return &Archive{log: log, files: files{lock: make(chan struct{}, 1)}}
}

// Close frees the copies of segments; those that are being read, when they have been.
func (a *Archive) Close() { a.files.close() }

// Segments are the archived ranges in the order of their sequences, each beginning where the one before ended; the first
// begins at 1, or, where the archive has a retention, at what is left. It is empty where nothing is archived.
func (a *Archive) Segments(ctx context.Context) ([]Segment, error) {
	entries, pruned, err := a.list(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]Segment, 0, len(entries))
	for _, e := range entries {
		if e.To > pruned {
			list = append(list, e.Segment)
		}
	}
	return list, nil
}

// list is all that is entered; segments up to the sequence pruned have no object any more. The last entry is there
// always, for it tells where the archive goes on. The caller must not change the slice.
func (a *Archive) list(ctx context.Context) (_ []entry, pruned events.Seq, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	// The bucket is a stream like any other. Entries leave it at its front, when their segments are pruned.
	b, err := a.log.Bounds(ctx, entriesStream)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		a.entries, a.seen, a.pruned = nil, 0, 0
		return nil, 0, nil
	case err != nil:
		return nil, 0, fmt.Errorf("archive: %w", err)
	}
	list := a.entries
	for len(list) > 0 && list[0].seq < b.First {
		list = list[1:]
	}
	// Entries are never changed, so only new ones are read.
	seen := a.seen
	pruned = a.pruned
	err = a.log.Read(ctx, entriesStream, "", seen+1, func(e events.Event) error {
		seen = e.Sequence
		if e.Subject == prunedSubject {
			pruned, err = parsePruned(e.Data)
			return err
		}
		s, err := parseSegment(e.Data)
		if err != nil {
			return err
		}
		if n := len(list); n > 0 && s.From != list[n-1].To+1 {
			return fmt.Errorf("archive: a segment begins at %d where %d was to follow: the bucket %s was changed by hand", s.From, list[n-1].To+1, Bucket)
		}
		list = append(list, entry{s, e.Sequence})
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	a.entries, a.seen, a.pruned = list, seen, pruned
	return list[:len(list):len(list)], pruned, nil
}

// end is the last archived sequence, 0 before the first segment.
func end(entries []entry) events.Seq {
	if len(entries) == 0 {
		return 0
	}
	return entries[len(entries)-1].To
}

// limits are what the stream keeps.
type limits struct {
	first    events.Seq    // what came before has expired
	last     events.Seq    // 0 in a stream that never held anything
	age      time.Duration // after which events expire; 0 for never
	replicas int
	storage  jetstream.StorageType
}

func (a *Archive) limits(ctx context.Context) (limits, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	named := a.log.Refusals()
	s, err := a.log.JetStream().Stream(ctx, events.SessionsStream)
	if err != nil {
		return limits{}, named(askError(err))
	}
	i := s.CachedInfo()
	return limits{first: events.Seq(i.State.FirstSeq), last: events.Seq(i.State.LastSeq), age: i.Config.MaxAge, replicas: i.Config.Replicas, storage: i.Config.Storage}, nil
}

// askError tells apart that nobody answered.
func askError(err error) error {
	var api *jetstream.APIError
	if errors.As(err, &api) && api.Code == http.StatusServiceUnavailable || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrNoResponders) ||
		errors.Is(err, nats.ErrDisconnected) || errors.Is(err, nats.ErrConnectionReconnecting) || errors.Is(err, nats.ErrConnectionClosed) {
		return fmt.Errorf("%w: archive: %w", events.ErrUnavailable, err)
	}
	return fmt.Errorf("archive: %w", err)
}

// create makes the buckets, replicated and stored as the log is.
func (a *Archive) create(ctx context.Context, l limits) (jetstream.KeyValue, jetstream.ObjectStore, error) {
	js := a.log.JetStream()
	entries, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: Bucket, Description: "which ranges of the log are archived", Replicas: l.replicas, Storage: l.storage,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("archive: create bucket %s: %w", Bucket, err)
	}
	objects, err := js.CreateOrUpdateObjectStore(ctx, jetstream.ObjectStoreConfig{
		Bucket: Bucket, Description: "lifecycle events as Parquet", Replicas: l.replicas, Storage: l.storage,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("archive: create object store %s: %w", Bucket, err)
	}
	return entries, objects, nil
}
