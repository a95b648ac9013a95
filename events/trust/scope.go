package trust

import (
	"fmt"
	"strings"

	"github.com/nats-io/jwt/v2"

	"streamstack/events"
)

// scope is what one signing key may make users of: a role, of a region where the role has one.
type scope struct {
	role   Role
	region events.Region
}

// String is the scope's name in the key file.
func (s scope) String() string {
	if s.region == "" {
		return string(s.role)
	}
	return string(s.role) + "." + string(s.region)
}

func parseScope(text string) (scope, error) {
	role, region, _ := strings.Cut(text, ".")
	s := scope{Role(role), events.Region(region)}
	if err := s.check(); err != nil {
		return scope{}, err
	}
	return s, nil
}

// check tells whether there are users of the scope.
func (s scope) check() error {
	i := Identity{Role: s.role, Region: s.region}
	switch s.role {
	case Agent:
		i.Agent = "a"
	case Streamer:
		i.Session = "s"
	}
	return i.check()
}

// account is the NATS account that the scope's users are in.
func (s scope) account() string {
	switch s.role {
	case Analytics:
		return analyticsAccount
	case AnalyticsSDP:
		return sdpAccount
	default:
		return mainAccount
	}
}

// signer is the scope as an account's JWT holds it, for the signing key whose public key is pub.
func (s scope) signer(pub string) jwt.Scope {
	u := jwt.NewUserScope()
	u.Key, u.Role, u.Description = pub, s.String(), fmt.Sprintf("users of the role %s", s)
	u.Template.Permissions = s.permissions()
	return u
}

// closed is the scope of a key that is not honoured any more: users of it may not connect, but in a way that nobody does.
//
// The key could be left out instead. But then the server (2.15) applies, for a moment, the limits in the users' own JWTs,
// which are empty with a scope and stand for zero, and tells their connections that they have too many subscriptions.
// Go's client library takes that for the end and never connects again, with whatever credentials.
func (s scope) closed(pub string) jwt.Scope {
	u := jwt.NewUserScope()
	u.Key, u.Role, u.Description = pub, s.String(), fmt.Sprintf("no users any more of the role %s", s)
	u.Template.Permissions = jwt.Permissions{Pub: jwt.Permission{Deny: jwt.StringList{">"}}, Sub: jwt.Permission{Deny: jwt.StringList{">"}}}
	u.Template.AllowedConnectionTypes = jwt.StringList{jwt.ConnectionTypeMqttWS}
	return u
}
