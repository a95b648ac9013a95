// Package settings holds what an operator may change while gateways run, one item at a time, by `PATCH /1.0/config`.
//
// A change is an event: it says who made it, it is kept for good, and every gateway folds it, so that all of them follow
// within milliseconds and none needs to be restarted. What was never changed is as the flags of each gateway say. An
// item's value is a text, as in AMS, and is checked before it becomes an event; one that a newer gateway has accepted and
// that this one cannot read counts as not set.
package settings

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"streamstack/events"
	"streamstack/projections"
)

// Errors of [Live.Change] that are its caller's. Their texts go to clients.
var (
	// ErrUnknown is for a name that no item has.
	ErrUnknown = errors.New("unknown setting")
	// ErrValue is for a text that is no value of the item.
	ErrValue = errors.New("bad value")
)

// seenTime bounds how long a change waits to be in this gateway's own state.
const seenTime = 2 * time.Second

// Live is the settings as they are now. It is safe for concurrent use.
type Live struct {
	start   Values
	now     atomic.Pointer[Values]
	changed func(Values)
	state   *projections.Runner[*folded]
}

// folded brings the values up to date with every event; it runs under the runner's lock.
type folded struct {
	*projections.Settings
	live *Live
}

// Fold makes it a [projections.Folder].
func (f *folded) Fold(e events.Event) {
	f.Apply(e)
	v := f.live.start
	for _, it := range items {
		s, ok := f.Get(it.name)
		if !ok || s.Value == nil {
			continue
		}
		if next := v; it.set(&next, *s.Value) == nil {
			v = next
		}
	}
	f.live.now.Store(&v)
	f.live.changed(v)
}

// New makes settings that are start where nobody has changed them. changed, if not nil, is called with all values after
// each change, one call at a time, and at once with those of the start; it must not wait.
func New(start Values, changed func(Values)) *Live {
	if changed == nil {
		changed = func(Values) {}
	}
	l := &Live{start: start, changed: changed}
	l.now.Store(&start)
	l.state = projections.NewRunner("settings", &folded{projections.NewSettings(), l})
	changed(start)
	return l
}

// Follow keeps the settings up to date until the context ends.
func (l *Live) Follow(ctx context.Context, log *events.Log) error {
	return l.state.Follow(ctx, log, events.SettingsStream) //nolint:wrapcheck // it names the model
}

// Ready is closed once all changes of before are known.
func (l *Live) Ready() <-chan struct{} { return l.state.Ready() }

// Values are the settings of now. Lists in them are not to be changed.
func (l *Live) Values() Values { return *l.now.Load() }

// Change sets an item and returns when it holds here; nil brings back what the gateways were started with. The error
// is [ErrUnknown], [ErrValue], or the log's.
func (l *Live) Change(ctx context.Context, log *events.Log, name string, value *string, account string) error {
	it, ok := find(name)
	if !ok {
		return fmt.Errorf("%w %q; there are %s", ErrUnknown, short(name), names())
	}
	if value != nil {
		v := l.start
		if err := it.set(&v, *value); err != nil {
			return fmt.Errorf("%w: %s %w", ErrValue, name, err)
		}
	}
	seq, err := log.Append(ctx, events.NewSettingDraft(name, events.SettingData{Value: value, Account: account}))
	if err != nil {
		return err //nolint:wrapcheck // events says whose it is
	}
	ctx, cancel := context.WithTimeout(ctx, seenTime)
	defer cancel()
	if err := l.state.Wait(ctx, seq); err != nil {
		return fmt.Errorf("%w: %w", events.ErrUnavailable, err)
	}
	return nil
}

// Item is one setting as it is shown.
type Item struct {
	Name string
	// Text says what it is, with its unit and range.
	Text string
	// Value holds now, Default where nobody changes it.
	Value, Default string
	// Account made the last change, at Changed; both are zero where there was none.
	Account string
	Changed time.Time
}

// Items are all settings, by name.
func (l *Live) Items() []Item {
	var list []Item
	l.state.Read(func(f *folded) {
		now := l.Values()
		for _, it := range items {
			s, _ := f.Get(it.name)
			list = append(list, Item{Name: it.name, Text: it.text, Value: it.show(now), Default: it.show(l.start), Account: s.Account, Changed: s.Changed})
		}
	})
	return list
}

func short(s string) string {
	const longest = 60
	return s[:min(len(s), longest)]
}
