package projections_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/projections"
)

func TestSettings(t *testing.T) {
	m := projections.NewSettings()
	text := func(s string) *string { return &s }
	first := other(1, events.NewSettingDraft("shares_per_session", events.SettingData{Value: text("3"), Account: "anna"}))
	m.Fold(first)
	m.Fold(other(2, events.NewSettingDraft("of_a_newer_gateway", events.SettingData{Value: text("x")})))
	m.Fold(other(3, events.NewSettingDraft("shares_per_session", events.SettingData{Account: "ben"})))
	m.Fold(first) // an old one again
	forged := other(4, events.NewSettingDraft("shares_per_session", events.SettingData{Value: text("9")}))
	forged.Quarantine = "no"
	m.Fold(forged)
	m.Fold(other(5, events.Draft{Subject: "settings.a.b.changed", Type: events.SettingTypeOf(events.SettingChanged)}))
	m.Fold(other(6, events.Draft{Subject: "settings.a.telepathy", Type: events.SettingTypeOf("telepathy")}))
	require.Equal(t, events.Seq(6), m.At())
	s, ok := m.Get("shares_per_session")
	require.True(t, ok)
	require.Equal(t, projections.Setting{Account: "ben", Changed: at(3)}, s, "back to what the gateway was started with")
	s, ok = m.Get("of_a_newer_gateway")
	require.True(t, ok)
	require.Equal(t, "x", *s.Value)
	_, ok = m.Get("a")
	require.False(t, ok)
}
