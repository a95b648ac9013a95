package files

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"streamstack/events"
)

// Names of files that are not whole yet.
const (
	partPrefix = ".streamstack-"
	partSuffix = ".part"
)

// maxNumber is how many files of one name there may be.
const maxNumber = 1000

// upload is a file on its way into the inbox.
type upload struct {
	id   int64
	name string // wanted
	part string // in the inbox
	size int64
	got  int64
	told int64 // of got, to the page
	file *os.File
	hash hash.Hash
}

// put begins an upload.
func (s *server) put(ctx context.Context, r request) error {
	u, err := s.begin(r)
	if err != nil {
		if asFailure(err).code != CodeBusy { // the one that is under way goes on
			s.tell(ctx, events.FileIn, plainName(r.Name), 0, err)
		}
		return s.refuse(ctx, r.ID, err)
	}
	s.upload = u
	if err := s.say(ctx, answer{Type: "go", ID: r.ID}); err != nil {
		return err
	}
	if u.size == 0 {
		s.finishUpload(ctx, nil)
	}
	return nil
}

// begin makes the file that is not whole yet.
func (s *server) begin(r request) (*upload, error) {
	switch {
	case s.upload != nil:
		return nil, failed(CodeBusy, "another file is being received: send one after the other")
	case r.Size < 0:
		return nil, failed(CodeBadRequest, "a size of %d bytes", r.Size)
	case r.Size > s.cfg.MaxFile:
		return nil, failed(CodeTooLarge, "the file has %d bytes, %d are allowed", r.Size, s.cfg.MaxFile)
	}
	free, err := freeBytes(s.cfg.Inbox)
	if err != nil {
		return nil, err
	}
	if r.Size > free-reserve {
		return nil, failed(CodeNoSpace, "no room for %d bytes on the session's disk", r.Size)
	}
	part := partPrefix + rand.Text() + partSuffix
	f, err := s.inbox.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, fmt.Errorf("files: %w", err)
	}
	return &upload{id: r.ID, name: plainName(r.Name), part: part, size: r.Size, file: f, hash: sha256.New()}, nil
}

// take writes bytes of the upload. Those of one that has failed are dropped: the page may have sent them before it knew.
func (s *server) take(ctx context.Context, data []byte) {
	u := s.upload
	if u == nil {
		return
	}
	if u.got+int64(len(data)) > u.size {
		s.finishUpload(ctx, failed(CodeBadRequest, "more bytes than the %d that were announced", u.size))
		return
	}
	n, err := u.file.Write(data)
	u.got += int64(n)
	_, _ = u.hash.Write(data[:n]) // never fails
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		s.finishUpload(ctx, failed(CodeNoSpace, "no room left on the session's disk"))
	case err != nil:
		s.finishUpload(ctx, err)
	case u.got == u.size:
		s.finishUpload(ctx, nil)
	case u.got-u.told >= progressEvery:
		u.told = u.got
		if err := s.say(ctx, answer{Type: "progress", ID: u.id, Bytes: &u.got}); err != nil {
			s.finishUpload(ctx, err)
		}
	}
}

// finishUpload gives a whole file its name, or removes what there is of it, and tells of that.
func (s *server) finishUpload(ctx context.Context, cause error) {
	u := s.upload
	s.upload = nil
	err := errors.Join(cause, u.file.Close())
	name := u.name
	if err == nil {
		name, err = s.settle(u)
	}
	if removing := s.inbox.Remove(u.part); removing != nil && !errors.Is(removing, fs.ErrNotExist) {
		s.cfg.Log.Warn("part of a file is left in the inbox", "err", removing)
	}
	s.tell(ctx, events.FileIn, name, u.got, err)
	if err == nil {
		err = s.say(ctx, answer{Type: "done", ID: u.id, Name: name, Bytes: &u.got, SHA256: hex.EncodeToString(u.hash.Sum(nil))})
	} else {
		err = s.refuse(ctx, u.id, err)
	}
	if err != nil {
		s.cfg.Log.Debug("page not told of a file", "err", err)
	}
}

// settle gives a whole file the first free name. A link fails where a rename would replace what is there.
func (s *server) settle(u *upload) (string, error) {
	for n := range maxNumber {
		name := numbered(u.name, n)
		err := s.inbox.Link(u.part, name)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return u.name, fmt.Errorf("files: %w", err)
		}
		return name, nil
	}
	return u.name, failed(CodeFailed, "there are %d files of this name already", maxNumber)
}

// removeLeft removes what an earlier streamer did not finish.
func (s *server) removeLeft() {
	entries, err := fs.ReadDir(s.inbox.FS(), ".")
	if err != nil {
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), partPrefix) && strings.HasSuffix(e.Name(), partSuffix) {
			_ = s.inbox.Remove(e.Name()) // it is in nobody's way
		}
	}
}

// freeBytes is what an unprivileged program may still write to a folder's disk.
func freeBytes(folder string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(folder, &st); err != nil {
		return 0, fmt.Errorf("files: free space: %w", err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}
