package projections

import (
	"strings"
	"time"

	"streamstack/events"
)

// Setting is an item that was changed.
type Setting struct {
	// Value is the item's text; nil: what the gateway was started with.
	Value   *string
	Account string // who changed it
	Changed time.Time
}

// Settings is the read model of the SETTINGS stream. It knows no item: what the texts mean is the gateway's to say, also
// of an item that only a newer one has. It is not safe for concurrent use.
type Settings struct {
	byItem map[string]Setting
	at     events.Seq
}

// NewSettings is the empty state.
func NewSettings() *Settings { return &Settings{byItem: map[string]Setting{}} }

// Apply folds one event of the SETTINGS stream.
func (m *Settings) Apply(e events.Event) {
	if e.Sequence <= m.at {
		return
	}
	m.at = e.Sequence
	p := strings.Split(e.Subject, ".")
	if e.Quarantine != "" || len(p) != 3 || p[0] != "settings" || e.Type != events.SettingTypeOf(events.Name(p[2])) {
		return
	}
	if events.Name(p[2]) == events.SettingChanged {
		d := data[events.SettingData](e)
		m.byItem[strings.Clone(p[1])] = Setting{Value: d.Value, Account: d.Account, Changed: when(e)}
	}
}

// Fold makes [Settings] a [Folder].
func (m *Settings) Fold(e events.Event) { m.Apply(e) }

// At is the sequence folded last.
func (m *Settings) At() events.Seq { return m.at }

// Get returns an item's last change, if it was ever changed.
func (m *Settings) Get(item string) (Setting, bool) {
	s, ok := m.byItem[item]
	return s, ok
}
