package command

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"streamstack/agent"
	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/events/trust"
)

// idFile keeps the agent's name in its data folder, by which it knows its sessions again.
const idFile = "agent.id"

// streamerLife is how long a streamer's credentials are valid. The agent renews them, over the connection that it has, when
// half of that is over: so a streamer lives through an outage of six hours, and stolen credentials are worth nothing half a
// day after the session's end. Their scope bounds what they are worth before: one session. A streamer behind a gateway's
// master socket gives no signs of life by which it could be renewed, so its session can be as long as this and no longer.
const streamerLife = 12 * time.Hour

// identity is the agent's name: the one that its credentials are for, or the data folder's.
func (o Options) identity() (events.AgentID, error) {
	if o.Identity.Agent != "" {
		return o.Identity.Agent, nil
	}
	return Identity(o.Data)
}

// streamers is how the agent gives its streamers their way into the log: the server's address, and credentials for one
// session each.
func (o Options) streamers() (func(events.Region, events.SessionID) (agent.StreamerSecret, error), error) {
	if o.Credentials == nil {
		return func(events.Region, events.SessionID) (agent.StreamerSecret, error) {
			return agent.StreamerSecret{NATS: o.NATS}, nil
		}, nil
	}
	mint := func(id events.SessionID) (trust.Credentials, error) {
		c, err := o.Credentials()
		if err != nil {
			return c, err
		}
		minter, err := c.Minter()
		if err != nil {
			return c, err
		}
		return minter.Streamer(id, streamerLife)
	}
	if _, err := mint("start"); err != nil { // rather now than at the first session
		return nil, err
	}
	return func(_ events.Region, id events.SessionID) (agent.StreamerSecret, error) {
		c, err := mint(id)
		if err != nil {
			return agent.StreamerSecret{}, err
		}
		text, err := c.Text()
		return agent.StreamerSecret{NATS: o.NATS, Creds: text}, err
	}, nil
}

// renewal is how the agent renews its streamers' users; nil where there are no credentials.
func (o Options) renewal() func(events.Region, events.SessionID, string) (string, error) {
	if o.Credentials == nil {
		return nil
	}
	return func(_ events.Region, id events.SessionID, user string) (string, error) {
		c, err := o.Credentials()
		if err != nil {
			return "", err
		}
		minter, err := c.Minter()
		if err != nil {
			return "", err
		}
		return minter.Renew(id, user, streamerLife)
	}
}

// readCredentials reads --creds. They are for one region; --region need not repeat it.
func readCredentials(path string, o *Options, regionSet bool) error {
	c, err := trust.ReadFile(path)
	if err != nil {
		return fmt.Errorf("agent: --creds: %w", err)
	}
	switch {
	case c.Identity.Role == "":
		return fmt.Errorf("agent: --creds: %s was not made by `streamstack credentials agent --region REGION`", path)
	case c.Identity.Role != trust.Agent:
		return fmt.Errorf("agent: --creds: %s is for a %s: make one with `streamstack credentials agent --region REGION`", path, c.Identity.Role)
	case regionSet && string(c.Identity.Region) != o.Region:
		return connect.Usagef("agent: --region is %s, but %s is for region %s", o.Region, path, c.Identity.Region)
	}
	o.Region, o.Identity = string(c.Identity.Region), c.Identity
	o.Credentials = func() (trust.Credentials, error) { return trust.ReadFile(path) }
	own, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("agent: --creds: %w", err)
	}
	o.Hide = append(o.Hide, own)
	return nil
}

// Identity is the agent's name on a data folder, made at its first start.
func Identity(data string) (events.AgentID, error) {
	path := filepath.Join(data, idFile)
	text, err := os.ReadFile(path)
	if id := strings.TrimSpace(string(text)); err == nil && events.ValidToken(id) {
		return events.AgentID(id), nil
	}
	host, _ := os.Hostname() // a name without the host's will do
	host = strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(host)), "-")
	id := strings.Trim(host[:min(len(host), 40)]+"-"+uuid.NewString()[:8], "-")
	if err := os.WriteFile(path, []byte(id+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("agent: the data folder cannot be written: %w (name another with --data)", err)
	}
	return events.AgentID(id), nil
}
