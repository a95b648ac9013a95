package sse

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

// all reads a stream to its end.
func all(t testing.TB, r *Reader) (out []Message) {
	t.Helper()
	for {
		m, err := r.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			return out
		}
		out = append(out, m)
	}
}

// The examples of the standard, section 9.2.6, and its corners.
func TestReader(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]Message{
		": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n": {
			{ID: "1", Data: []byte("first event")}, {Data: []byte("second event")}},
		"data: YHOO\ndata: +2\ndata: 10\n\n":             {{Data: []byte("YHOO\n+2\n10")}},
		"data\n\ndata\ndata\n\ndata:":                    {{}, {Data: []byte("\n")}},
		"data:test\n\ndata: test\n\n":                    {{Data: []byte("test")}, {Data: []byte("test")}},
		"\ufeffevent: add\r\ndata: a\r\n\r\ndata: b\r\r": {{Event: "add", Data: []byte("a")}, {Data: []byte("b")}},
		"event: lost\n\ndata: x\n\n":                     {{Data: []byte("x")}},
		"id: 7\n\ndata: x\n\n":                           {{ID: "7", Data: []byte("x")}},
		"id: 7\nid: a\x00b\ndata: x\n\n":                 {{ID: "7", Data: []byte("x")}},
		"unknown: 1\nDATA: no\ndata: x\n\n":              {{Data: []byte("x")}},
	} {
		got := all(t, NewReader(iotest.OneByteReader(strings.NewReader(text)), 1<<10))
		for i := range got {
			if len(got[i].Data) == 0 {
				got[i].Data = nil
			}
		}
		require.Equal(t, want, got, "%q", text)
	}
}

func TestRetryAndLastID(t *testing.T) {
	t.Parallel()
	r := NewReader(strings.NewReader("retry: 1500\nretry: +1\nretry: x\nid: 5\n\nid: 6\ndata: unfinished\n"), 1<<10)
	require.Empty(t, all(t, r))
	require.Equal(t, 1500*time.Millisecond, r.Retry())
	require.Equal(t, "5", r.LastID(), "a message that is cut off has not been seen")
}

func TestALongMessageIsRefused(t *testing.T) {
	t.Parallel()
	_, err := NewReader(strings.NewReader("data: "+strings.Repeat("x", 100)+"\n\n"), 50).Next()
	require.ErrorIs(t, err, ErrTooLong)
	_, err = NewReader(strings.NewReader(strings.Repeat("data: x\n", 100)), 50).Next()
	require.ErrorIs(t, err, ErrTooLong)
	require.Len(t, all(t, NewReader(strings.NewReader(strings.Repeat("data: 0123456789\n\n", 100)), 50)), 100)
}

// What was written is read, however many comments and hints are between, and in whatever pieces it comes.
func FuzzWritten(f *testing.F) {
	f.Add("17", "streamstack.session.offer.v1", []byte(`{"a":1}`), "keep-alive")
	f.Add("1\n2", "a\rb", []byte("x\r\ny\rz\n"), "x\n\ndata: forged")
	f.Fuzz(func(t *testing.T, id, event string, data []byte, comment string) {
		want := Message{ID: oneLine(id), Event: oneLine(event),
			Data: bytes.ReplaceAll(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))}
		stream := AppendRetry(nil, time.Second)
		stream = AppendComment(stream, comment)
		stream = Append(stream, Message{ID: id, Event: event, Data: data})
		stream = AppendComment(stream, comment)
		got := all(t, NewReader(iotest.OneByteReader(bytes.NewReader(stream)), 1<<20))
		if len(got) != 1 || got[0].ID != want.ID || got[0].Event != want.Event || !bytes.Equal(got[0].Data, want.Data) {
			t.Fatalf("%q became %+v, not %+v", stream, got, want)
		}
	})
}

// Whatever comes, the reader ends with an error and nothing else.
func FuzzReader(f *testing.F) {
	f.Add([]byte("data: x\r\rid: 1\n\n: c\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := NewReader(bytes.NewReader(stream), 1<<10)
		for {
			m, err := r.Next()
			if err != nil {
				return
			}
			if bytes.ContainsAny(m.Data, "\r") || strings.ContainsAny(m.ID+m.Event, "\r\n") {
				t.Fatalf("%q", m)
			}
		}
	})
}
