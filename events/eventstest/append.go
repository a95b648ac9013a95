package eventstest

import (
	"context"
	"errors"
	"testing"
	"time"

	"streamstack/events"
)

// answeredWithin is how long [Answered] asks again; a log that is there answers within it on any machine.
const answeredWithin = time.Minute

// Answered asks until the log answers, and returns what it says then. Appends and reads give up after less than two seconds, as gateways
// need it; a machine that does many other things may stand still for longer than that, which is not what a test is about.
func Answered(ask func() error) error {
	for end := time.Now().Add(answeredWithin); ; {
		err := ask()
		if !errors.Is(err, events.ErrUnavailable) || time.Now().After(end) {
			return err
		}
	}
}

// Append appends an event, once, however often the log has to be asked.
func Append(t testing.TB, l *events.Log, d events.Draft) events.Seq {
	t.Helper()
	d, err := d.Once()
	if err != nil {
		t.Fatal(err)
	}
	var seq events.Seq
	err = Answered(func() (err error) {
		seq, err = l.Append(context.WithoutCancel(t.Context()), d) // also while the test is cleaned up
		return err                                                 //nolint:wrapcheck // the caller's
	})
	if err != nil {
		t.Fatalf("eventstest: append %s: %v", d.Subject, err)
	}
	return seq
}
