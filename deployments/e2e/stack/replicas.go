package stack

import (
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/events/trust"
	"streamstack/gateway/client"
)

// Replicas are NATS and several gateways as processes of their own, with a balancer before them. There is no agent until one is
// started.
type Replicas struct {
	*Stack
	Balancer *Balancer
	gateways []*gatewayProcess
	nats     *natsProcess
}

// gatewayProcess is one of several gateways, which may be killed and started again.
type gatewayProcess struct {
	*Process
	url    string
	starts int
}

// StartReplicas starts NATS and n gateways that share their secrets, as the replicas of one deployment do.
func StartReplicas(t testing.TB, data string, n int, a Apart) *Replicas {
	t.Helper()
	nats := startNATS(t, data, a)
	r := &Replicas{Balancer: NewBalancer(t), nats: nats}
	r.Stack = &Stack{t: t, Data: data, Find: nats.as("operator"), restartNATS: nats.restart}
	for i := range n {
		r.gateways = append(r.gateways, &gatewayProcess{})
		if i > 0 {
			r.share(i)
		}
		args := []string{"gateway", "--data", r.folder(i), "--listen", "127.0.0.1:0", "--turn-listen", "127.0.0.1:0"}
		r.gateways[i].Process = Run(t, slices.Concat(args, nats.as("gateway"), a.GatewayFlags)...)
		r.await(i)
	}
	r.Process = r.gateways[0].Process
	token, code := Command(t, "account", "create", "e2e", "--data", r.folder(0))
	require.Zero(t, code, token)
	r.Endpoints = connect.Endpoints{Gateway: checked(t, r.Balancer.URL()), NATS: nats.url, Token: strings.TrimSpace(token)}
	var err error
	r.Client, err = client.New(r.Gateway, r.Token)
	require.NoError(t, err)
	return r
}

// StartAgent starts an agent with the built-in applications.
func (r *Replicas) StartAgent() {
	r.t.Helper()
	r.startAgent(nil, r.nats.as("agent", "--region", "local"))
}

// share gives gateway i the secrets of the first, as an operator mounts the same ones everywhere.
func (r *Replicas) share(i int) {
	r.t.Helper()
	from, to := filepath.Join(r.folder(0), "secrets"), filepath.Join(r.folder(i), "secrets")
	require.NoError(r.t, os.MkdirAll(to, 0o700))
	files, err := os.ReadDir(from)
	require.NoError(r.t, err)
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(from, f.Name()))
		require.NoError(r.t, err)
		require.NoError(r.t, os.WriteFile(filepath.Join(to, f.Name()), data, 0o600)) //nolint:gosec // files of this test's own folder
	}
}

func (r *Replicas) folder(i int) string { return filepath.Join(r.Data, "g"+strconv.Itoa(i)) }

// await waits until a gateway that was started answers, and tells the balancer.
func (r *Replicas) await(i int) {
	r.t.Helper()
	g := r.gateways[i]
	g.starts++
	Eventually(r.t, startTime, func() string {
		if g.ended(0) {
			r.t.Fatalf("gateway %d ended: %s", i, g.Stderr())
		}
		said := strings.Split(g.Stdout(), "gateway: ")
		if len(said) <= g.starts || !strings.HasSuffix(said[g.starts], "\n") {
			return "the address of gateway " + strconv.Itoa(i) + "; it says: " + g.Stderr()
		}
		g.url = strings.TrimSpace(said[g.starts])
		return ""
	})
	r.Balancer.Set(i, strings.TrimPrefix(g.url, "http://"))
}

// URL is the address of gateway i itself.
func (r *Replicas) URL(i int) string { return r.gateways[i].url }

// Through is a socket's address at any gateway as it is at the balancer.
func (r *Replicas) Through(socket string) string {
	r.t.Helper()
	u, err := url.Parse(socket)
	require.NoError(r.t, err)
	u.Host = r.Balancer.listen.Addr().String()
	return u.String()
}

// Of is a client of gateway i itself.
func (r *Replicas) Of(i int) *client.Client {
	r.t.Helper()
	c, err := client.New(r.gateways[i].url, r.Token)
	require.NoError(r.t, err)
	return c
}

// Kill ends gateway i with SIGKILL and returns when it has gone.
func (r *Replicas) Kill(i int) {
	r.t.Helper()
	g := r.gateways[i]
	g.Signal(syscall.SIGKILL)
	require.Equal(r.t, -1, g.Wait())
	r.Balancer.Set(i, "")
}

// Revive starts gateway i, which was killed, again.
func (r *Replicas) Revive(i int) {
	r.t.Helper()
	g := r.gateways[i]
	g.run(g.cmd.Args, nil)
	r.await(i)
}

// OpenLog connects to the log as an operator, under a name, until the test ends.
func (r *Replicas) OpenLog(name string) *events.Log {
	r.t.Helper()
	log, _ := r.OpenLogAs(name, "operator")
	return log
}

// OpenLogAs connects to the log as a role, which is what `streamstack credentials` takes, under a name, until the test ends.
// The credentials are empty where NATS asks for none.
func (r *Replicas) OpenLogAs(name string, role ...string) (*events.Log, trust.Credentials) {
	r.t.Helper()
	var c trust.Credentials
	var path string
	if flags := r.nats.as(role...); len(flags) > 2 {
		path = flags[3]
		var err error
		c, err = trust.ReadFile(path)
		require.NoError(r.t, err)
	}
	logger := slog.New(slog.DiscardHandler)
	nc, err := connect.Dial(r.t.Context(), r.NATS, path, name, logger)
	require.NoError(r.t, err)
	r.t.Cleanup(nc.Close)
	log, err := events.New(nc, logger, c.Identity.LogOptions()...)
	require.NoError(r.t, err)
	return log, c
}

// StopNATS ends the NATS server with a signal; [Replicas.StartNATS] starts it again with the same port and data.
func (r *Replicas) StopNATS(s syscall.Signal) { r.nats.stop(s) }

// StartNATS starts the NATS server that was stopped.
func (r *Replicas) StartNATS() { r.nats.again() }
