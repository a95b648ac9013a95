package files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"streamstack/events"
)

// list shows the outbox, the newest first.
func (s *server) list(ctx context.Context) error {
	found := []file{}
	entries, err := fs.ReadDir(s.outbox.FS(), ".")
	if err != nil {
		return s.refuse(ctx, 0, fmt.Errorf("files: %w", err))
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || strings.HasPrefix(e.Name(), ".") || len(e.Name()) > maxRequest/8 {
			continue
		}
		found = append(found, file{e.Name(), info.Size(), info.ModTime().Unix()})
	}
	slices.SortStableFunc(found, func(a, b file) int { return int(b.Modified - a.Modified) })
	found = found[:min(len(found), maxListed)]
	// A name may have any bytes, and JSON makes several of one.
	for listSize(found) > maxList {
		found = found[:len(found)/2]
	}
	return s.say(ctx, answer{Type: "list", Files: &found})
}

// maxList is the longest list, in bytes, which fits a message.
const maxList = 48 << 10

// listSize is how long a list is at most as JSON.
func listSize(list []file) (size int) {
	for _, f := range list {
		size += 6*len(f.Name) + 80
	}
	return size
}

// get begins a download, which goes on beside uploads.
func (s *server) get(ctx context.Context, r request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.getting != 0 || r.ID == 0 {
		return s.refuse(ctx, r.ID, failed(CodeBusy, "another file is being sent: ask for one after the other, each with an id above 0"))
	}
	f, size, err := s.open(r.Name)
	if err != nil {
		s.tell(ctx, events.FileOut, r.Name, 0, err)
		return s.refuse(ctx, r.ID, err)
	}
	life, stop := context.WithCancel(ctx)
	s.getting, s.stop = r.ID, stop
	s.work.Go(func() {
		defer stop()
		s.send(ctx, life, r, f, size)
	})
	return nil
}

// open opens a file of the outbox.
func (s *server) open(name string) (*os.File, int64, error) {
	if name == "" || strings.ContainsAny(name, "/\x00") || strings.HasPrefix(name, ".") {
		return nil, 0, failed(CodeNotFound, "no such file in the outbox")
	}
	// Not blocking: a pipe's opening would wait for its writer.
	f, err := s.outbox.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, failed(CodeNotFound, "no such file in the outbox")
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		_ = f.Close() // it was only looked at
		return nil, 0, failed(CodeNotFound, "no such file in the outbox")
	}
	return f, info.Size(), nil
}

// send carries a download to its end. life ends with a cancel, ctx with the channel.
func (s *server) send(ctx, life context.Context, r request, f *os.File, size int64) {
	sent, sum, err := s.copy(life, r, f, size)
	_ = f.Close() // it was read only
	if err != nil && life.Err() != nil {
		err = failed(CodeCancelled, "cancelled")
	}
	s.mu.Lock()
	s.getting, s.stop = 0, nil
	s.mu.Unlock()
	s.tell(context.WithoutCancel(ctx), events.FileOut, r.Name, sent, err)
	if err == nil {
		err = s.say(ctx, answer{Type: "done", ID: r.ID, Name: r.Name, Bytes: &sent, SHA256: sum})
	} else {
		err = s.refuse(ctx, r.ID, err)
	}
	if err != nil {
		s.cfg.Log.Debug("page not told of a file", "err", err)
	}
}

// copy sends as many bytes as the file had when it was opened; one that has become shorter fails.
func (s *server) copy(ctx context.Context, r request, f *os.File, size int64) (sent int64, sum string, err error) {
	if err := s.say(ctx, answer{Type: "file", ID: r.ID, Name: r.Name, Size: &size}); err != nil {
		return 0, "", err
	}
	hash := sha256.New()
	buffer := make([]byte, chunk)
	for sent < size {
		n, err := f.Read(buffer[:min(int64(chunk), size-sent)])
		if n > 0 {
			_, _ = hash.Write(buffer[:n]) // never fails
			if err := s.conn.Send(ctx, buffer[:n], false); err != nil {
				return sent, "", fmt.Errorf("files: %w", err)
			}
			sent += int64(n)
		}
		if errors.Is(err, io.EOF) && sent < size {
			return sent, "", failed(CodeFailed, "the file has become shorter while it was read")
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return sent, "", fmt.Errorf("files: %w", err)
		}
	}
	return sent, hex.EncodeToString(hash.Sum(nil)), nil
}
