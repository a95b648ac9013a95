package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"streamstack/events"
)

// createRound is how many sessions one round creates, on either side.
const createRound = 1000

const createBody = `{"app":"testcard","region":"","joinable":true,"screen":{"width":1280,"height":720,"fps":60,"density":240},"extra_data":null}`

// BenchmarkCreate creates sessions, 64 at a time, beside a bare echo handler that makes the same appends: two, created and
// joined, one after the other, each acknowledged. The gateway besides checks who asks and for what, chooses a region,
// makes a token, and waits until its read model has the session; and its process managers queue each session and set its
// deadline, which is two more messages in other streams.
func BenchmarkCreate(b *testing.B) {
	l := serve(b, "interval")
	fakeAgent(b, l)
	ours := startGateway(b, l)
	bare := startBare(b, l)
	for _, a := range []api{ours, bare} {
		a.flood(b, 2*atOnce, http.MethodPost, "/1.0/sessions", createBody, http.StatusCreated)
	}
	var oursTook, bareTook, oursRounds, bareRounds samples
	for b.Loop() {
		// Neither is to pay for what the other has left to do.
		settled(b, l)
		bareRounds.time(func() {
			bareTook = append(bareTook, bare.flood(b, createRound, http.MethodPost, "/1.0/sessions", createBody, http.StatusCreated)...)
		})
		settled(b, l)
		oursRounds.time(func() {
			oursTook = append(oursTook, ours.flood(b, createRound, http.MethodPost, "/1.0/sessions", createBody, http.StatusCreated)...)
		})
	}
	require.NoError(b, printRows(os.Stdout, fmt.Sprintf("POST /1.0/sessions, %d at once, %d in all; 2 appends in the request:", atOnce, len(oursTook)), "gateway", "bare echo", []row{
		{"creations", "/s", oursRounds.rate(1, createRound), bareRounds.rate(1, createRound), atLeast(0.6)},
		{"p50", "us", oursTook.micros(50), bareTook.micros(50), target{}},
		{"p99", "us", oursTook.micros(99), bareTook.micros(99), target{}},
	}))
	require.NoError(b, printRows(os.Stdout, "the slowest of a hundred:", "p99", "100 ms", []row{{"creation", "us", oursTook.micros(99), 100_000, atMost(1)}}))
	b.ReportMetric(oursRounds.rate(1, createRound), "creations/s")
	b.ReportMetric(0, "ns/op") // a round is no operation
}

// startBare serves a handler that appends what a creation does, with the client library alone.
func startBare(b *testing.B, l served) api {
	b.Helper()
	js, err := jetstream.New(dial(b, l.url))
	require.NoError(b, err)
	text := func(v any) []byte {
		data, err := json.Marshal(v)
		require.NoError(b, err)
		return data
	}
	created := text(events.CreatedData{App: "testcard", Joinable: true, Ephemeral: true, Screen: events.Screen{Width: 1280, Height: 720, FPS: 60, Density: 240}, Account: "local"})
	joined := text(events.JoinedData{Peer: events.PeerID(uuid.NewString()), Generation: 1, Role: "slave", Account: "local"})
	e := echo.New()
	e.POST("/1.0/sessions", func(c echo.Context) error {
		id := events.SessionID(uuid.NewString())
		for _, x := range []struct {
			name events.Name
			data []byte
		}{{events.Created, created}, {events.Joined, joined}} {
			eventID := uuid.NewString()
			m := &nats.Msg{
				// Of another region than the gateway's, so that nobody acts on them but the fold.
				Subject: events.Subject{Region: "bare", Session: id, Actor: events.Gateway, Name: x.name}.String(), Data: x.data,
				Header: nats.Header{
					"ce-specversion": {"1.0"}, "ce-id": {eventID}, "ce-source": {events.SourceOf(events.Gateway)}, "ce-type": {events.TypeOf(x.name)},
					"ce-time": {time.Now().UTC().Format(time.RFC3339Nano)}, "ce-datacontenttype": {"application/json"},
					"ce-dataschema": {events.SchemaURI(events.TypeOf(x.name))}, "Nats-Msg-Id": {eventID},
				},
			}
			if _, err := js.PublishMsg(c.Request().Context(), m); err != nil {
				return fmt.Errorf("bench: %w", err)
			}
		}
		if err := c.JSON(http.StatusCreated, map[string]any{"id": id}); err != nil {
			return fmt.Errorf("bench: %w", err)
		}
		return nil
	})
	listener, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0")
	require.NoError(b, err)
	srv := &http.Server{Handler: e, ReadHeaderTimeout: patience}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	b.Cleanup(func() {
		_ = srv.Close() // the benchmark is over
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			b.Errorf("the bare handler: %v", err)
		}
	})
	return newAPI(listener.Addr(), "none")
}
