package control

import (
	"unicode/utf8"
)

const (
	// ClipboardType is the type of the messages that carry a clipboard's text, either way.
	ClipboardType = "clipboard::text"
	// clipboardPart is how much text one message carries, in bytes: with every byte escaped it is less than MaxMessage.
	clipboardPart = 8 << 10
)

// clipboardFields is the data of either direction.
type clipboardFields struct {
	Text *string `json:"text"`
	More bool    `json:"more,omitempty"`
}

func parseClipboard(f clipboardFields) (Message, error) {
	if f.Text == nil {
		return nil, missing("text")
	}
	return ClipboardText{Text: *f.Text, More: f.More}, nil
}

// Clipboard makes the messages that hand a clipboard's text to the client, in order.
func Clipboard(text string) ([][]byte, error) {
	var list [][]byte
	for {
		part := text
		if len(part) > clipboardPart {
			end := clipboardPart
			for end > clipboardPart-utf8.UTFMax && !utf8.RuneStart(text[end]) {
				end--
			}
			part = text[:end]
		}
		text = text[len(part):]
		message, err := Custom(ClipboardType, clipboardFields{Text: &part, More: text != ""})
		if err != nil {
			return nil, err
		}
		if list = append(list, message); text == "" {
			return list, nil
		}
	}
}
