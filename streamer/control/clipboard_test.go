package control

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestClipboard: whatever the text, its parts are messages that a client can take, and make it up again.
func TestClipboard(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Repeat(rapid.StringN(0, 20, -1).Draw(t, "text"), rapid.IntRange(1, 2000).Draw(t, "times"))
		parts, err := Clipboard(text)
		require.NoError(t, err)
		whole := ""
		for i, raw := range parts {
			require.LessOrEqual(t, len(raw), MaxMessage)
			var envelope, data struct {
				Type, Data, Text string
				More             bool
			}
			require.NoError(t, json.Unmarshal(raw, &envelope))
			require.Equal(t, ClipboardType, envelope.Type)
			require.NoError(t, json.Unmarshal([]byte(envelope.Data), &data))
			require.True(t, utf8.ValidString(data.Text))
			require.Equal(t, i < len(parts)-1, data.More)
			whole += data.Text
		}
		require.Equal(t, strings.ToValidUTF8(text, "\ufffd"), whole)
	})
	parts, err := Clipboard(strings.Repeat("\x01", 3*clipboardPart)) // what JSON makes longest, twice
	require.NoError(t, err)
	require.Len(t, parts, 3)
}
