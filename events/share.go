package events

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
)

// ShareID identifies a share of a session: the session's id, a dash, and a few random hexadecimal digits. A share is
// found through its session, without an index. It is no secret: what opens a share is its token.
type ShareID string

// shareDigits is how many random digits follow the session's id. They only tell the few shares of one session apart.
const shareDigits = 8

// NewShareID makes an id for a share of a session.
func NewShareID(s SessionID) (ShareID, error) {
	random := make([]byte, shareDigits/2)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("events: share id: %w", err)
	}
	return ShareID(string(s) + "-" + hex.EncodeToString(random)), nil
}

// Session is the session of a share. ok is false for what is no share's id.
func (id ShareID) Session() (s SessionID, ok bool) {
	i := strings.LastIndexByte(string(id), '-')
	if i < 1 || !ValidToken(string(id)) {
		return "", false
	}
	return SessionID(id[:i]), true
}

// SharedData is gateway.shared: a share was made, or, with the id of one that is there, changed. The URL is nowhere in
// it, for it carries a token.
type SharedData struct {
	ID          ShareID `json:"id"`                    // the share
	Type        string  `json:"type"`                  // what it is for: adb
	Description string  `json:"description,omitempty"` // as its maker wrote it
	ExpiryAt    int64   `json:"expiry_at"`             // when it ends, in Unix seconds
	Account     string  `json:"account,omitempty"`     // who made or changed it
}

// The reasons why a share is no longer good.
const (
	ShareDeleted      = "deleted"
	ShareExpired      = "expired"
	ShareSessionEnded = "session ended"
)

// ShareRevokedData is gateway.share_revoked: the share's URL is no longer good.
type ShareRevokedData struct {
	ID      ShareID `json:"id"`                // the share
	Reason  string  `json:"reason"`            // deleted, expired, session ended
	Account string  `json:"account,omitempty"` // who deleted it
}

// ShareOpenedData is gateway.share_opened: somebody uses a share. Of two uses of one share the later stands.
type ShareOpenedData struct {
	ID         ShareID `json:"id"`         // the share
	Connection string  `json:"connection"` // this use of it
}

// ShareClosedData is gateway.share_closed: a use of a share has ended.
type ShareClosedData struct {
	ID         ShareID `json:"id"`         // the share
	Connection string  `json:"connection"` // which use of it
	Reason     string  `json:"reason"`     // for people
	BytesUp    uint64  `json:"bytes_up"`   // from the share's user to the application
	BytesDown  uint64  `json:"bytes_down"` // the other way
}
