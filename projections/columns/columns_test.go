package columns

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/events"
)

// A check here writes and reads a file of hundreds of events, under the race detector. A figure on the command line wins; `task soak` says 100, as rapid itself does.
var _ = flag.Set("rapid.checks", "30")

// tester is a test, or one run of a property.
type tester interface {
	require.TestingT
	Context() context.Context
}

// written writes events to a Parquet file in memory.
func written(t require.TestingT, list []events.Event) []byte {
	var b bytes.Buffer
	w := NewParquetWriter(&b)
	for _, e := range list {
		require.NoError(t, w.Write(e))
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

func readAll(t tester, file []byte, q Query) []events.Event {
	var list []events.Event
	require.NoError(t, ReadParquet(t.Context(), bytes.NewReader(file), int64(len(file)), q, func(e events.Event) error {
		list = append(list, e)
		return nil
	}))
	return list
}

// drawEvent makes any event that the log may hand out, the strange ones included.
func drawEvent(t *rapid.T, seq int) events.Event {
	text := rapid.OneOf(rapid.SampledFrom([]string{"", "a", "=1+1", "x,\"y\"\r\nz\n", " lead", "µ 漢"}), rapid.String())
	data := rapid.OneOf(
		rapid.Map(rapid.MapOf(rapid.SampledFrom([]string{"peer", "reason", "attempt", "screen", "exit_code", "new_field", "candidate"}),
			rapid.OneOf(rapid.Map(text, func(s string) any { return s }), rapid.Map(rapid.IntRange(-5, 5), func(n int) any { return n }))),
			func(m map[string]any) events.Raw { b, _ := json.Marshal(m); return b }),
		rapid.SampledFrom([]events.Raw{events.Raw(`null`), events.Raw(`"text"`), events.Raw(`[1, 2]`), events.Raw(`-1`), events.Raw("{ \"a\" :\n1.50 }"),
			events.Raw(`{"screen":{"width":1280,"height":720,"fps":30,"density":240}}`)}),
	).Draw(t, "data")
	e := events.Event{
		ID: text.Draw(t, "id"), Source: text.Draw(t, "source"), Type: rapid.SampledFrom([]string{events.TypeOf(events.Offer), "streamstack.session.new.v9", "?", ""}).Draw(t, "type"),
		Time:     time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(t, "time"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC(),
		Stored:   time.Unix(1_700_000_000, rapid.Int64Range(0, math.MaxInt32).Draw(t, "stored")).UTC(),
		Sequence: events.Seq(seq), ContentType: text.Draw(t, "content type"), Schema: text.Draw(t, "schema"), Data: data,
		Quarantine: rapid.SampledFrom([]string{"", "ce-id is missing"}).Draw(t, "quarantine"),
	}
	e.Subject = rapid.SampledFrom([]string{"sessions.local.s-1.agent.failed", "sessions.eu.s-2.gateway.brand_new", "sessions.Not.one"}).Draw(t, "subject")
	if s, err := events.ParseSubject(e.Subject); err == nil {
		e.Region, e.Session, e.Actor, e.Name = s.Region, s.Session, s.Actor, s.Name
	}
	return e
}

func TestParquetGivesBackTheSameEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list []events.Event
		for i := range rapid.IntRange(0, 300).Draw(t, "events") { // more than are converted at a time
			list = append(list, drawEvent(t, i+1))
		}
		got := readAll(t, written(t, list), Query{})
		require.Len(t, got, len(list))
		for i := range list {
			want := list[i]
			for _, text := range []*string{&want.ID, &want.Source, &want.ContentType, &want.Schema} {
				*text = valid(*text)
			}
			require.Equal(t, want, got[i])
		}
	})
}

func TestQueryReadsOnlyWhatIsWanted(t *testing.T) {
	var list []events.Event
	for i := range 3*groupRows + 10 { // four row groups
		id := events.SessionID(fmt.Sprintf("s-%d", i/10))
		list = append(list, events.Event{ID: fmt.Sprint(i), Sequence: events.Seq(i + 1), Session: id, Subject: "sessions.local." + string(id) + ".gateway.joined",
			Time: time.Unix(int64(i), 1).UTC(), Data: events.Raw(`{}`)})
	}
	file := written(t, list)
	f, err := parquet.OpenFile(bytes.NewReader(file), int64(len(file)))
	require.NoError(t, err)
	require.Len(t, f.RowGroups(), 4)
	require.Equal(t, list[:10], readAll(t, file, Query{Session: "s-0"}))
	require.Equal(t, list[2*groupRows+5:], readAll(t, file, Query{From: events.Seq(2*groupRows + 6)}))
	require.Empty(t, readAll(t, file, Query{Session: "nobody"}))

	wanted := 0
	for _, g := range f.RowGroups() {
		yes, err := Query{From: events.Seq(2*groupRows + 6), Session: "s-9000"}.wants(f, g)
		require.NoError(t, err)
		if yes {
			wanted++
		}
	}
	require.LessOrEqual(t, wanted, 1, "row groups before the sequence or without the session are skipped")
}

func TestReadEndsWithTheCallersError(t *testing.T) {
	file := written(t, []events.Event{{ID: "1", Sequence: 1, Data: events.Raw(`{}`)}})
	stop := errors.New("enough")
	err := ReadParquet(t.Context(), bytes.NewReader(file), int64(len(file)), Query{}, func(events.Event) error { return stop })
	require.ErrorIs(t, err, stop)
	require.Error(t, ReadParquet(t.Context(), bytes.NewReader(file[:len(file)/2]), int64(len(file)/2), Query{}, nil), "half a file")
}

// TestOlderFilesAreReadable reads a file of a schema that had fewer columns.
func TestOlderFilesAreReadable(t *testing.T) {
	type old struct {
		Data     string `parquet:"data,json"`
		Sequence int64  `parquet:"sequence"`
		Region   string `parquet:"region,optional"`
	}
	var b bytes.Buffer
	w := parquet.NewGenericWriter[old](&b)
	_, err := w.Write([]old{{Data: `{"a":1}`, Sequence: 7, Region: "eu"}})
	require.NoError(t, err)
	require.NoError(t, w.Close())
	got := readAll(t, b.Bytes(), Query{From: 7})
	require.Len(t, got, 1)
	require.Equal(t, events.Seq(7), got[0].Sequence)
	require.Equal(t, events.Region("eu"), got[0].Region)
	require.JSONEq(t, `{"a":1}`, string(got[0].Data))
}

func TestColumnsOfAnEvent(t *testing.T) {
	exit := int32(3)
	for _, x := range []struct {
		name events.Name
		data string
		want func(*Row)
	}{
		{events.Created, `{"app":"testcard","account":"admin","screen":{"width":1280,"height":720,"fps":30}}`,
			func(r *Row) {
				r.App, r.Account, r.Width, r.Height, r.FPS, r.Status = "testcard", "admin", 1280, 720, 30, "created"
			}},
		{events.Failed, `{"agent":"a1","attempt":2,"part":"launch","reason":"no display","exit_code":3,"signal":"SIGSEGV"}`, func(r *Row) {
			r.Agent, r.Attempt, r.Part, r.Reason, r.ExitCode, r.Signal, r.Status = "a1", 2, "launch", "no display", &exit, "SIGSEGV", "error"
		}},
		{events.Candidate, `{"peer":"p","candidate":"candidate:1 1 udp 1 192.0.2.1 9 typ srflx raddr 0.0.0.0"}`,
			func(r *Row) { r.Peer, r.CandidateKind = "p", "srflx" }},
		{events.EncoderChanged, `{"codec":"H264","from":"vah264enc","to":"x264enc"}`, func(r *Row) { r.Codec, r.Encoder = "H264", "x264enc" }},
		{events.Connected, `{"peer":"p","codec":"VP8","encoder":"vp8enc","pair":{"local":{"kind":"host"},"remote":{"kind":"relay"},"protocol":"udp"},"connect_ms":0}`,
			func(r *Row) {
				r.Peer, r.Codec, r.Encoder, r.LocalKind, r.RemoteKind, r.Protocol, r.ConnectMs, r.Version = "p", "VP8", "vp8enc", "host", "relay", "udp", new(int64), 2
			}},
		{"brand_new", `{"peer":"p","attempt":"two","colour":"red"}`, func(r *Row) { r.Peer = "p" }},
		{events.Joined, `"no object"`, func(*Row) {}},
	} {
		e := events.Event{Name: x.name, Type: events.TypeOf(x.name), Time: time.Unix(1, 2), Data: events.Raw(x.data)}
		want := Row{Name: string(x.name), Type: e.Type, Version: 1, Time: 1_000_000_002, Data: x.data}
		x.want(&want)
		require.Equal(t, want, FromEvent(e), x.name)
	}
}

// TestOldVersionsInOldFiles: what was archived before a type's version rose is upcast when it is read.
func TestOldVersionsInOldFiles(t *testing.T) {
	list := []events.Event{{ID: "1", Sequence: 1, Type: "streamstack.session.connected.v1", Time: time.Unix(1, 0).UTC(), Data: events.Raw(`{"peer":"p","local":"host","remote":"relay","protocol":"udp"}`)}}
	got := readAll(t, written(t, list), Query{})
	require.Len(t, got, 1)
	require.Equal(t, events.TypeOf(events.Connected), got[0].Type)
	require.Equal(t, list[0].Type, got[0].Appended)
	var d events.ConnectedData
	require.NoError(t, got[0].Decode(&d))
	require.Equal(t, []string{"host", "relay", "udp"}, []string{d.Pair.Local.Kind, d.Pair.Remote.Kind, d.Pair.Protocol})
	require.Equal(t, got, readAll(t, written(t, got), Query{}), "and stays so")
}

// TestSchema shows what analysts get: real timestamps, text, JSON, dictionaries and zstd.
func TestSchema(t *testing.T) {
	list := []events.Event{}
	for i := range 100 {
		list = append(list, events.Event{Sequence: events.Seq(i + 1), Region: "eu", Time: time.Unix(1, 0), Data: events.Raw(`{}`)})
	}
	file := written(t, list)
	f, err := parquet.OpenFile(bytes.NewReader(file), int64(len(file)))
	require.NoError(t, err)
	text := f.Schema().String()
	for _, want := range []string{
		"optional int64 time (TIMESTAMP(isAdjustedToUTC=true,unit=NANOS))", "optional int64 stored (TIMESTAMP(isAdjustedToUTC=true,unit=NANOS))",
		"required int64 sequence", "optional binary region (STRING)", "required binary data (JSON)", "optional int64 connect_ms", "optional boolean connected",
	} {
		require.Contains(t, text, want)
	}
	for _, c := range f.Metadata().RowGroups[0].Columns {
		require.Equal(t, "ZSTD", c.MetaData.Codec.String(), c.MetaData.PathInSchema)
	}
	version, ok := f.Lookup(schemaKey)
	require.True(t, ok)
	require.Equal(t, schemaVersion, version)
}

func TestCSV(t *testing.T) {
	var b bytes.Buffer
	w := NewCSVWriter(&b)
	exact := "{\"reason\": \"=cmd|' /C calc'!A1\",\n \"exit_code\": 0, \"peer\": \"a,\\\"b\\\"\\r\\nc\"}"
	e := events.Event{ID: "i", Sequence: 17, Name: events.Failed, Subject: "sessions.a.b.agent.failed", Time: time.Unix(1, 5).UTC(), Data: events.Raw(exact)}
	require.NoError(t, w.Write(e))
	require.NoError(t, w.Close())
	require.Equal(t, 2, strings.Count(b.String(), "\r\n")-1, "the header, the record, and a break within a field")

	records, err := csv.NewReader(&b).ReadAll()
	require.NoError(t, err)
	require.Len(t, records, 2)
	got := map[string]string{}
	for i, name := range records[0] {
		got[name] = records[1][i]
	}
	require.Equal(t, "17", got["sequence"])
	require.Equal(t, "1970-01-01T00:00:01.000000005Z", got["time"])
	require.Equal(t, "'=cmd|' /C calc'!A1", got["reason"], "no formula")
	require.Equal(t, "a,\"b\"\nc", got["peer"], "encoding/csv reads CR LF as LF")
	require.Equal(t, "0", got["exit_code"], "zero is not null")
	require.Empty(t, got["connect_ms"])
	require.Equal(t, exact, got["data"])
	require.Equal(t, "data", records[0][len(records[0])-1])
}

// TestCSVReadsBack compares every field with what a reader of RFC 4180 finds.
func TestCSVReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b bytes.Buffer
		w := NewCSVWriter(&b)
		var list []events.Event
		for i := range rapid.IntRange(0, 5).Draw(t, "events") {
			list = append(list, drawEvent(t, i+1))
			require.NoError(t, w.Write(list[i]))
		}
		require.NoError(t, w.Close())
		records, err := csv.NewReader(&b).ReadAll()
		require.NoError(t, err)
		require.Len(t, records, len(list)+1)
		for i, e := range list {
			unix := func(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") } // as the reader does
			require.Equal(t, unix(printable(string(e.Data))), records[i+1][len(csvColumns)-1])
			require.JSONEq(t, string(e.Data), records[i+1][len(csvColumns)-1])
			for j, col := range csvColumns {
				switch col.name {
				case "id":
					require.Equal(t, unix(harmless(valid(e.ID))), records[i+1][j])
				case "sequence":
					require.Equal(t, fmt.Sprint(e.Sequence), records[i+1][j])
				}
			}
		}
	})
}

// TestNoControlCharacters: neither a terminal that shows a CSV nor a database that loads a Parquet file meets one, in
// whatever text of an event it was.
func TestNoControlCharacters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dirty := rapid.StringOf(rapid.OneOf(rapid.Rune(), rapid.SampledFrom([]rune("\x00\x07\b\x1b\x7f\u009b\u0085\t\r\n")))).Draw(t, "text")
		member := rapid.SampledFrom([]string{"peer", "agent", "instance", "app", "account", "by", "part", "reason", "signal", "codec", "encoder", "other"}).Draw(t, "member")
		data, err := json.Marshal(map[string]string{member: dirty})
		require.NoError(t, err)
		e := events.Event{Sequence: 1, ID: dirty, Source: dirty, Type: dirty, Appended: dirty, Subject: dirty, ContentType: dirty, Schema: dirty,
			Quarantine: dirty, Time: time.Unix(1, 0).UTC(), Data: data}
		var b bytes.Buffer
		w := NewCSVWriter(&b)
		require.NoError(t, w.Write(e))
		require.NoError(t, w.Close())
		for _, r := range b.String() {
			require.False(t, unicode.IsControl(r) && !strings.ContainsRune("\t\r\n", r), "%q in %q", r, b.String())
		}
		row := reflect.ValueOf(FromEvent(e))
		for _, col := range csvColumns {
			if v := row.Field(col.index); v.Kind() == reflect.String && !col.json {
				require.False(t, strings.ContainsFunc(strings.ReplaceAll(v.String(), "\uFFFD", ""), unfit), "%s: %q", col.name, v.String())
			}
		}
		require.Equal(t, string(data), FromEvent(e).Data, "the data stays what it is")
	})
}

// TestWriterMemoryIsBounded writes many row groups and looks at what stays in memory.
func TestWriterMemoryIsBounded(t *testing.T) {
	const most = 96 << 20 // one row group, its pages and its dictionaries, in buffers that grow by doubling
	w := NewParquetWriter(io.Discard)
	for i := range 10 * groupRows {
		id := events.SessionID(fmt.Sprintf("0192f1c2-5d3e-7000-8000-%012d", i/12))
		e := events.Event{ID: fmt.Sprintf("id-%d", i), Sequence: events.Seq(i + 1), Region: "local", Session: id, Actor: events.Agent, Name: events.Claimed,
			Subject: "sessions.local." + string(id) + ".agent.claimed", Type: events.TypeOf(events.Claimed), Time: time.Unix(int64(i), 0), Stored: time.Unix(int64(i), 0),
			Data: events.Raw(fmt.Sprintf(`{"agent":"a1","attempt":1,"driver":"process","n":%d}`, i))}
		require.NoError(t, w.Write(e))
		if i%groupRows != groupRows/2 {
			continue
		}
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		require.Less(t, m.HeapAlloc, uint64(most), "after %d events", i)
	}
	require.NoError(t, w.Close())
}

// TestLargePayloadsCutRowGroups: rows are counted by their bytes as well.
// A payload is in the file once: not again as the bound of its page, of its column and of the file.
func TestPayloadsAreNoBounds(t *testing.T) {
	noise := make([]byte, 200<<10)
	for i := range noise { // which does not compress
		noise[i] = 'a' + byte(rand.N(26))
	}
	var file bytes.Buffer
	w := NewParquetWriter(&file)
	require.NoError(t, w.Write(events.Event{Sequence: 1, Data: events.Raw(`"` + string(noise) + `"`)}))
	require.NoError(t, w.Close())
	require.Less(t, file.Len(), len(noise)+32<<10)
}

func TestLargePayloadsCutRowGroups(t *testing.T) {
	data := events.Raw(`"` + strings.Repeat("x", events.MaxData-2) + `"`)
	var list []events.Event
	for i := range 2*groupBytes/events.MaxData + 1 {
		list = append(list, events.Event{Sequence: events.Seq(i + 1), Data: data, Time: time.Unix(1, 0).UTC()})
	}
	file := written(t, list)
	f, err := parquet.OpenFile(bytes.NewReader(file), int64(len(file)))
	require.NoError(t, err)
	require.Len(t, f.RowGroups(), 3)
	require.Equal(t, list, readAll(t, file, Query{}))
}
