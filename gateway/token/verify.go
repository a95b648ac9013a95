package token

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"gopkg.in/macaroon.v2"
)

// maxToken is the length of the longest token that is looked at, in bytes: several times what is issued, with room for
// caveats that a holder adds.
const maxToken = 4096

// The names of caveats written `name = value`. The expiry has no name: it is a bare RFC 3339 time.
const (
	keyID    = "id"
	keyPeer  = "peer"
	keyRole  = "role"
	keyShare = "share"
	keyScope = "scope"

	separator = " = "
)

type caveat struct{ name, value string }

func (c caveat) String() string { return c.name + separator + c.value }

// verified is the content of a macaroon whose signature is good.
type verified struct {
	subject string
	expiry  time.Time
	values  map[string]string
	scopes  Scopes // what all its caveats of scopes together leave
}

// exactly returns the values of the named caveats, in that order, if the token has these and no others.
func (v verified) exactly(names ...string) ([]string, error) {
	if len(v.values) != len(names) {
		return nil, fmt.Errorf("%w: unexpected caveats", ErrInvalid)
	}
	values := make([]string, len(names))
	for i, name := range names {
		value, ok := v.values[name]
		if !ok {
			return nil, fmt.Errorf("%w: no caveat %s", ErrInvalid, name)
		}
		values[i] = value
	}
	return values, nil
}

// verify checks a token against the keys, and its expiry against now. Errors say nothing of the token's content
// unless its signature was good.
func verify(keys [][]byte, text string, now time.Time) (verified, error) {
	decoded, err := decode(text)
	if err != nil {
		return verified{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	for _, key := range keys {
		// Without discharges, third-party caveats fail here.
		conditions, err := decoded.VerifySignature(key, nil)
		if err != nil {
			continue
		}
		return judge(string(decoded.Id()), conditions, now)
	}
	return verified{}, fmt.Errorf("%w: signature", ErrInvalid)
}

// judge reads the caveats of a macaroon whose signature is good.
func judge(subject string, conditions []string, now time.Time) (verified, error) {
	found := verified{subject: subject, values: make(map[string]string), scopes: AllScopes}
	for _, condition := range conditions {
		name, value, named := strings.Cut(condition, separator)
		switch {
		case named && name == keyScope:
			// Each caveat must hold, so what all of them allow counts.
			scopes, err := ParseScopes(value)
			if err != nil {
				return verified{}, fmt.Errorf("%w: %w", ErrInvalid, err)
			}
			found.scopes &= scopes
			found.values[keyScope] = found.scopes.String()
			continue
		case named:
			// A holder may add caveats, and so must not be able to change a value.
			if _, twice := found.values[name]; twice {
				return verified{}, fmt.Errorf("%w: caveat %q twice", ErrInvalid, name)
			}
			found.values[name] = value
			continue
		}
		expiry, err := time.Parse(time.RFC3339, condition)
		if err != nil {
			return verified{}, fmt.Errorf("%w: unknown caveat %q", ErrInvalid, condition)
		}
		// Each caveat must hold, so the earliest expiry counts.
		if found.expiry.IsZero() || expiry.Before(found.expiry) {
			found.expiry = expiry.UTC()
		}
	}
	switch {
	case found.expiry.IsZero():
		return verified{}, fmt.Errorf("%w: no expiry", ErrInvalid)
	case !now.Before(found.expiry):
		return verified{}, fmt.Errorf("%w: on %s", ErrExpired, found.expiry.Format(time.RFC3339))
	}
	return found, nil
}

// encode returns a macaroon as it travels.
func encode(m *macaroon.Macaroon) (string, error) {
	binary, err := m.MarshalBinary()
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(binary), nil
}

// decode reads a token; padding is allowed. One macaroon has exactly one binary form: the library reads others too, and
// stops at the macaroon's end.
func decode(text string) (*macaroon.Macaroon, error) {
	if len(text) > maxToken {
		return nil, fmt.Errorf("longer than %d bytes", maxToken)
	}
	binary, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return nil, fmt.Errorf("not URL-safe base64: %w", err)
	}
	var decoded macaroon.Macaroon
	if err := decoded.UnmarshalBinary(binary); err != nil {
		return nil, fmt.Errorf("not a macaroon: %w", err)
	}
	again, err := decoded.MarshalBinary()
	if err != nil || !bytes.Equal(binary, again) || decoded.Version() != macaroon.V2 {
		return nil, errors.New("not a macaroon in the v2 binary format")
	}
	if decoded.Location() != location {
		return nil, errors.New("a macaroon of another service")
	}
	return &decoded, nil
}
