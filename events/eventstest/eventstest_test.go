package eventstest_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"streamstack/events"
	"streamstack/events/eventstest"
)

func draft() events.Draft {
	return events.NewDraft("local", "s1", events.Gateway, events.Created, events.CreatedData{App: "testcard"})
}

// A restart keeps port and data, and a connection finds its way back by itself.
func TestRestartKeepsPortAndData(t *testing.T) {
	s := eventstest.Start(t)
	l := eventstest.NewLog(t, s.Connect(t), events.StreamsConfig{})
	seq, err := l.Append(t.Context(), draft())
	if err != nil || seq != 1 {
		t.Fatalf("append: %d, %v", seq, err)
	}
	url := s.URL()
	s.Restart()
	if s.URL() != url {
		t.Fatalf("%s became %s", url, s.URL())
	}
	eventstest.Wait(t, 10*time.Second, func() string {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got, err := l.LastSeq(ctx, "local", "s1"); err != nil || got != 1 {
			return errors.Join(errors.New("the event from before the restart"), err).Error()
		}
		return ""
	})
}

func TestCluster(t *testing.T) {
	c := eventstest.StartCluster(t)
	l := eventstest.NewLog(t, c.Connect(t, 0), events.StreamsConfig{Replicas: 3})
	if _, err := l.Append(t.Context(), draft()); err != nil {
		t.Fatal(err)
	}
	c.Servers[1].Stop()
	eventstest.Wait(t, 20*time.Second, func() string {
		if _, err := l.Append(t.Context(), draft()); err != nil {
			return "an append with two servers of three: " + err.Error()
		}
		return ""
	})
}

func TestClosedPort(t *testing.T) {
	t.Parallel()
	port := eventstest.ClosedPort(t)
	address := fmt.Sprintf("127.0.0.1:%d", port)
	if c, err := net.DialTimeout("tcp", address, time.Second); err == nil {
		_ = c.Close() // it was not to be
		t.Error("somebody answers")
	}
	if l, err := net.Listen("tcp", address); err == nil {
		_ = l.Close() // likewise
		t.Error("the port can be listened on")
	}
}
