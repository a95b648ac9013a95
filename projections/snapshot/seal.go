package snapshot

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"strings"
	"time"

	"streamstack/events"
)

// Schema tells states of one meaning from all others. Two states of the same schema can be read in each other's place.
type Schema [8]byte

// String is the schema in hexadecimal digits.
func (s Schema) String() string { return hex.EncodeToString(s[:]) }

// SchemaOf makes the schema of a state of the type of v. Any change of the type's fields, at any depth, gives another;
// version is for changes of meaning that no type shows: another way to fold, or to write.
func SchemaOf(version int, v any) Schema {
	sum := sha256.Sum256([]byte(Layout(version, v)))
	return Schema(sum[:len(Schema{})])
}

// Layout is the text that [SchemaOf] is made of, for people to compare.
func Layout(version int, v any) string {
	var b strings.Builder
	fmt.Fprintf(&b, "version %d\n", version)
	layout(&b, reflect.TypeOf(v), "", map[reflect.Type]bool{})
	return b.String()
}

func layout(b *strings.Builder, t reflect.Type, indent string, seen map[reflect.Type]bool) {
	switch {
	case t.Kind() == reflect.Pointer, t.Kind() == reflect.Slice:
		fmt.Fprintf(b, "%s of ", t.Kind())
		layout(b, t.Elem(), indent, seen)
	case t.Kind() == reflect.Struct && t != reflect.TypeFor[time.Time]() && !seen[t]:
		seen[t] = true // a type that holds itself is told of once
		fmt.Fprintf(b, "%s\n", t)
		for f := range t.Fields() {
			fmt.Fprintf(b, "%s  %s: ", indent, f.Name)
			layout(b, f.Type, indent+"  ", seen)
		}
		delete(seen, t)
	default:
		fmt.Fprintf(b, "%s (%s)\n", t, t.Kind())
	}
}

// Kind tells snapshots that can stand for each other from all others.
type Kind struct {
	// Model names the read model, in one token; Stream is what it is folded from.
	Model, Stream string
	Schema        Schema
}

// Snapshot is the state of a read model as of one sequence of its stream.
type Snapshot struct {
	Kind
	// At is the sequence folded last.
	At events.Seq
	// Anchor is the last event folded that does not expire early: if the stream has another event there, the snapshot
	// is of another history.
	Anchor Anchor
	Taken  time.Time
	State  []byte
}

// Anchor names one event of a stream. The zero value names none.
type Anchor struct {
	Seq events.Seq
	ID  string
}

// magic begins every sealed snapshot; its last digit is the version of what follows.
const magic = "streamstack snapshot 1\n"

// Seal writes a snapshot with a checksum (SHA-256), so that whatever is read back is what was written.
func Seal(s Snapshot) []byte {
	w := NewWriter(len(magic) + len(s.State) + 256)
	w.buf = append(w.buf, magic...)
	w.Text(s.Model)
	w.Text(s.Stream)
	w.buf = append(w.buf, s.Schema[:]...)
	w.Uint(uint64(s.At))
	w.Uint(uint64(s.Anchor.Seq))
	w.Text(s.Anchor.ID)
	w.Time(s.Taken)
	w.Uint(uint64(len(s.State)))
	w.buf = append(w.buf, s.State...)
	sum := sha256.Sum256(w.buf)
	return append(w.buf, sum[:]...)
}

// Open reads what [Seal] wrote; anything else is [ErrCorrupt]. The state refers to b.
func Open(b []byte) (Snapshot, error) {
	if len(b) < len(magic)+sha256.Size || !bytes.HasPrefix(b, []byte(magic)) {
		return Snapshot{}, ErrCorrupt
	}
	body, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if got := sha256.Sum256(body); !bytes.Equal(got[:], sum) {
		return Snapshot{}, ErrCorrupt
	}
	r := NewReader(body[len(magic):])
	s := Snapshot{Kind: Kind{Model: r.Text(), Stream: r.Text()}}
	if len(r.data) < len(s.Schema) {
		return Snapshot{}, ErrCorrupt
	}
	r.data = r.data[copy(s.Schema[:], r.data):]
	s.At, s.Anchor.Seq, s.Anchor.ID = events.Seq(r.Uint()), events.Seq(r.Uint()), r.Text()
	s.Taken = r.Time()
	n := r.Count()
	s.State = r.data[:n:n]
	r.data = r.data[n:]
	if err := r.Err(); err != nil {
		return Snapshot{}, err
	}
	return s, nil
}
