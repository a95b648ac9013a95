package events

import (
	"encoding/json"
	"errors"
	"fmt"
)

// A type's version rises when its data changes in a way that a reader of the old form would misread. A new optional
// field is no such change: readers ignore what they do not know.
//
// Old versions stay in the log for as long as it keeps them, so they are upcast on read: whoever reads through this
// package sees the newest version only, and has one form to understand. What the event was appended as stays visible
// ([Event.Appended]). The other way round, an event of a version newer than this program is carried and shown as it is,
// but it is not [Event.Sound]: nobody folds what may mean something else. Upgrade those who read before those who
// append.

// fields are the members of an event's data.
type fields map[string]Raw

// oldVersion is a version of a type that is no longer appended.
type oldVersion struct {
	// data is a zero value of the payload as it was, for its schema and for tests.
	data any
	// next changes the data into that of the version after. Fields that it does not know stay as they are.
	next func(fields) error
}

// oldVersions are the earlier versions of each type, without the suffix .vN, from version 1 on: so the number of a
// type's newest version is one more than how many it has here, and there is always a way from each to the newest.
var oldVersions = map[string][]oldVersion{
	typePrefix + string(Connected): {{data: ConnectedDataV1{}, next: connectedToV2}},
}

// newest is the current version of a type.
func newest(stem string) int { return len(oldVersions[stem]) + 1 }

// upcasts says for each old type, with its version, what leads to the newest.
var upcasts = func() map[string]upcast {
	m := map[string]upcast{}
	for stem, versions := range oldVersions {
		for i := range versions {
			m[versioned(stem, i+1)] = upcast{to: versioned(stem, newest(stem)), steps: versions[i:]}
		}
	}
	return m
}()

type upcast struct {
	to    string
	steps []oldVersion
}

// upcast brings the event to the newest version of its type. One whose data is not what its version says stays as it is.
func (e *Event) upcast() {
	u, old := upcasts[e.Type]
	if !old || e.Quarantine != "" {
		return
	}
	data, err := u.apply(e.Data)
	if err != nil {
		return
	}
	if e.Appended == "" {
		e.Appended = e.Type
	}
	e.Type, e.Schema, e.Data = u.to, SchemaURI(u.to), data
}

// Upcast gives the event in the newest version of its type. It is for events that were kept elsewhere than in a stream;
// what the readers of this package hand on is upcast already.
func (e Event) Upcast() Event {
	e.upcast()
	return e
}

func (u upcast) apply(data Raw) (Raw, error) {
	var f fields
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("events: upcast: %w", err)
	}
	if f == nil {
		return nil, errors.New("events: upcast: null is not an object")
	}
	for _, s := range u.steps {
		if err := s.next(f); err != nil {
			return nil, fmt.Errorf("events: upcast: %w", err)
		}
	}
	out, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("events: upcast: %w", err)
	}
	return out, nil
}

// take removes a field and reads it; one that is not there leaves v as it is.
func (f fields) take(name string, v any) error {
	raw, ok := f[name]
	if !ok {
		return nil
	}
	delete(f, name)
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// put sets a field.
func (f fields) put(name string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	f[name] = raw
	return nil
}
