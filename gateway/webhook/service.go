package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"streamstack/events"
	"streamstack/gateway/keyfile"
	"streamstack/projections"
)

const (
	// maxHooks is how many webhooks there may be: each is a consumer that reads the whole log.
	maxHooks = 100
	// seenTime bounds the wait for what was just appended to be in the read model.
	seenTime = 2 * time.Second
	// retryTime is the pause before what is left of a deleted webhook is tried to be removed again.
	retryTime = 5 * time.Second
)

// Errors that callers act on.
var (
	ErrUnknown = errors.New("webhook: it does not exist")
	ErrTooMany = fmt.Errorf("webhook: there are %d already", maxHooks)
)

// Config is what a service is made of.
type Config struct {
	Log    *events.Log
	Logger *slog.Logger
	// Root is what the secrets are derived from, the same at all gateways. While it is being replaced, deliveries bear a
	// signature by each of its two keys.
	Root keyfile.Keys
	// File, if not nil, has the root in place of Root, as it is at the moment.
	File  *keyfile.File
	Guard Guard
}

// root is what the secrets are derived from now.
func (c Config) root() keyfile.Keys {
	if c.File == nil {
		return c.Root
	}
	keys, _ := c.File.Keys()
	return keys
}

// Service keeps the webhooks and takes its part in their deliveries. It is safe for concurrent use.
type Service struct {
	cfg    Config
	log    *slog.Logger
	times  timing
	hooks  *projections.Runner[*projections.Webhooks]
	sender *sender
	// changed holds a token when the read model may have changed.
	changed chan struct{}
}

// New makes a service; nothing runs yet.
func New(cfg Config) *Service { return newService(cfg, usualTiming) }

func newService(cfg Config, t timing) *Service {
	return &Service{
		cfg: cfg, log: cfg.Logger.With("component", "webhooks"), times: t, sender: newSender(cfg.Guard, t.attempt),
		hooks:   projections.NewRunner("webhooks", projections.NewWebhooks()),
		changed: make(chan struct{}, 1),
	}
}

// Ready is closed once the webhooks are known.
func (s *Service) Ready() <-chan struct{} { return s.hooks.Ready() }

// Run delivers until the context ends; then what is under way has a moment to end, and the rest is given back.
func (s *Service) Run(ctx context.Context) error {
	defer s.sender.close()
	running := map[events.WebhookID]func(){}
	var all sync.WaitGroup
	defer all.Wait()
	following, stop := context.WithCancel(ctx)
	defer stop()
	failed := make(chan error, 1)
	all.Go(func() {
		failed <- s.cfg.Log.Follow(following, events.WebhooksStream, nil, events.Start{}, func(e events.Event) error {
			s.hooks.Apply(e)
			s.change()
			return nil
		}, func() { s.hooks.Caught(); s.change() })
	})
	retry := time.NewTicker(retryTime)
	defer retry.Stop()
	clean := false
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("webhook: %w", ctx.Err())
		case err := <-failed:
			return err
		case <-s.changed:
			clean = false
		case <-retry.C:
			if clean {
				continue
			}
		}
		if !s.isReady() {
			continue
		}
		s.reconcile(ctx, running, &all)
		clean = s.sweep(ctx) == nil
	}
}

func (s *Service) change() {
	select {
	case s.changed <- struct{}{}:
	default: // it holds one already
	}
}

func (s *Service) isReady() bool {
	select {
	case <-s.hooks.Ready():
		return true
	default:
		return false
	}
}

func (s *Service) list() (out []projections.Webhook) {
	s.hooks.Read(func(m *projections.Webhooks) { out = m.List() })
	return out
}

// reconcile runs a deliverer for each webhook that there is, and ends those of deleted ones.
func (s *Service) reconcile(ctx context.Context, running map[events.WebhookID]func(), all *sync.WaitGroup) {
	wanted := map[events.WebhookID]bool{}
	for _, w := range s.list() {
		wanted[w.ID] = true
		if running[w.ID] != nil {
			continue
		}
		d, err := s.deliverer(ctx, w)
		if err != nil {
			s.log.Error("webhook is not delivered to", "webhook", w.ID, "err", err)
			continue
		}
		mine, stop := context.WithCancel(ctx)
		ended := make(chan struct{})
		all.Go(func() {
			defer close(ended)
			d.run(mine)
		})
		running[w.ID] = func() { stop(); <-ended }
	}
	for id, stop := range running {
		if !wanted[id] {
			stop()
			delete(running, id)
		}
	}
}

func (s *Service) deliverer(ctx context.Context, w projections.Webhook) (*deliverer, error) {
	h, err := newHook(w)
	if err != nil {
		return nil, err
	}
	st, err := s.store(ctx, w.ID)
	if err != nil {
		return nil, err
	}
	return &deliverer{hook: h, secrets: func() ([]Secret, error) { return s.secrets(w.ID) }, log: s.cfg.Log, store: st, sender: s.sender, times: s.times, logger: s.log.With("webhook", w.ID)}, nil
}

func (s *Service) secrets(id events.WebhookID) (out []Secret, err error) {
	for _, root := range s.cfg.root().All() {
		x, err := Derive(root, id)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

func (s *Service) store(ctx context.Context, id events.WebhookID) (store, error) {
	kv, err := s.cfg.Log.JetStream().KeyValue(ctx, events.WebhookBucket)
	if err != nil {
		return store{}, fmt.Errorf("webhook: %w", err)
	}
	return store{kv, id}, nil
}

// sweep removes what is left of deleted webhooks. Every gateway does it whenever one is deleted, and when it starts: the
// one that deleted it may have died in between.
func (s *Service) sweep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, retryTime)
	defer cancel()
	stream, err := s.cfg.Log.JetStream().Stream(ctx, events.SessionsStream)
	if err != nil {
		return fmt.Errorf("webhook: sweep: %w", err)
	}
	names := stream.ConsumerNames(ctx)
	var orphans []events.WebhookID
	for name := range names.Name() {
		id, ours := strings.CutPrefix(name, events.WebhookConsumerPrefix)
		if ours && !s.has(events.WebhookID(id)) {
			orphans = append(orphans, events.WebhookID(id))
		}
	}
	if err := names.Err(); err != nil {
		return fmt.Errorf("webhook: sweep: %w", err)
	}
	for _, id := range orphans {
		// Its webhook may be so new that this gateway has not seen it.
		if fresh, err := s.registered(ctx, id); err != nil || fresh {
			return err
		}
		st, err := s.store(ctx, id)
		if err == nil {
			err = st.clear(ctx)
		}
		if err == nil {
			err = stream.DeleteConsumer(ctx, events.WebhookConsumer(id)) // last: its name is what is looked for
		}
		if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return fmt.Errorf("webhook: sweep %s: %w", id, err)
		}
		s.log.Info("webhook removed", "webhook", id)
	}
	return nil
}

func (s *Service) has(id events.WebhookID) (ok bool) {
	s.hooks.Read(func(m *projections.Webhooks) { _, ok = m.Get(id) })
	return ok
}

// registered asks the log whether a webhook exists.
func (s *Service) registered(ctx context.Context, id events.WebhookID) (bool, error) {
	m := projections.NewWebhooks()
	err := s.cfg.Log.Read(ctx, events.WebhooksStream, "webhooks."+string(id)+".*", 0, func(e events.Event) error {
		m.Apply(e)
		return nil
	})
	_, ok := m.Get(id)
	return ok, err
}

// newID makes an id that nobody can guess.
func newID() (events.WebhookID, error) {
	id, err := uuid.NewRandom()
	if err != nil {
		return "", fmt.Errorf("webhook: id: %w", err)
	}
	return events.WebhookID(id.String()), nil
}
