package streamer

import (
	"context"
	"errors"

	"streamstack/streamer/control"
	"streamstack/streamer/peer"
)

// paste collects the client's clipboard.
func (k *controls) paste(ctx context.Context, m control.ClipboardText) {
	if k.tooLong = k.tooLong || k.clipboard.Len()+len(m.Text) > maxClipboard; !k.tooLong {
		k.clipboard.WriteString(m.Text)
	}
	if m.More {
		return
	}
	text, tooLong := k.clipboard.String(), k.tooLong
	k.clipboard.Reset()
	k.tooLong = false
	switch in := k.c.s.cfg.Extras.ClipboardIn; {
	case in == nil:
		k.drop(dropNowhere, errors.New("the clipboard is not taken from clients"))
	case tooLong:
		k.drop(dropInvalid, errors.New("a clipboard that is too long"))
	default:
		if err := in.Set(ctx, text); err != nil {
			k.drop(dropLate, err)
		}
	}
}

// shareClipboard tells clients what applications copy, until ctx ends.
func (s *Streamer) shareClipboard(ctx context.Context, out Clipboard) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err() //nolint:wrapcheck // the end was asked for
		case text := <-out.Copied():
			s.post(ctx, func(context.Context) error {
				if s.client != nil {
					s.client.controls.copied(text)
				}
				return nil
			})
		}
	}
}

// copied hands a text to the client.
func (k *controls) copied(text string) {
	parts, err := control.Clipboard(text)
	for _, part := range parts {
		if err = k.c.peer.Send(peer.ControlChannel, part); err != nil {
			break
		}
	}
	if err != nil {
		k.c.s.log.Info("the client does not get the clipboard", "peer", k.c.id, "err", err)
	}
}
