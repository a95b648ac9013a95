package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/nats-io/nats.go/jetstream"
)

// keptFiles is how many fetched segments are kept for the next read: a page of events after the other reads the same
// one. Each takes some MiB of temporary disk.
const keptFiles = 4

// files are segments fetched into temporary files, which have no name any more and so cannot be left behind. Parquet is
// read from its end, so a stream will not do.
type files struct {
	lock chan struct{} // held while the list is looked at or changed, and while a segment is fetched
	kept []*file       // the one used last is last
}

type file struct {
	*os.File
	object string
	size   int64
	users  int
	old    bool // not kept any more; the last user closes it
}

// open gives a segment's file; release it when done.
func (f *files) open(ctx context.Context, js jetstream.JetStream, s Segment) (*file, error) {
	if err := f.acquire(ctx); err != nil {
		return nil, err
	}
	defer f.unlock()
	for i, x := range f.kept {
		if x.object == s.Object {
			f.kept = append(append(f.kept[:i:i], f.kept[i+1:]...), x)
			x.users++
			return x, nil
		}
	}
	x, err := fetch(ctx, js, s)
	if err != nil {
		return nil, err
	}
	x.users = 1
	f.kept = append(f.kept, x)
	if len(f.kept) > keptFiles {
		f.kept[0].retire()
		f.kept = f.kept[1:]
	}
	return x, nil
}

func (f *files) release(x *file) {
	f.lock <- struct{}{} // held for moments by all but a fetch, which its own context bounds
	defer f.unlock()
	x.users--
	if x.old && x.users == 0 {
		_ = x.Close() // it was only read
	}
}

func (f *files) close() {
	f.lock <- struct{}{}
	defer f.unlock()
	for _, x := range f.kept {
		x.retire()
	}
	f.kept = nil
}

func (x *file) retire() {
	x.old = true
	if x.users == 0 {
		_ = x.Close() // it was only read
	}
}

func (f *files) acquire(ctx context.Context) error {
	select {
	case f.lock <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("archive: %w", ctx.Err())
	}
}

func (f *files) unlock() { <-f.lock }

// fetch copies a segment into a temporary file. The object store checks its digest.
func fetch(ctx context.Context, js jetstream.JetStream, s Segment) (_ *file, err error) {
	t, err := os.CreateTemp("", "streamstack-archive-*")
	if err != nil {
		return nil, fmt.Errorf("archive: a place for segment %s: %w", s.Object, err)
	}
	defer func() {
		if err != nil {
			_ = t.Close() // nothing of it is used
		}
	}()
	if err := os.Remove(t.Name()); err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	size, err := copyObject(ctx, js, s, t)
	if err != nil {
		return nil, err
	}
	return &file{File: t, object: s.Object, size: size}, nil
}

// copyObject writes a segment's object to w.
func copyObject(ctx context.Context, js jetstream.JetStream, s Segment, w io.Writer) (size int64, err error) {
	objects, err := js.ObjectStore(ctx, Bucket)
	if err != nil {
		return 0, fmt.Errorf("archive: %w", err)
	}
	object, err := objects.Get(ctx, s.Object)
	if err != nil {
		return 0, fmt.Errorf("archive: segment %s: %w", s.Object, err)
	}
	size, err = io.Copy(w, object)
	if err = errors.Join(err, object.Close()); err == nil {
		err = object.Error()
	}
	if err != nil {
		return 0, fmt.Errorf("archive: fetch segment %s: %w", s.Object, err)
	}
	return size, nil
}
