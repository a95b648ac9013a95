// Package command runs a gateway with all that is its own: the listeners, the secrets, the embedded TURN server and the
// admin socket. It holds the command `streamstack gateway`; `streamstack up` uses the same [Service].
package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"streamstack/events"
	"streamstack/events/trust"
	"streamstack/gateway"
	"streamstack/gateway/certificate"
	"streamstack/gateway/console"
	"streamstack/gateway/keyfile"
	"streamstack/gateway/limit"
	"streamstack/gateway/token"
	"streamstack/gateway/turn"
	"streamstack/gateway/webhook"
	"streamstack/projections/progress"
)

// Names in the data folder.
const (
	// Secrets is the folder of keys, mode 0700.
	Secrets     = "secrets"
	turnKeyFile = "turn.key"
	// webhookKeyFile is what the webhooks' secrets are derived from.
	webhookKeyFile = "webhook.key"
	// AdminSocket is the account API for whoever may write to the data folder.
	AdminSocket = "admin.sock"
)

// Options are the settings of a gateway.
type Options struct {
	Data       string
	Listen     string // host:port
	TURNListen string // host:port; empty for no TURN server
	PublicURL  string
	Origins    []string
	TURNPeers  []netip.Prefix
	// WebhookAllow are local networks that webhooks may reach all the same.
	WebhookAllow []netip.Prefix
	Archive      string // folder for copies of the archive; empty for none
	// ArchiveRetention is how long after an event the archive keeps it; 0 for ever.
	ArchiveRetention time.Duration
	Metrics          string // host:port of /metrics alone; empty: with the API, for programs on this machine
	// Limits are the figures of the limits; nil: [limit.Default].
	Limits *limit.Figures
	// Proxies are those whose X-Forwarded-For is believed, besides this machine.
	Proxies []netip.Prefix
	Version string
	Log     *events.Log
	Logger  *slog.Logger
	// Streamer is [gateway.Config]'s.
	Streamer func(context.Context, trust.Credentials) (*events.Log, error)
	// Progress shows the reading of a long log at the start; nil: lines in Logger.
	Progress progress.Show
	// TLS is how the gateway listens: [TLSOff] or empty, [TLSAuto], or two files with a comma between them.
	TLS string
	// TURNServers, if any, are servers elsewhere in the embedded one's place; TURNSecret, or the first line of
	// TURNSecretFile, is shared with them.
	TURNServers                []string
	TURNSecret, TURNSecretFile string
}

// Service is a gateway that listens. Nothing is answered before [Service.Run].
type Service struct {
	Gateway *gateway.Gateway
	listen  net.Listener
	admin   net.Listener
	metrics net.Listener
	turn    *turn.Server
	public  string
	cert    *certificate.Source // nil without TLS
	turnURL string
}

// Open makes the secrets and listens. What it opened is closed by [Service.Run] or [Service.Close].
func Open(ctx context.Context, o Options) (_ *Service, err error) {
	s := &Service{public: o.PublicURL}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	secrets := filepath.Join(o.Data, Secrets)
	if err := os.MkdirAll(secrets, 0o700); err != nil {
		return nil, fmt.Errorf("gateway: the data folder cannot be written: %w (name another with --data)", err)
	}
	if o.Archive != "" {
		if err := os.MkdirAll(o.Archive, 0o700); err != nil {
			return nil, fmt.Errorf("gateway: the archive's folder cannot be made: %w (name another with --archive)", err)
		}
	}
	tokens, err := token.Open(secrets, o.Logger)
	if err != nil {
		return nil, err
	}
	if s.listen, err = listen(ctx, o.Listen, "--listen"); err != nil {
		return nil, err
	}
	if s.admin, err = listenAdmin(ctx, filepath.Join(o.Data, AdminSocket)); err != nil {
		return nil, err
	}
	if err := s.secure(o, secrets); err != nil {
		return nil, err
	}
	if o.Metrics != "" {
		if s.metrics, err = listen(ctx, o.Metrics, "--metrics"); err != nil {
			return nil, err
		}
	}
	cfg := gateway.Config{Log: o.Log, Logger: o.Logger, PublicURL: o.PublicURL, Origins: o.Origins, Tokens: tokens, Version: o.Version, Progress: o.Progress, ArchiveFolder: o.Archive, ArchiveRetention: o.ArchiveRetention, Limits: o.Limits, Proxies: o.Proxies, Streamer: o.Streamer}
	if s.metrics != nil { // no nil listener in an interface
		cfg.Metrics = s.metrics
	}
	cfg.Origins = origins(o.Origins, s.listen.Addr())
	if cfg.Webhooks, err = s.openWebhooks(o, secrets); err != nil {
		return nil, err
	}
	switch {
	case len(o.TURNServers) > 0:
		cfg.TURN, err = s.externalTURN(o)
	case o.TURNListen != "":
		cfg.TURN, err = s.openTURN(ctx, o, secrets)
	}
	if err != nil {
		return nil, err
	}
	if cfg.Console, err = console.Handler(); err != nil {
		return nil, err
	}
	s.Gateway = gateway.New(cfg)
	return s, nil
}

// openWebhooks makes the deliveries to webhooks. Nothing runs yet.
func (s *Service) openWebhooks(o Options, secrets string) (*webhook.Service, error) {
	root, err := keyfile.Follow(filepath.Join(secrets, webhookKeyFile), o.Logger)
	if err != nil {
		return nil, fmt.Errorf("gateway: webhook key: %w", err)
	}
	guard := webhook.Guard{Public: !loopback(s.listen.Addr()), Allow: o.WebhookAllow}
	return webhook.New(webhook.Config{Log: o.Log, Logger: o.Logger, File: root, Guard: guard}), nil
}

// openTURN starts the embedded TURN server and tells how clients use it.
func (s *Service) openTURN(ctx context.Context, o Options, secrets string) (*gateway.TURN, error) {
	file, err := keyfile.Follow(filepath.Join(secrets, turnKeyFile), o.Logger)
	if err != nil {
		return nil, fmt.Errorf("gateway: TURN secret: %w", err)
	}
	shared := func() (all []turn.Secret) {
		keys, _ := file.Keys()
		for _, k := range keys.All() {
			all = append(all, turn.SecretFrom(k))
		}
		return all
	}
	s.turn, err = turn.Listen(ctx, turn.Config{Addr: o.TURNListen, SecretsNow: shared, PeerNetworks: o.TURNPeers, Log: o.Logger.With("component", "turn")})
	if err != nil {
		return nil, err
	}
	s.turnURL = "turn:" + s.turn.ClientAddr()
	return &gateway.TURN{Credentials: turn.Credentials{Now: func() turn.Secret { return shared()[0] }}, Address: s.turn.ClientAddr()}, nil
}

// Run serves until the context ends, or a part of the gateway fails.
func (s *Service) Run(ctx context.Context, ready func()) error {
	defer s.Close()
	return s.Gateway.Run(ctx, s.listen, s.admin, ready) //nolint:wrapcheck // it names the gateway
}

// Close closes what [Open] opened. It may be called again.
func (s *Service) Close() {
	if s.listen != nil {
		_ = s.listen.Close() // closed already, in most cases
	}
	if s.admin != nil {
		_ = s.admin.Close()
	}
	if s.metrics != nil {
		_ = s.metrics.Close()
	}
	if s.turn != nil {
		_ = s.turn.Close()
	}
}

// URL is where clients reach the gateway.
func (s *Service) URL() string {
	if s.public != "" {
		return strings.TrimRight(s.public, "/")
	}
	scheme := "http://"
	if s.cert != nil {
		scheme = "https://"
	}
	addr, ok := s.listen.Addr().(*net.TCPAddr)
	if !ok {
		return scheme + s.listen.Addr().String()
	}
	host := addr.IP
	if host.IsUnspecified() {
		host = net.IPv4(127, 0, 0, 1)
	}
	return scheme + net.JoinHostPort(host.String(), fmt.Sprint(addr.Port))
}

// TURN is where clients reach the TURN server, empty without one.
func (s *Service) TURN() string { return s.turnURL }

// listen opens a TCP address; a busy one is an error that names the flag.
func listen(ctx context.Context, addr, flag string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("gateway: %s is in use by another program: name another address with %s (port 0 picks a free one)", addr, flag)
	case err != nil:
		return nil, fmt.Errorf("gateway: cannot listen on %s: %w (see %s)", addr, err, flag)
	}
	return l, nil
}

// listenAdmin opens the admin socket; what a gateway that was killed left is taken away, if nobody answers on it.
func listenAdmin(ctx context.Context, path string) (net.Listener, error) {
	if c, err := new(net.Dialer).DialContext(ctx, "unix", path); err == nil {
		_ = c.Close() // it was a question
		return nil, fmt.Errorf("gateway: another gateway runs on %s: name another folder with --data", filepath.Dir(path))
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket == 0 {
		return nil, fmt.Errorf("gateway: %s is no socket: move it away, or name another folder with --data", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("gateway: admin socket: %w", err)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("gateway: admin socket %s: %w (a path has at most 107 bytes; name a shorter folder with --data)", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("gateway: admin socket: %w", err)
	}
	return l, nil
}

// origins are those whose pages may use the API: the operator's list, or any as long as only this machine's programs reach the
// gateway, where the token guards what pages ask for. A gateway that others reach trusts no page but its own.
func origins(list []string, listens net.Addr) []string {
	if len(list) == 0 && loopback(listens) {
		return []string{"*"}
	}
	return list
}

func loopback(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}
