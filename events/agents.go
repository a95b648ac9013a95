package events

import (
	"context"

	"github.com/nats-io/nats.go/jetstream"
)

// The events of an agent's life, on agents.<region>.<agent>.<name>. The agent itself appends the first two, a gateway the
// others: nobody else may.
const (
	AgentOnline  Name = "online"
	AgentOffline Name = "offline"
	AgentDrain   Name = "drain"  // it shall take no more work
	AgentResume  Name = "resume" // it shall take work again
)

// The events of an account's life, on accounts.<name>.<event>; appended by a gateway.
const (
	AccountCreated Name = "created"
	AccountDeleted Name = "deleted"
	AccountExpired Name = "expired" // its token did
)

// OnlineData is agents.….online: an agent is ready for work, and with what.
type OnlineData struct {
	Driver       string            `json:"driver"`                             // how it launches instances: process
	Slots        int               `json:"slots"`                              // sessions at once
	Version      string            `json:"version"`                            // the program's
	Applications []ApplicationData `json:"applications" jsonschema:"nullable"` // what it can launch
	GPUs         []GPUData         `json:"gpus,omitempty"`                     // that its instances can use
	// Again tells that the agent has been online since it said so before: something of this has changed.
	Again bool `json:"again,omitempty"`
}

// GPUData is a graphics card of an agent's machine.
type GPUData struct {
	Vendor string `json:"vendor"` // nvidia, amd, intel, or the PCI vendor's number
	Device string `json:"device"` // its render node, such as /dev/dri/renderD128
}

// ApplicationData is one application that an agent can launch.
type ApplicationData struct {
	Name     string `json:"name"`                           // one NATS token
	Versions []int  `json:"versions" jsonschema:"nullable"` // rising; the last is the default
	Screen   Screen `json:"screen"`                         // what a request that names none gets
}

// OfflineData is agents.….offline: an agent has drained and goes.
type OfflineData struct {
	Reason string `json:"reason"` // for people
}

// DrainData is agents.….drain and resume.
type DrainData struct {
	By string `json:"by"` // account:NAME
	// Until is when the sessions that are left then end (RFC 3339); empty for never.
	Until string `json:"until,omitempty"`
}

// AccountData is accounts.….created, deleted and expired. TokenID is not secret: it only tells which token is meant.
type AccountData struct {
	TokenID string `json:"token_id,omitempty"` // the id of the token that was issued, which is not secret
	Expiry  string `json:"expiry,omitempty"`   // RFC 3339
	Scopes  string `json:"scopes,omitempty"`   // what the token may do, such as read,create; empty in older events
}

// NewAgentDraft makes a draft of an agent's event.
func NewAgentDraft(r Region, id AgentID, n Name, data any) Draft {
	return Draft{Subject: "agents." + string(r) + "." + string(id) + "." + string(n), Source: SourceOf(Agent),
		Type: AgentTypeOf(n), Data: data}
}

// NewOrderDraft makes a draft of what a gateway says to an agent: drain or resume.
func NewOrderDraft(r Region, id AgentID, n Name, d DrainData) Draft {
	draft := NewAgentDraft(r, id, n, d)
	draft.Source = SourceOf(Gateway)
	return draft
}

// AgentFilter takes in all events of one agent.
func AgentFilter(r Region, id AgentID) string { return "agents." + string(r) + "." + string(id) + ".*" }

// NewAccountDraft makes a draft of an account's event; name is one token.
func NewAccountDraft(name string, n Name, data any) Draft {
	return Draft{Subject: "accounts." + name + "." + string(n), Source: SourceOf(Gateway),
		Type: AccountTypeOf(n), Data: data}
}

// AccountFilter takes in all events of one account. Like [SessionFilter] it is the one place that spells this filter.
func AccountFilter(name string) string { return "accounts." + name + ".>" }

// AppendAccountExpecting appends an account's event if last is still the account's last sequence (0: it has no event),
// and fails with [ErrConflict] otherwise.
func (l *Log) AppendAccountExpecting(ctx context.Context, name string, n Name, data any, last Seq) (Seq, error) {
	m, _, err := l.message(NewAccountDraft(name, n, data))
	if err != nil {
		return 0, err
	}
	return l.append(ctx, m, jetstream.WithExpectLastSequenceForSubject(uint64(last), AccountFilter(name)))
}

// HeartbeatKey is the agent's key in the HEARTBEATS bucket.
func HeartbeatKey(r Region, id AgentID) string { return "agent." + string(r) + "." + string(id) }
