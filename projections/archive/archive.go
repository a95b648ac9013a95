package archive

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

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

	mu       sync.Mutex // guards what follows
	exists   bool
	segments []Segment
	seen     events.Seq // the last entry read
}

// New makes an archive on a log. Nothing is read, or made, before it is needed.
func New(log *events.Log) *Archive {
	return &Archive{log: log, files: files{lock: make(chan struct{}, 1)}}
}

// Close frees the copies of segments; those that are being read, when they have been.
func (a *Archive) Close() { a.files.close() }

// Segments are the archived ranges in the order of their sequences, each beginning where the one before ended. It is
// empty where nothing was ever archived. The caller must not change the slice.
func (a *Archive) Segments(ctx context.Context) ([]Segment, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.exists {
		asking, cancel := context.WithTimeout(ctx, askTime)
		defer cancel()
		_, err := a.log.JetStream().KeyValue(asking, Bucket)
		if errors.Is(err, jetstream.ErrBucketNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, askError(err)
		}
		a.exists = true
	}
	// Entries are never changed, so only new ones are read; the bucket is a stream like any other.
	err := a.log.Read(ctx, entriesStream, "", a.seen+1, func(e events.Event) error {
		s, err := parseSegment(e.Data)
		if err != nil {
			return err
		}
		if want := end(a.segments) + 1; s.From != want {
			return fmt.Errorf("archive: a segment begins at %d where %d was to follow: the bucket %s was changed by hand", s.From, want, Bucket)
		}
		a.segments, a.seen = append(a.segments, s), e.Sequence
		return nil
	})
	return a.segments[:len(a.segments):len(a.segments)], err
}

// end is the last archived sequence, 0 before the first segment.
func end(segments []Segment) events.Seq {
	if len(segments) == 0 {
		return 0
	}
	return segments[len(segments)-1].To
}

// SeqAt is a sequence before which everything was stored before a time: where to begin reading what came since.
func (a *Archive) SeqAt(ctx context.Context, t time.Time) (events.Seq, error) {
	segments, err := a.Segments(ctx)
	if err != nil {
		return 0, err
	}
	for _, s := range segments {
		if !s.Last.Before(t) {
			return s.From, nil
		}
	}
	seq, err := a.log.FirstAt(ctx, events.SessionsStream, t)
	if err != nil {
		return 0, fmt.Errorf("archive: %w", err)
	}
	return seq, nil
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
	s, err := a.log.JetStream().Stream(ctx, events.SessionsStream)
	if err != nil {
		return limits{}, askError(err)
	}
	i := s.CachedInfo()
	return limits{first: events.Seq(i.State.FirstSeq), last: events.Seq(i.State.LastSeq), age: i.Config.MaxAge, replicas: i.Config.Replicas, storage: i.Config.Storage}, nil
}

// askError tells apart that nobody answered.
func askError(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
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
