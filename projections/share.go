package projections

import (
	"slices"
	"strings"
	"time"

	"streamstack/events"
)

// Share is a way into a session for somebody without an account.
type Share struct {
	ID          events.ShareID
	Type        string // adb
	Description string
	CreatedAt   time.Time
	ExpiresAt   time.Time // to the second
}

// Stands tells whether the share is still good at a time: between its expiry and the event that says so it is not.
func (x Share) Stands(now time.Time) bool { return x.ExpiresAt.After(now) }

// Share returns one of the session's shares.
func (s Session) Share(id events.ShareID) (Share, bool) {
	if i := s.shareIndex(id); i >= 0 {
		return s.Shares[i], true
	}
	return Share{}, false
}

func (s Session) shareIndex(id events.ShareID) int {
	return slices.IndexFunc(s.Shares, func(x Share) bool { return x.ID == id })
}

// foldShared adds a share, or changes the one that has the id.
func foldShared(s *Session, e events.Event) {
	d := data[events.SharedData](e)
	if d.ID == "" || s.Ended() {
		return
	}
	share := Share{ID: d.ID, Type: d.Type, Description: d.Description, CreatedAt: when(e), ExpiresAt: time.Unix(d.ExpiryAt, 0).UTC()}
	shares := slices.Clone(s.Shares)
	if i := s.shareIndex(d.ID); i >= 0 {
		share.CreatedAt = shares[i].CreatedAt
		shares[i] = share
	} else {
		shares = append(shares, share)
	}
	s.Shares = shares
}

func foldShareRevoked(s *Session, e events.Event) {
	i := s.shareIndex(data[events.ShareRevokedData](e).ID)
	if i < 0 {
		return
	}
	s.Shares = slices.Delete(slices.Clone(s.Shares), i, i+1)
	if len(s.Shares) == 0 {
		s.Shares = nil // the same state as before the first
	}
}

// Shares returns the shares of all sessions that live, oldest first.
func (m *Sessions) Shares() []Share {
	var out []Share
	for _, s := range m.byID {
		if s.Live() {
			out = append(out, s.Shares...)
		}
	}
	slices.SortFunc(out, func(a, b Share) int {
		if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(string(a.ID), string(b.ID))
	})
	return out
}
