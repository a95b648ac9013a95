package rtclog

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	prefix, suffix = "rtc_log.", ".ndjson"
	// fileMode and folderMode are for the instance's user alone: when somebody was streaming, and how well, is theirs.
	fileMode, folderMode = 0o600, 0o700
	// lastNumber is the greatest of a file. A greater one is not ours: programs of the instance may be able to lay files there.
	lastNumber = 1 << 30
	// bufferSize is written at once.
	bufferSize = 64 << 10
)

// files is the file that is being written, of several in a row. It is used by one goroutine.
type files struct {
	folder string
	most   int
	number int
	file   *os.File // nil where one could not be made
	out    *bufio.Writer
	size   int
	began  time.Time
}

// open makes the first file, after those that there are.
func open(folder string, most int) (*files, error) {
	if err := os.MkdirAll(folder, folderMode); err != nil {
		return nil, fmt.Errorf("rtclog: folder of the log: %w", err)
	}
	f := &files{folder: folder, most: most}
	if numbers := f.numbers(); len(numbers) > 0 {
		f.number = numbers[len(numbers)-1]
	}
	return f, f.next()
}

// numbers are those of the files that there are, in order.
func (f *files) numbers() (list []int) {
	entries, _ := os.ReadDir(f.folder) // none where it cannot be read
	for _, e := range entries {
		text, ours := strings.CutPrefix(e.Name(), prefix)
		text, ended := strings.CutSuffix(text, suffix)
		if n, err := strconv.Atoi(text); ours && ended && err == nil && n > 0 && n <= lastNumber && f.path(n) == filepath.Join(f.folder, e.Name()) {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list
}

func (f *files) path(n int) string {
	return filepath.Join(f.folder, fmt.Sprintf("%s%d%s", prefix, n, suffix))
}

// next begins another file and removes the oldest.
func (f *files) next() error {
	if err := f.close(); err != nil {
		return err
	}
	if f.number >= lastNumber {
		return fmt.Errorf("rtclog: there is no number after that of %s: remove it", f.path(f.number))
	}
	numbers := f.numbers()
	for len(numbers) >= MaxFiles {
		if err := os.Remove(f.path(numbers[0])); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("rtclog: %w", err)
		}
		numbers = numbers[1:]
	}
	f.number++
	// O_EXCL: what somebody else has put there, such as a link to elsewhere, is not written to.
	file, err := os.OpenFile(f.path(f.number), os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode)
	if err != nil {
		return fmt.Errorf("rtclog: %w", err)
	}
	f.file, f.out, f.size, f.began = file, bufio.NewWriterSize(file, bufferSize), 0, time.Now()
	text, err := json.Marshal(line{Start: &start{At: f.began.UTC(), Format: 1}})
	if err != nil {
		return fmt.Errorf("rtclog: %w", err)
	}
	return f.append(append(text, '\n'))
}

// room makes sure that there is a file that is not full, and tells when it began.
func (f *files) room() (began time.Time, err error) {
	if f.file == nil || f.size >= f.most {
		err = f.next()
	}
	return f.began, err
}

func (f *files) append(text []byte) error {
	n, err := f.out.Write(text)
	f.size += n
	if err != nil {
		return fmt.Errorf("rtclog: %w", err)
	}
	return nil
}

func (f *files) flush() error {
	if f.file == nil {
		return nil
	}
	if err := f.out.Flush(); err != nil {
		return fmt.Errorf("rtclog: %w", err)
	}
	return nil
}

// abandon gives up a file that cannot be written; the next line begins another.
func (f *files) abandon() {
	if f.file != nil {
		_ = f.file.Close() // it has failed already
		f.file = nil
	}
}

func (f *files) close() error {
	if f.file == nil {
		return nil
	}
	err := errors.Join(f.out.Flush(), f.file.Close())
	f.file = nil
	if err != nil {
		return fmt.Errorf("rtclog: %w", err)
	}
	return nil
}
