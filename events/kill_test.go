package events_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"pgregory.net/rapid"

	"streamstack/events"
	"streamstack/events/eventstest"
)

// murders is how many random schedules of kills are played; each takes a few seconds.
const murders = 4

// writer appends numbered events without a pause, one after another, and keeps on with each until it is acknowledged: with
// the same id, so that one whose acknowledgement was lost is not there twice.
type writer struct {
	log   *events.Log
	acks  atomic.Int64
	acked []events.Seq // where event i is said to be; of the writer until it has stopped
	stop  func()
}

type numbered struct {
	N int `json:"n"`
}

func (w *writer) run(ctx context.Context) error {
	for n := 0; ctx.Err() == nil; n++ {
		// The event that the writer is stopped at is appended to its end: whether it is there is not left open.
		seq, err := persist(context.WithoutCancel(ctx), w.log, numberedEvent([]events.Name{events.Ready, events.Resized}[n%2], n))
		if err != nil {
			return err
		}
		w.acked = append(w.acked, seq)
		w.acks.Add(1)
	}
	return ctx.Err() //nolint:wrapcheck // as it is looked for
}

// numberedEvent is a sound event of the session's streamer, as it is published.
func numberedEvent(name events.Name, n int) *nats.Msg {
	m := nats.NewMsg(events.Subject{Region: region, Session: session, Actor: events.Streamer, Name: name}.String())
	m.Data = fmt.Appendf(nil, `{"n":%d}`, n)
	id := uuid.NewString()
	for k, v := range map[string]string{"ce-specversion": "1.0", "ce-id": id, "Nats-Msg-Id": id, "ce-source": events.SourceOf(events.Streamer),
		"ce-type": events.TypeOf(name), "ce-time": time.Now().UTC().Format(time.RFC3339Nano), "ce-datacontenttype": "application/json"} {
		m.Header.Set(k, v)
	}
	return m
}

// persist publishes an event until the stream acknowledges it. Its id stays, so it is there once even when an
// acknowledgement was lost.
func persist(ctx context.Context, l *events.Log, m *nats.Msg) (events.Seq, error) {
	for end := time.Now().Add(within); ; {
		once, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		ack, err := l.JetStream().PublishMsg(once, m)
		cancel()
		if err == nil {
			return events.Seq(ack.Sequence), nil
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return 0, fmt.Errorf("append %s: %w", m.Data, err)
		}
	}
}

// witness is a reader, what it collects, and what it must have seen in the end.
type witness struct {
	name string
	saw  *collector
	keep func(events.Event) bool
	stop func()
}

// A server process that is killed (SIGKILL) at random moments while somebody appends all the time: what was acknowledged is
// there, once, in order; and whoever reads, from wherever, filtered, slowly, over reconnects of its own, sees each event
// once, in order. Not parallel: it changes rapid's flag.
func TestReadersSurviveKills(t *testing.T) {
	defer quickly(t, murders)()
	rapid.Check(t, func(r *rapid.T) {
		dir, address := t.TempDir(), eventstest.Loopback()+":4222"
		kill := child(t, dir, address)
		w := &writer{log: childLog(t, address)}
		w.stop = spawn(t, w.run)
		readers := childLog(t, address)
		witnesses := []witness{tailFrom(t, "tail from the start", childLog(t, address), 0), slowTail(t, childLog(t, address))}
		kills := rapid.IntRange(2, 4).Draw(r, "kills")
		for i := range kills {
			// Somebody begins to read somewhere in what there is, and maybe while the server is away.
			last := events.Seq(w.acks.Load())
			after := events.Seq(rapid.Uint64Range(0, uint64(last)).Draw(r, "after"))
			witnesses = append(witnesses, tailFrom(t, fmt.Sprintf("tail %d after %d", i, after), readers, after),
				followTime(t, childLog(t, address), rapid.IntRange(-1000, 0).Draw(r, "ms ago")))
			if rapid.Bool().Draw(r, "reconnect") {
				if err := readers.Conn().ForceReconnect(); err != nil {
					t.Log("reconnect:", err) // it is reconnecting already
				}
			}
			if rapid.Bool().Draw(r, "by events") {
				wanted := w.acks.Load() + rapid.Int64Range(1, 300).Draw(r, "events")
				eventstest.Wait(t, within, func() string {
					if n := w.acks.Load(); n < wanted {
						return fmt.Sprintf("%d of %d events acknowledged", n, wanted)
					}
					return ""
				})
			} else {
				<-time.After(time.Duration(rapid.IntRange(0, 300).Draw(r, "ms")) * time.Millisecond)
			}
			kill()
			witnesses = append(witnesses, followFiltered(t, fmt.Sprintf("filtered follow %d", i), readers, last/2))
			kill = child(t, dir, address)
		}
		wanted := w.acks.Load() + 50
		eventstest.Wait(t, within, func() string {
			if w.acks.Load() < wanted {
				return "appends after the last restart"
			}
			return ""
		})
		w.stop()
		all := stored(t, w.log)
		w.check(t, all)
		for _, x := range witnesses {
			agrees(t, x.name, x.saw, all, 0, x.keep)
		}
		t.Logf("%d kills, %d events, %d readers", kills, len(all), len(witnesses))
		for _, x := range witnesses {
			x.stop()
		}
		kill()
	})
}

// check looks for every acknowledged event in the log: where it was said to be, each once, in the order of the appends.
func (w *writer) check(t *testing.T, all []events.Event) {
	t.Helper()
	if len(all) != len(w.acked) {
		t.Fatalf("%d events were acknowledged, %d are there", len(w.acked), len(all))
	}
	for i, e := range all {
		var d numbered
		if err := e.Decode(&d); err != nil {
			t.Fatal(err)
		}
		if d.N != i || e.Sequence != w.acked[i] {
			t.Fatalf("in place %d is event %d at %d; it was acknowledged at %d", i, d.N, e.Sequence, w.acked[i])
		}
	}
}

func tailFrom(t *testing.T, name string, l *events.Log, after events.Seq) witness {
	t.Helper()
	c, _, stop := tailing(t, l, after)
	return witness{name, c, func(e events.Event) bool { return e.Sequence > after }, stop}
}

// slowTail reads behind everybody: it rests a little now and then.
func slowTail(t *testing.T, l *events.Log) witness {
	t.Helper()
	c, seen := newCollector(), 0
	return witness{"slow tail", c, anything, spawn(t, func(ctx context.Context) error {
		return l.Tail(ctx, 0, func(e events.Event) error {
			if seen++; seen%20 == 0 {
				select {
				case <-time.After(10 * time.Millisecond):
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return c.add(e)
		}, nil, nil)
	})}
}

func followTime(t *testing.T, l *events.Log, ms int) witness {
	t.Helper()
	at := time.Now().Add(time.Duration(ms) * time.Millisecond)
	c := newCollector()
	return witness{fmt.Sprintf("follow from %d ms ago", -ms), c, func(e events.Event) bool { return !e.Stored.Before(at) },
		spawn(t, follow(l, nil, events.Start{Time: at}, c))}
}

func followFiltered(t *testing.T, name string, l *events.Log, after events.Seq) witness {
	t.Helper()
	c := newCollector()
	return witness{name, c, func(e events.Event) bool { return e.Sequence > after && e.Name == events.Resized },
		spawn(t, follow(l, []string{events.EventFilter(region, events.Streamer, events.Resized)}, events.Start{Seq: after + 1}, c))}
}

// childLog is a log of its own connection to the server of [child], which may not be there yet.
func childLog(t *testing.T, address string) *events.Log {
	t.Helper()
	nc, err := nats.Connect("nats://"+address, nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	l, err := events.New(nc, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if err := events.CreateStreams(ctx, l.JetStream(), events.StreamsConfig{}); err != nil {
		t.Fatal(err)
	}
	return l
}

// child runs this test binary as a NATS server, until it is killed.
func child(t *testing.T, dir, address string) (kill func()) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), self)
	cmd.Env = append(os.Environ(), childDir+"="+dir, childAddress+"="+address)
	cmd.Stderr = io.Discard
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	dead := false
	kill = func() {
		if !dead {
			dead = true
			_ = cmd.Process.Kill() // gone already is as good
			_ = cmd.Wait()         // says that it was killed
			_ = in.Close()
		}
	}
	t.Cleanup(kill)
	return kill
}
