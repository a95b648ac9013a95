package events

import "github.com/nats-io/nats.go/jetstream"

// SettingsStream holds the changes of the gateways' settings.
const SettingsStream = "SETTINGS"

// SettingChanged is the event of a setting, on settings.<item>.changed; appended by a gateway.
const SettingChanged Name = "changed"

// SettingData is settings.….changed: an item has this value from now on, at every gateway.
type SettingData struct {
	Value   *string `json:"value" jsonschema:"nullable"` // null: what the gateway was started with
	Account string  `json:"account,omitempty"`           // who changed it
}

// NewSettingDraft makes a draft of a setting's event; item is one token.
func NewSettingDraft(item string, data SettingData) Draft {
	return Draft{Subject: "settings." + item + "." + string(SettingChanged), Source: SourceOf(Gateway),
		Type: SettingTypeOf(SettingChanged), Data: data}
}

func settingsStream() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: SettingsStream, Description: "the gateways' settings, changed",
		Subjects: []string{"settings.>"}, DenyDelete: true, DenyPurge: true, AllowDirect: true,
	}
}
