// Package keyfile keeps a pair of secret keys in one file, so that a key can be replaced while what it signed is still
// honoured: the current key signs, the previous one only verifies. Macaroon root keys and the TURN shared secret live in
// such files.
//
// Both keys are in one file because a rename replaces a file as a whole: no reader ever sees a rotation half done. The file
// is text, one key a line in unpadded URL-safe base64 (RFC 4648, section 5), the current key first; empty lines and lines
// that start with # are left out.
package keyfile

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

const (
	// KeySize is the length of a key in bytes: the block size of SHA-256's and SHA-1's HMAC, the most that is of use.
	KeySize = 64

	// fileMode lets the owner alone read a key file; folderMode the same for a folder that has to be made.
	fileMode   fs.FileMode = 0o600
	folderMode fs.FileMode = 0o700

	// maxFileSize is far more than two keys and a comment take: a wrong file must not be read into memory whole.
	maxFileSize = 4096

	header = "# streamstack keys, secret: the first line signs, the second is still accepted\n"
)

// ErrPermissions is returned for a key file that others than its owner may read or write.
var ErrPermissions = errors.New("others than the owner may access the file")

// Keys are the keys of one file. The zero value holds none.
type Keys struct {
	Current  []byte // signs and verifies; KeySize bytes
	Previous []byte // verifies only; nil until the first rotation
}

// All returns the keys that verify, the current one first.
func (k Keys) All() [][]byte {
	if k.Previous == nil {
		return [][]byte{k.Current}
	}
	return [][]byte{k.Current, k.Previous}
}

func (k Keys) equal(o Keys) bool {
	return bytes.Equal(k.Current, o.Current) && bytes.Equal(k.Previous, o.Previous)
}

// String keeps keys out of messages.
func (k Keys) String() string { return "[keys]" }

// GoString keeps keys out of messages formatted with %#v.
func (k Keys) GoString() string { return k.String() }

// LogValue keeps keys out of structured logs.
func (k Keys) LogValue() slog.Value { return slog.StringValue(k.String()) }

// Open reads the keys in the file at path. A file that does not exist is created with a new random key, readable by its
// owner alone; when several processes do so at once, all of them get the key of the one that was first.
//
// It refuses a file that others may access (ErrPermissions): whoever read the key before can still use it.
func Open(path string) (Keys, error) {
	keys, err := read(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	fresh, err := newKey()
	if err != nil {
		return Keys{}, err
	}
	// A link, unlike a rename, fails when the name is taken: the loser of a race reads what the winner wrote.
	if err := write(path, Keys{Current: fresh}, os.Link); err != nil && !errors.Is(err, fs.ErrExist) {
		return Keys{}, err
	}
	return read(path)
}

// Rotate makes a new current key and demotes the one before to previous; what was previous is no longer accepted.
// It must not run twice at once on one file: one of the two new keys would be lost.
func Rotate(path string) (Keys, error) {
	old, err := Open(path)
	if err != nil {
		return Keys{}, err
	}
	fresh, err := newKey()
	if err != nil {
		return Keys{}, err
	}
	if err := write(path, Keys{Current: fresh, Previous: old.Current}, os.Rename); err != nil {
		return Keys{}, err
	}
	return read(path)
}

// Parse reads keys from the text of a key file, as it comes from an environment variable or a mounted secret.
func Parse(text string) (Keys, error) {
	var found [][]byte
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, err := base64.RawURLEncoding.Strict().DecodeString(line)
		if err != nil || len(key) != KeySize {
			// The cause would quote the key.
			return Keys{}, fmt.Errorf("keyfile: key %d is not %d bytes of URL-safe base64", len(found)+1, KeySize)
		}
		found = append(found, key)
	}
	switch len(found) {
	case 1:
		return Keys{Current: found[0]}, nil
	case 2:
		return Keys{Current: found[0], Previous: found[1]}, nil
	default:
		return Keys{}, fmt.Errorf("keyfile: %d keys, want one or two", len(found))
	}
}

func read(path string) (Keys, error) {
	file, err := os.Open(path)
	if err != nil {
		return Keys{}, fmt.Errorf("keyfile: %w", err)
	}
	defer file.Close() //nolint:errcheck // nothing was written

	// The open file is asked, not the name: it cannot be swapped in between.
	info, err := file.Stat()
	if err != nil {
		return Keys{}, fmt.Errorf("keyfile: %w", err)
	}
	if info.IsDir() {
		return Keys{}, fmt.Errorf("keyfile: %s is a folder: move it away, the keys belong in a file of that name", path)
	}
	if extra := info.Mode().Perm() &^ fileMode; extra != 0 {
		return Keys{}, fmt.Errorf("keyfile: %w: %s has mode %04o: run: chmod 600 %s (and rotate the keys if others may have read them)",
			ErrPermissions, path, info.Mode().Perm(), path)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFileSize))
	if err != nil {
		return Keys{}, fmt.Errorf("keyfile: read %s: %w", path, err)
	}
	keys, err := Parse(string(text))
	if err != nil {
		return Keys{}, fmt.Errorf("%w: in %s: restore the file, or remove it to start with a new key (tokens issued before become invalid)", err, path)
	}
	return keys, nil
}

// write puts the keys beside path under a temporary name, and gives them their name by place once they are on disk.
func write(path string, keys Keys, place func(from, to string) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("keyfile: write %s: %w", path, err)
		}
	}()
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, folderMode); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(folder, ".keys-*") // CreateTemp makes files with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name()) //nolint:errcheck // after a rename it is gone already
	_, err = temporary.Write(encode(keys))
	if err := errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	if err := place(temporary.Name(), path); err != nil {
		return err
	}
	return syncFolder(folder)
}

// syncFolder makes a new name in the folder survive a power cut.
func syncFolder(folder string) error {
	opened, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(opened.Sync(), opened.Close())
}

func encode(keys Keys) []byte {
	var text bytes.Buffer
	text.WriteString(header)
	for _, key := range keys.All() {
		text.WriteString(base64.RawURLEncoding.EncodeToString(key) + "\n")
	}
	return text.Bytes()
}

func newKey() ([]byte, error) {
	key := make([]byte, KeySize)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("keyfile: random numbers: %w", err)
	}
	return key, nil
}
