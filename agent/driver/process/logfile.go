package process

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// openLog opens a part's log for appending: several writers, and trimLog, then never overwrite each other.
func openLog(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("process: log: %w", err)
	}
	return f, nil
}

// trimLog keeps the last half of limit when a log has outgrown it. The writers hold the file open, so it is
// shortened in place: overwritten from its start, then cut, so that nothing of theirs gets before the line that tells of
// the cut. What they write in the instant between reading and cutting is lost.
func trimLog(path string, limit int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("process: log: %w", err)
	}
	defer func() { _ = f.Close() }() // nothing is buffered
	info, err := f.Stat()
	if err != nil || info.Size() <= limit {
		return err
	}
	kept := make([]byte, limit/2)
	n, err := f.ReadAt(kept, info.Size()-int64(len(kept)))
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("process: log: %w", err)
	}
	short := fmt.Appendf(nil, "[%d bytes were dropped here]\n%s", info.Size()-int64(n), kept[:n])
	if _, err := f.WriteAt(short, 0); err != nil {
		return fmt.Errorf("process: log: %w", err)
	}
	if err := f.Truncate(int64(len(short))); err != nil {
		return fmt.Errorf("process: log: %w", err)
	}
	return nil
}

const (
	tailBytes = 2048
	tailLines = 12
	// lineRunes bounds a line within a sentence for a person.
	lineRunes = 200
)

// logTail reads the last lines of a log as plain text: no control characters, no escape sequences' start, valid
// UTF-8. It is empty when there is nothing to read.
func logTail(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }() // opened to read
	if info, err := f.Stat(); err == nil && info.Size() > tailBytes {
		if _, err := f.Seek(-tailBytes, io.SeekEnd); err != nil {
			return ""
		}
	}
	content, err := io.ReadAll(io.LimitReader(f, tailBytes))
	if err != nil {
		return ""
	}
	for len(content) > 0 && !utf8.RuneStart(content[0]) {
		content = content[1:] // cut within a rune
	}
	content = escapes.ReplaceAll(content, nil)
	text := strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) && r != utf8.RuneError {
			return r
		}
		return -1
	}, string(content))
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}

// escapes are a terminal's control sequences, colours among them (ECMA-48, section 5.4).
var escapes = regexp.MustCompile(`\x1b\[[0-?]*[ -/]*[@-~]`)

// tellingLine is the line of a tail that most likely says why, shortened: the last one, or what Xorg calls fatal.
func tellingLine(tail string) string {
	line := strings.TrimSpace(tail[strings.LastIndexByte(tail, '\n')+1:])
	if _, fatal, found := strings.Cut(tail, "Fatal server error:\n"); found {
		line, _, _ = strings.Cut(fatal, "\n")
		line = strings.TrimSpace(strings.ReplaceAll(line, "(EE)", ""))
	}
	if runes := []rune(line); len(runes) > lineRunes {
		line = string(runes[:lineRunes]) + "…"
	}
	return line
}
