package events_test

import (
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"streamstack/events"
)

// A share's id is one token, leads back to its session, and is another each time.
func TestShareID(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		session := events.SessionID(uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(r, "session")).String())
		a, err := events.NewShareID(session)
		if err != nil {
			r.Fatal(err)
		}
		b, err := events.NewShareID(session)
		if err != nil || a == b || !events.ValidToken(string(a)) {
			r.Fatalf("%s and %s, %v", a, b, err)
		}
		if got, ok := a.Session(); !ok || got != session {
			r.Fatalf("%s is of %s, not %s", a, session, got)
		}
	})
	for _, bad := range []events.ShareID{"", "-", "-1", "abc", "a.b-1", "A-1", "a b-1"} {
		if s, ok := bad.Session(); ok {
			t.Errorf("%q is of session %q", bad, s)
		}
	}
}
