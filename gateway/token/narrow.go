package token

import (
	"errors"
	"fmt"
	"time"
)

// ErrNothing is returned when a token shall be narrowed by nothing.
var ErrNothing = errors.New("token: nothing to narrow: name a scope, an expiry or both")

// Narrow makes of an API token one that may do less, or for less long, without asking anybody: it adds caveats, which a
// macaroon's holder can (NDSS 2014, section 3). scopes 0 and a zero expiry leave that part as it is. All caveats hold
// together, so a wider scope or a later expiry than the token's adds nothing. The new token ends with the account's old
// one; whoever has it cannot make it wide again.
func Narrow(text string, scopes Scopes, expiry time.Time) (string, error) {
	held, err := decode(text)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	var conditions []string
	if scopes != 0 {
		conditions = append(conditions, caveat{keyScope, scopes.String()}.String())
	}
	if !expiry.IsZero() {
		conditions = append(conditions, expiry.UTC().Format(time.RFC3339))
	}
	if len(conditions) == 0 {
		return "", ErrNothing
	}
	for _, condition := range conditions {
		if err := held.AddFirstPartyCaveat([]byte(condition)); err != nil {
			return "", fmt.Errorf("token: %w", err)
		}
	}
	narrowed, err := encode(held)
	if err == nil && len(narrowed) > maxToken {
		err = fmt.Errorf("token: more than %d bytes long: narrow the account's own token instead", maxToken)
	}
	return narrowed, err
}
