package token

import (
	"fmt"
	"strings"
)

// Scopes is a set of what an API token may do. The zero value allows nothing.
type Scopes uint8

// The scopes. What each call of the API needs is in the gateway's table (gateway/scopes.go).
const (
	Read   Scopes = 1 << iota // see what is there and what was
	Create                    // start, join, share and end sessions
	Admin                     // see and change the gateway's settings
)

// AllScopes is what a token may do that has no caveat of them.
//
// It has to be everything, and not everything but [Admin]: a caveat only ever takes something away, so what a token without
// one may not do, no token could be made to do. It is also what tokens of before there were scopes go on to do.
const AllScopes = Read | Create | Admin

// scopeNames are the scopes as caveats, commands and messages name them.
var scopeNames = []struct {
	scope Scopes
	name  string
}{{Read, "read"}, {Create, "create"}, {Admin, "admin"}}

// Has tells whether all of need are in the set.
func (s Scopes) Has(need Scopes) bool { return s&need == need }

// String is the set as [ParseScopes] reads it, such as read,create; empty for none.
func (s Scopes) String() string {
	var names []string
	for _, x := range scopeNames {
		if s.Has(x.scope) {
			names = append(names, x.name)
		}
	}
	return strings.Join(names, ",")
}

// ParseScopes reads one or more scopes with commas between them.
func ParseScopes(text string) (Scopes, error) {
	var s Scopes
	for name := range strings.SplitSeq(text, ",") {
		one := Scopes(0)
		for _, x := range scopeNames {
			if x.name == strings.TrimSpace(name) {
				one = x.scope
			}
		}
		if one == 0 {
			return 0, fmt.Errorf("token: %q is no scope: take one or more of %s, with commas", name, AllScopes)
		}
		s |= one
	}
	return s, nil
}
