package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	natsd "streamstack/deployments/nats"
	"streamstack/events"
)

// How much one round of a benchmark holds; -benchtime 20x makes twenty rounds. Rounds are short, and what is compared
// takes turns within them, so that whatever else the machine does hits both.
const (
	ackedRound     = 250
	pipelinedRound = 500
	pipelinedTurns = 4 // in each round
	receivedRound  = 200
	syncedRound    = 25
	// patience bounds each wait for a server on this machine.
	patience = 30 * time.Second
)

// The headers in which two events of the same kind differ.
const (
	hdrEventID       = "ce-id"
	hdrExpected      = "Nats-Expected-Last-Subject-Sequence"
	hdrExpectedUnder = "Nats-Expected-Last-Subject-Sequence-Subject"
)

// kinds are the two events of which most of a log's bytes and most of its messages are.
var kinds = []struct {
	what  string
	name  events.Name
	bytes int // of the data
}{
	{"offer, 2 KiB", events.Offer, 2 << 10},
	{"candidate, 300 B", events.Candidate, 300},
}

// payload makes the data of a kind's event, of the length that it has in JSON.
func payload(b *testing.B, name events.Name, bytes int) any {
	b.Helper()
	peer := events.PeerID(uuid.NewString())
	mid, line := "0", uint16(0)
	if name == events.Candidate {
		c := events.CandidateData{Peer: peer, SDPMid: &mid, SDPMLineIndex: &line,
			Candidate: "candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 192.0.2.4 rport 46154 generation 0"}
		c.Candidate += " ufrag " + strings.Repeat("x", bytes-jsonLen(b, c)-len(" ufrag "))
		return c
	}
	// Each line's end is four bytes in JSON.
	s := events.SDPData{Peer: peer, SDP: "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"}
	for id := 96; ; id++ {
		more := fmt.Sprintf("a=rtpmap:%d H264/90000\r\na=rtcp-fb:%[1]d nack pli\r\na=fmtp:%[1]d level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n", id)
		with := s
		with.SDP += more
		if missing := bytes - jsonLen(b, with); missing < 0 {
			s.SDP += strings.Repeat("x", bytes-jsonLen(b, s))
			return s
		}
		s = with
	}
}

// jsonLen is how long v is in JSON.
func jsonLen(b *testing.B, v any) int {
	b.Helper()
	text, err := json.Marshal(v)
	require.NoError(b, err)
	return len(text)
}

// served is a log on a server, over TCP.
type served struct {
	*events.Log
	url string
}

func serve(b *testing.B, sync string) served {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	defer cancel()
	url := plainServer(b, filepath.Join(b.TempDir(), "nats"), sync)
	l, err := events.New(dial(b, url), slog.New(slog.DiscardHandler))
	require.NoError(b, err)
	require.NoError(b, events.CreateStreams(ctx, l.JetStream(), events.StreamsConfig{}))
	return served{l, url}
}

func dial(b *testing.B, url string) *nats.Conn {
	b.Helper()
	nc, err := nats.Connect(url)
	require.NoError(b, err)
	b.Cleanup(nc.Close)
	return nc
}

// raw is the ceiling: JetStream without the log on top. Its messages are copies of one that the log appended, made
// before the clock runs.
type raw struct {
	js     jetstream.JetStream
	sample *nats.Msg
	filter string
}

// newRaw gives a ceiling to what a log does with a kind, for a session of its own on the log's connection.
func newRaw(b *testing.B, l served, name events.Name, data any) raw {
	b.Helper()
	d := newDraft(name, data)
	seq, err := l.Append(b.Context(), d)
	require.NoError(b, err)
	stream, err := l.JetStream().Stream(b.Context(), events.SessionsStream)
	require.NoError(b, err)
	m, err := stream.GetMsg(b.Context(), uint64(seq))
	require.NoError(b, err)
	js, err := jetstream.New(l.Conn())
	require.NoError(b, err)
	id := events.SessionID(uuid.NewString())
	subject := events.Subject{Region: region, Session: id, Actor: events.Streamer, Name: name}
	sample := &nats.Msg{Subject: subject.String(), Header: m.Header, Data: m.Data}
	return raw{js: js, sample: sample, filter: events.SessionFilter(region, id)}
}

// messages makes n messages that differ in their ids.
func (r raw) messages(n int) []*nats.Msg {
	list := make([]*nats.Msg, n)
	for i := range list {
		id := uuid.NewString()
		m := &nats.Msg{Subject: r.sample.Subject, Header: nats.Header{}, Data: r.sample.Data}
		for key, values := range r.sample.Header {
			m.Header[key] = values
		}
		m.Header[hdrEventID], m.Header[nats.MsgIdHdr] = []string{id}, []string{id}
		list[i] = m
	}
	return list
}

const region events.Region = "local"

// newDraft is of a session that has no event yet.
func newDraft(name events.Name, data any) events.Draft {
	return events.NewDraft(region, events.SessionID(uuid.NewString()), events.Streamer, name, data)
}

// inTurn does both, now the one first and now the other: what comes second finds the server still at work for the first.
func inTurn(n int, one, other func()) {
	if n%2 == 1 {
		one, other = other, one
	}
	one()
	other()
}

// BenchmarkAppendExpecting appends on condition, one after another, each acknowledged.
func BenchmarkAppendExpecting(b *testing.B) {
	l := serve(b, natsd.SyncInterval)
	ours, ceiling := make([]samples, len(kinds)), make([]samples, len(kinds))
	for b.Loop() {
		for i, k := range kinds {
			data := payload(b, k.name, k.bytes)
			r, d := newRaw(b, l, k.name, data), newDraft(k.name, data)
			var last events.Seq
			var rawLast uint64
			for n, m := range r.messages(ackedRound) {
				publish := func() {
					m.Header[hdrExpected], m.Header[hdrExpectedUnder] = []string{strconv.FormatUint(rawLast, 10)}, []string{r.filter}
					ack, err := r.js.PublishMsg(b.Context(), m)
					require.NoError(b, err)
					rawLast = ack.Sequence
				}
				expect := func() {
					seq, err := l.AppendExpecting(b.Context(), d, last)
					require.NoError(b, err)
					last = seq
				}
				inTurn(n, func() { ceiling[i].time(publish) }, func() { ours[i].time(expect) })
			}
		}
	}
	var rows []row
	for i, k := range kinds {
		rows = append(rows,
			row{k.what, "/s", ours[i].rate(ackedRound, 1), ceiling[i].rate(ackedRound, 1), atLeast(0.90)},
			row{k.what + ", p50", "us", ours[i].micros(50), ceiling[i].micros(50), target{}},
			row{k.what + ", p99", "us", ours[i].micros(99), ceiling[i].micros(99), atMost(1.2)})
	}
	show(b, "append with expected sequence, one publisher, acknowledged:", "AppendExpecting", "js.PublishMsg", rows)
}

// BenchmarkAppendAll appends many at once.
func BenchmarkAppendAll(b *testing.B) {
	l := serve(b, natsd.SyncInterval)
	ours, ceiling := make([]samples, len(kinds)), make([]samples, len(kinds))
	for b.Loop() {
		for turn := range pipelinedTurns {
			for i, k := range kinds {
				data := payload(b, k.name, k.bytes)
				r := newRaw(b, l, k.name, data)
				messages, drafts := r.messages(pipelinedRound), slices.Repeat([]events.Draft{newDraft(k.name, data)}, pipelinedRound)
				inTurn(turn, func() {
					ceiling[i].time(func() { require.NoError(b, publishAll(r.js, messages)) })
				}, func() {
					ours[i].time(func() {
						_, err := l.AppendAll(b.Context(), drafts)
						require.NoError(b, err)
					})
				})
			}
		}
	}
	var rows []row
	for i, k := range kinds {
		rows = append(rows, row{k.what, "/s", ours[i].rate(1, pipelinedRound), ceiling[i].rate(1, pipelinedRound), atLeast(0.85)})
	}
	show(b, fmt.Sprintf("append pipelined, %d at once:", pipelinedRound), "AppendAll", "js.PublishMsgAsync", rows)
}

// publishAll publishes all and waits for all acknowledgements, as the client library's documentation does it.
func publishAll(js jetstream.JetStream, messages []*nats.Msg) error {
	futures := make([]jetstream.PubAckFuture, len(messages))
	for n, m := range messages {
		var err error
		if futures[n], err = js.PublishMsgAsync(m); err != nil {
			return fmt.Errorf("publish: %w", err)
		}
	}
	<-js.PublishAsyncComplete()
	for _, f := range futures {
		select {
		case <-f.Ok():
		case err := <-f.Err():
			return fmt.Errorf("publish: %w", err)
		}
	}
	return nil
}

// BenchmarkReceived times from the call of an append until a live reader has the event, against a subscription to the
// republished subject, which only has bytes. Both are alone on the log while they are timed.
func BenchmarkReceived(b *testing.B) {
	l := serve(b, natsd.SyncInterval)
	reader, err := events.New(dial(b, l.url), slog.New(slog.DiscardHandler))
	require.NoError(b, err)
	ours, ceiling := make([]samples, len(kinds)), make([]samples, len(kinds))
	for b.Loop() {
		for i, k := range kinds {
			d := newDraft(k.name, payload(b, k.name, k.bytes))
			received := make(chan time.Time, 1)
			subscribed := subscribe(b, reader.Conn(), received)
			ceiling[i] = append(ceiling[i], l.receive(b, d, received)...)
			subscribed()
			tailed := tail(b, reader, l, received)
			ours[i] = append(ours[i], l.receive(b, d, received)...)
			tailed()
		}
	}
	var rows []row
	for i, k := range kinds {
		rows = append(rows,
			row{k.what + ", p50", "us", ours[i].micros(50), ceiling[i].micros(50), atMost(1.5)},
			row{k.what + ", p99", "us", ours[i].micros(99), ceiling[i].micros(99), target{}})
	}
	show(b, "append to received by a live reader:", "Tail", "subscription", rows)
}

// receive appends one after another, each once the one before was received.
func (l served) receive(b *testing.B, d events.Draft, received <-chan time.Time) samples {
	b.Helper()
	var s samples
	for range receivedRound {
		begun := time.Now()
		_, err := l.Append(b.Context(), d)
		require.NoError(b, err)
		select {
		case at := <-received:
			s = append(s, at.Sub(begun))
		case <-time.After(patience):
			require.FailNow(b, "an event was not received")
		}
	}
	return s
}

// subscribe reads with the client library alone until the function returned is called.
func subscribe(b *testing.B, nc *nats.Conn, received chan<- time.Time) (stop func()) {
	b.Helper()
	sub, err := nc.Subscribe("live."+events.AllSessions, func(*nats.Msg) { received <- time.Now() })
	require.NoError(b, err)
	require.NoError(b, nc.Flush())
	return func() { require.NoError(b, sub.Unsubscribe()) }
}

// tail reads the log from its end until the function returned is called.
func tail(b *testing.B, reader *events.Log, l served, received chan<- time.Time) (stop func()) {
	b.Helper()
	stream, err := l.JetStream().Stream(b.Context(), events.SessionsStream)
	require.NoError(b, err)
	after := events.Seq(stream.CachedInfo().State.LastSeq)
	ctx, cancel := context.WithCancel(b.Context())
	live, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		caught := false
		ended <- reader.Tail(ctx, after, func(events.Event) error {
			received <- time.Now()
			return nil
		}, nil, func() {
			if !caught {
				caught = true
				close(live)
			}
		})
	}()
	<-live
	return func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			require.NoError(b, err)
		}
	}
}

// BenchmarkSync shows what `up --sync always` costs beside `--sync interval`.
func BenchmarkSync(b *testing.B) {
	modes := []string{natsd.SyncAlways, natsd.SyncInterval}
	logs := []served{serve(b, modes[0]), serve(b, modes[1])}
	k := kinds[1]
	d := newDraft(k.name, payload(b, k.name, k.bytes))
	drafts := make([]events.Draft, syncedRound)
	for i := range drafts {
		drafts[i] = d
	}
	acked, pipelined := make([]samples, len(modes)), make([]samples, len(modes))
	for b.Loop() {
		for range syncedRound {
			for i, l := range logs {
				acked[i].time(func() {
					_, err := l.Append(b.Context(), d)
					require.NoError(b, err)
				})
			}
		}
		for i, l := range logs {
			pipelined[i].time(func() {
				_, err := l.AppendAll(b.Context(), drafts)
				require.NoError(b, err)
			})
		}
	}
	show(b, "appends to a server with --sync, "+k.what+":", modes[0], modes[1], []row{
		{"acknowledged one by one", "/s", acked[0].rate(syncedRound, 1), acked[1].rate(syncedRound, 1), target{}},
		{"p50", "us", acked[0].micros(50), acked[1].micros(50), target{}},
		{"p99", "us", acked[0].micros(99), acked[1].micros(99), target{}},
		{fmt.Sprintf("pipelined, %d at once", syncedRound), "/s", pipelined[0].rate(1, syncedRound), pipelined[1].rate(1, syncedRound), target{}},
	})
}

// show prints a table and reports the ratios that have a target.
func show(b *testing.B, title, figure, other string, rows []row) {
	b.Helper()
	require.NoError(b, printRows(os.Stdout, title, figure, other, rows))
	worst := map[target]float64{}
	for _, r := range rows {
		if was, known := worst[r.target]; !known || (r.ratio() > was) == r.target.most {
			worst[r.target] = r.ratio()
		}
	}
	for t, ratio := range worst {
		if t.value != 0 {
			b.ReportMetric(ratio, "ratio"+strings.ReplaceAll(t.String(), " ", ""))
		}
	}
	b.ReportMetric(0, "ns/op") // says nothing: it holds both that are compared
}
