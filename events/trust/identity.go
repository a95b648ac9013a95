package trust

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/jwt/v2"

	"streamstack/events"
)

// Role is what a NATS user is for.
type Role string

// The roles (see the table at the head of the package).
const (
	Gateway   Role = "gateway"
	Agent     Role = "agent"
	Streamer  Role = "streamer"
	Analytics Role = "analytics"
	// AnalyticsSDP is Analytics that may read session descriptions, candidates and extra data as well.
	AnalyticsSDP Role = "analytics-sdp"
	Operator     Role = "operator"
)

// Names of consumers are told apart by their beginnings; those of the two kinds of analysts by the first three letters
// (analyst.go). An underscore is in no region, so that the region in a name ends where it seems to.
const (
	AnalystConsumers    = "an-"
	AnalystSDPConsumers = "sdp-"
	OperatorConsumers   = "op_"
	agentConsumers      = "a_"
)

// Guard is the first token of the subjects on which the gateways check calls of the JetStream API.
const Guard = "guard"

// Tags of a user's JWT. NATS folds them to lower case, which all of ours are.
const (
	tagRole    = "role"
	tagRegion  = "region"
	tagAgent   = "agent"
	tagSession = "session"
)

// ErrIdentity is returned for a user that no role describes.
var ErrIdentity = errors.New("trust: no such user")

// Identity is who a NATS user is. Region is set for agents and streamers, Agent and Session for one of these each.
type Identity struct {
	Role    Role
	Region  events.Region
	Agent   events.AgentID
	Session events.SessionID
}

// check tells what is missing in an identity, or too much.
func (i Identity) check() error {
	regional := i.Role == Agent || i.Role == Streamer
	for _, part := range []struct {
		what, value string
		wanted      bool
	}{
		{"region", string(i.Region), regional},
		{"agent", string(i.Agent), i.Role == Agent},
		{"session", string(i.Session), i.Role == Streamer},
	} {
		switch {
		case part.wanted && !events.ValidToken(part.value):
			return fmt.Errorf("%w: %s of a %s is 1 to 63 of a-z, 0-9 and -, not %q", ErrIdentity, part.what, i.Role, part.value)
		case !part.wanted && part.value != "":
			return fmt.Errorf("%w: %s has no %s", ErrIdentity, i.Role, part.what)
		}
	}
	switch i.Role {
	case Gateway, Agent, Streamer, Analytics, AnalyticsSDP, Operator:
		return nil
	default:
		return fmt.Errorf("%w: role %q", ErrIdentity, i.Role)
	}
}

// scope names the signing key of such users.
func (i Identity) scope() scope { return scope{i.Role, i.Region} }

// Name is what the server's lists show.
func (i Identity) Name() string {
	switch i.Role {
	case Agent:
		return "agent " + string(i.Agent)
	case Streamer:
		return "streamer of " + string(i.Session)
	default:
		return string(i.Role)
	}
}

// Inbox is the prefix of the subjects on which the user reads its answers; nobody else may.
func (i Identity) Inbox() string {
	switch i.Role {
	case Agent:
		return agentInbox(string(i.Region), string(i.Agent))
	case Streamer:
		return streamerInbox(string(i.Session))
	case AnalyticsSDP:
		return roleInbox(Analytics) // another account, so another inbox all the same
	default:
		return roleInbox(i.Role)
	}
}

func agentInbox(region, agent string) string { return "_INBOX_agent." + region + "." + agent }
func streamerInbox(session string) string    { return "_INBOX_s-" + session }
func roleInbox(r Role) string                { return "_INBOX_" + string(r) }

// guardPrefix is where the user's calls of the JetStream API go; empty where they go to JetStream itself.
func (i Identity) guardPrefix() string {
	switch i.Role {
	case Agent:
		return agentGuard(string(i.Region), string(i.Agent))
	case Operator:
		return roleGuard(Operator)
	default:
		return ""
	}
}

func agentGuard(region, agent string) string { return roleGuard(Agent) + "." + region + "." + agent }
func roleGuard(r Role) string                { return Guard + "." + string(r) }

// LogOptions make a log call JetStream the way that the user may.
func (i Identity) LogOptions() []events.Option {
	prefix := i.guardPrefix()
	if prefix == "" {
		return nil
	}
	names := OperatorConsumers
	if i.Role == Agent {
		names = AgentConsumers(i.Region)
	}
	return []events.Option{events.WithAPI(prefix, names)}
}

// AgentConsumers is how the names of a region's agents' own consumers begin.
func AgentConsumers(r events.Region) string { return agentConsumers + string(r) + "_" }

// tags are what the scope's template is filled in with, and what [Credentials] are known by again.
func (i Identity) tags() (list jwt.TagList) {
	for _, t := range [][2]string{
		{tagRole, string(i.Role)}, {tagRegion, string(i.Region)}, {tagAgent, string(i.Agent)}, {tagSession, string(i.Session)},
	} {
		if t[1] != "" {
			list.Add(t[0] + ":" + t[1])
		}
	}
	return list
}

// identityOf reads [Identity.tags]; a user that somebody else made has none.
func identityOf(tags jwt.TagList) (i Identity) {
	for _, t := range tags {
		switch name, value, _ := strings.Cut(t, ":"); name {
		case tagRole:
			i.Role = Role(value)
		case tagRegion:
			i.Region = events.Region(value)
		case tagAgent:
			i.Agent = events.AgentID(value)
		case tagSession:
			i.Session = events.SessionID(value)
		}
	}
	return i
}
