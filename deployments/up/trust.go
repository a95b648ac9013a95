package up

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v3"

	agent "streamstack/agent/command"
	natsd "streamstack/deployments/nats"
	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/events/trust"
	gateway "streamstack/gateway/command"
)

// userLife is how long the users of this process's own connections are valid: for ever, for they never leave it, and the
// end of one costs what is under way. Keys that were rotated are taken when a connection is made.
const userLife = time.Duration(0)

// openTrust opens the keys of the data folder, or makes them, and leaves credentials for the other commands on this
// machine: made anew at each start, since keys may have been rotated twice meanwhile.
func openTrust(s settings) (*trust.Authority, error) {
	keys, err := trust.Open(filepath.Join(s.data, gateway.Secrets))
	if err != nil {
		return nil, err
	}
	if _, err := keys.AddRegion(events.Region(s.agent.Region)); err != nil {
		return nil, err
	}
	c, err := keys.Credentials(trust.Identity{Role: trust.Operator}, 0)
	if err != nil {
		return nil, err
	}
	text, err := c.Text()
	if err != nil {
		return nil, err
	}
	path := connect.OperatorCreds(s.data)
	// Not over an old file, whose mode would stay as it is.
	if err := os.RemoveAll(path); err != nil {
		return nil, fmt.Errorf("up: operator's credentials: %w", err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("up: operator's credentials: %w", err)
	}
	return keys, nil
}

// local makes the connections within this process.
type local struct {
	settings
	keys   *trust.Authority
	server *natsd.Server
}

// dial connects as somebody, without TCP.
func (l local) dial(ctx context.Context, i trust.Identity, opts ...events.Option) (*events.Log, func(), error) {
	nc, err := connect.Dial(ctx, l.server.ClientURL(), "", "up", l.log, append(l.keys.Renewed(i, userLife), l.server.InProcess())...)
	if err != nil {
		return nil, nil, err
	}
	log, err := events.New(nc, l.log, append(i.LogOptions(), opts...)...)
	if err != nil {
		nc.Close()
		return nil, nil, err
	}
	return log, func() { closeConn(nc) }, nil
}

// gatewayLog is the gateway's way into the log. It makes the streams.
func (l local) gatewayLog(ctx context.Context, cmd *cli.Command) (*events.Log, func(), error) {
	retention, sdp := cmd.Duration("retention"), cmd.Duration("sdp-retention")
	log, done, err := l.dial(ctx, trust.Identity{Role: trust.Gateway}, events.WithSDPRetention(sdp))
	if err != nil {
		return nil, nil, err
	}
	if err := events.CreateStreams(ctx, log.JetStream(), events.StreamsConfig{Retention: retention, SDPRetention: sdp,
		QualityRetention: cmd.Duration("quality-retention")}); err != nil {
		done()
		return nil, nil, err
	}
	return log, done, nil
}

// agentLog gives the agent its way into the log, and its credentials.
func (l local) agentLog(ctx context.Context, o *agent.Options) (done func(), err error) {
	id, err := agent.Identity(l.data)
	if err != nil {
		return nil, err
	}
	i := trust.Identity{Role: trust.Agent, Region: events.Region(o.Region), Agent: id}
	o.Identity = i
	o.Credentials = func() (trust.Credentials, error) { return l.keys.Credentials(i, userLife) }
	o.Log, done, err = l.dial(ctx, i)
	return done, err
}
