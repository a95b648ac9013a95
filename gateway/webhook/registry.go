package webhook

import (
	"context"
	"errors"
	"fmt"

	"streamstack/events"
	"streamstack/projections"
)

// Request asks for a webhook.
type Request struct {
	URL    string
	Types  []string      // as in the filter type of GET /1.0/events; none for all
	Region events.Region // empty for all
}

// State is a webhook and how it does.
type State struct {
	projections.Webhook
	Condition
	// Pending is how many events wait: not delivered yet, or not tried. Those of parked sessions come on top.
	Pending uint64
}

// Add registers a webhook and returns it with its secret, which is told here and never again. Deliveries begin with what
// is appended from now on. Errors are [ErrInvalid], [ErrTooMany] and [events.ErrUnavailable].
func (s *Service) Add(ctx context.Context, r Request) (projections.Webhook, Secret, error) {
	var none projections.Webhook
	if err := checkURL(r.URL, s.cfg.Guard); err != nil {
		return none, Secret{}, err
	}
	if r.Region != "" && !events.ValidToken(string(r.Region)) {
		return none, Secret{}, fmt.Errorf("%w: region %q is not a name", ErrInvalid, r.Region)
	}
	if len(r.Types) > maxTypes {
		return none, Secret{}, fmt.Errorf("%w: at most %d types", ErrInvalid, maxTypes)
	}
	if _, err := newHook(projections.Webhook{Types: r.Types}); err != nil {
		return none, Secret{}, err
	}
	if len(s.list()) >= maxHooks {
		return none, Secret{}, ErrTooMany
	}
	stream, err := s.cfg.Log.JetStream().Stream(ctx, events.SessionsStream)
	if err != nil {
		return none, Secret{}, fmt.Errorf("%w: %w", events.ErrUnavailable, err)
	}
	id, err := newID()
	if err != nil {
		return none, Secret{}, err
	}
	secret, err := Derive(s.cfg.root().Current, id)
	if err != nil {
		return none, Secret{}, err
	}
	after := events.Seq(stream.CachedInfo().State.LastSeq)
	err = s.append(ctx, id, events.WebhookCreated, events.WebhookData{URL: r.URL, Types: r.Types, Region: r.Region, After: after})
	if err != nil {
		return none, Secret{}, err
	}
	w, err := s.get(id)
	return w, secret, err
}

// Secret is what signs a webhook's deliveries from now on: after the root key was replaced, its receiver needs this one.
func (s *Service) Secret(id events.WebhookID) (Secret, error) {
	if _, err := s.get(id); err != nil {
		return Secret{}, err
	}
	return Derive(s.cfg.root().Current, id)
}

// Delete ends a webhook: nothing is delivered any more after it returns, but for attempts that are under way.
func (s *Service) Delete(ctx context.Context, id events.WebhookID) error {
	if _, err := s.get(id); err != nil {
		return err
	}
	return s.append(ctx, id, events.WebhookDeleted, events.WebhookDeletedData{})
}

func (s *Service) append(ctx context.Context, id events.WebhookID, n events.Name, data any) error {
	seq, err := s.cfg.Log.Append(ctx, events.NewWebhookDraft(id, n, data))
	if err != nil {
		return err //nolint:wrapcheck // events says whose it is
	}
	ctx, cancel := context.WithTimeout(ctx, seenTime)
	defer cancel()
	if err := s.hooks.Wait(ctx, seq); err != nil {
		return fmt.Errorf("%w: %w", events.ErrUnavailable, err)
	}
	return nil
}

func (s *Service) get(id events.WebhookID) (w projections.Webhook, err error) {
	var ok bool
	s.hooks.Read(func(m *projections.Webhooks) { w, ok = m.Get(id) })
	if !ok {
		return w, ErrUnknown
	}
	return w, nil
}

// Show returns one webhook; [ErrUnknown] if there is none.
func (s *Service) Show(ctx context.Context, id events.WebhookID) (State, error) {
	w, err := s.get(id)
	if err != nil {
		return State{}, err
	}
	return s.state(ctx, w)
}

// List returns all webhooks, oldest first.
func (s *Service) List(ctx context.Context) ([]State, error) {
	out := []State{}
	for _, w := range s.list() {
		st, err := s.state(ctx, w)
		if err != nil {
			return nil, err
		}
		out = append(out, st)
	}
	return out, nil
}

func (s *Service) state(ctx context.Context, w projections.Webhook) (State, error) {
	out := State{Webhook: w}
	st, err := s.store(ctx, w.ID)
	if err != nil {
		return out, err
	}
	if out.Condition, err = st.condition(ctx); err != nil {
		return out, err
	}
	cons, err := s.cfg.Log.JetStream().Consumer(ctx, events.SessionsStream, events.WebhookConsumer(w.ID))
	if err != nil {
		if gone(err) || errors.Is(err, context.DeadlineExceeded) {
			return out, nil // it is being made
		}
		return out, fmt.Errorf("webhook: %w", err)
	}
	info := cons.CachedInfo()
	out.Pending = info.NumPending + uint64(info.NumAckPending)
	return out, nil
}
