package docker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
)

const (
	// logFile is what an instance printed, each line with the part that it is from, in its folder.
	logFile = "instance.log"
	// logPatience is how long the end of a container's log may be on its way.
	logPatience = 2 * time.Second
	// What is passed on at most, in bytes: a sentence for a person, the end of a log, a word.
	maxReason, maxTail, maxWord = 1 << 10, 2 << 10, 64
	tailLines                   = 12
)

// follow copies what the instance prints to its file, from the beginning, until the container has ended or ctx ends. It begins
// anew when the engine has been away.
func (in *instance) follow(ctx context.Context) {
	for ctx.Err() == nil {
		err := in.copyLog(ctx)
		if err == nil || !away(err) {
			return // it has ended, or is gone
		}
		if sleep(ctx, in.d.config.times.retry) != nil {
			return
		}
	}
}

func (in *instance) copyLog(ctx context.Context) error {
	log, err := in.d.api.ContainerLogs(ctx, in.id, client.ContainerLogsOptions{ShowStderr: true, Follow: true})
	if err != nil {
		return fmt.Errorf("docker: log: %w", err)
	}
	defer func() { _ = log.Close() }() // opened to read
	defer context.AfterFunc(ctx, func() { _ = log.Close() })()
	if err := in.kept.begin(); err != nil {
		in.log.Warn("an instance's log cannot be kept", "err", err)
		return nil
	}
	if _, err := stdcopy.StdCopy(io.Discard, in.kept, log); err != nil {
		return fmt.Errorf("docker: log: %w", err)
	}
	return nil
}

// keptLog is a file with the end of what an instance printed: at most logLimit bytes. Its methods may be called concurrently.
type keptLog struct {
	path string

	mu   sync.Mutex
	file *os.File
	size int64
}

func newKeptLog(path string) *keptLog { return &keptLog{path: path} }

// begin empties the file.
func (k *keptLog) begin() error {
	if err := k.close(); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	file, err := os.OpenFile(k.path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("docker: log: %w", err)
	}
	k.file, k.size = file, 0
	return nil
}

// Write appends, and drops the older half of a file that has grown too large. It never fails: a log that cannot be kept must
// not end the reading of what the engine sends.
func (k *keptLog) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.file == nil {
		return len(p), nil
	}
	n, err := k.file.WriteAt(p, k.size)
	k.size += int64(n)
	if err == nil && k.size > logLimit {
		k.halve()
	}
	return len(p), nil
}

func (k *keptLog) halve() {
	kept := make([]byte, logLimit/2)
	n, _ := k.file.ReadAt(kept, k.size-int64(len(kept))) // what cannot be read is dropped
	kept = kept[:n]
	if _, rest, found := bytes.Cut(kept, []byte{'\n'}); found {
		kept = rest
	}
	short := append(fmt.Appendf(nil, "[%d bytes were dropped here]\n", k.size-int64(len(kept))), kept...)
	if _, err := k.file.WriteAt(short, 0); err == nil && k.file.Truncate(int64(len(short))) == nil {
		k.size = int64(len(short))
	}
}

func (k *keptLog) close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.file == nil {
		return nil
	}
	err := k.file.Close()
	k.file = nil
	if err != nil {
		return fmt.Errorf("docker: log: %w", err)
	}
	return nil
}

// tail is the end of the log as plain text, some lines; empty when there is nothing.
func (k *keptLog) tail() string {
	content, err := os.ReadFile(k.path)
	if err != nil {
		return ""
	}
	text := clip(string(content[max(0, len(content)-maxTail):]), maxTail)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}

// clip makes text that came from a container fit to be shown: valid UTF-8 without control characters, of at most so many bytes.
func clip(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) && r != utf8.RuneError {
			return r
		}
		return -1
	}, text[:min(len(text), 2*most)])
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

// prune drops the logs of instances that ended long ago. Folders without one are not ours: the process driver's may be beside them.
func (d *Driver) prune() error {
	err := d.live.Prune(d.instances, func(path string) bool {
		_, err := os.Stat(filepath.Join(path, logFile))
		return err == nil
	})
	if err != nil {
		return fmt.Errorf("docker: %w", err)
	}
	return nil
}
