package webhook

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
)

func TestRegistry(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	gw, other := s.service(), s.service()
	list, err := gw.List(t.Context())
	require.NoError(t, err)
	require.Empty(t, list)
	w, secret := gw.add(t, "http://127.0.0.1:1/x", "failed", "agent.terminated")
	require.True(t, strings.HasPrefix(secret.Text(), "whsec_"))
	again, err := Derive(s.root.Current, w.ID)
	require.NoError(t, err)
	require.Equal(t, secret, again)
	eventstest.Wait(t, within, func() string {
		st, err := other.Show(t.Context(), w.ID)
		if err != nil {
			return err.Error()
		}
		require.Equal(t, []string{"failed", "agent.terminated"}, st.Types)
		require.Equal(t, "http://127.0.0.1:1/x", st.URL)
		return ""
	})
	_, err = gw.Show(t.Context(), "nobody")
	require.ErrorIs(t, err, ErrUnknown)
	require.ErrorIs(t, gw.Delete(t.Context(), "nobody"), ErrUnknown)
	for _, r := range []Request{
		{URL: "ftp://x"}, {URL: "http://h", Types: []string{"*"}}, {URL: "http://h", Types: []string{"agent.created"}}, {URL: "http://h", Region: "EU"},
		{URL: "http://h", Types: slices.Repeat([]string{"failed"}, maxTypes+1)},
	} {
		_, _, err := gw.Add(t.Context(), r)
		require.ErrorIs(t, err, ErrInvalid, r)
	}
}

// JetStream refuses filters of which one takes in what another does.
func TestConsumersFiltersDoNotOverlap(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	gw := s.service()
	for _, types := range [][]string{
		{"failed", "agent.failed"}, {"agent.failed", "failed"}, {"failed", "failed"}, {"streamstack.session.failed.v1", "streamstack.session.failed.v2"},
		{"streamer.offer", "client.offer", "created"}, {},
	} {
		w, _, err := gw.Add(t.Context(), Request{URL: "http://127.0.0.1:1", Types: types, Region: "eu"})
		require.NoError(t, err)
		eventstest.Wait(t, within, func() string {
			_, err := s.log.JetStream().Consumer(t.Context(), events.SessionsStream, events.WebhookConsumer(w.ID))
			if err != nil {
				return fmt.Sprintf("the consumer of %v: %v", types, err)
			}
			return ""
		})
	}
}

// A deletion ends the deliveries and leaves nothing behind, also when the gateway that did it dies at once.
func TestDeletion(t *testing.T) {
	t.Parallel()
	for _, dies := range []bool{false, true} {
		t.Run(fmt.Sprintf("dies=%t", dies), func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			gw, to := s.service(), newReceiver(t)
			to.decide = func(e events.Event) int {
				if e.Session == "bad" {
					return http.StatusBadRequest
				}
				return http.StatusOK
			}
			w, secret := gw.add(t, to.server.URL)
			to.secret = secret
			appended := []events.Event{}
			for i := range 2 * maxLane { // so many that it is parked
				s.say("bad", i)
				appended = append(appended, s.say("good", i))
			}
			to.awaits(appended)
			if dies { // between the event and the sweep
				_, err := s.log.Append(t.Context(), events.NewWebhookDraft(w.ID, events.WebhookDeleted, events.WebhookDeletedData{}))
				require.NoError(t, err)
				gw.kill()
				gw = s.service()
			} else {
				require.NoError(t, gw.Delete(t.Context(), w.ID))
			}
			eventstest.Wait(t, within, func() string {
				_, err := s.log.JetStream().Consumer(t.Context(), events.SessionsStream, events.WebhookConsumer(w.ID))
				if !errors.Is(err, jetstream.ErrConsumerNotFound) {
					return fmt.Sprintf("the end of the consumer: %v", err)
				}
				return ""
			})
			_, err := gw.Show(t.Context(), w.ID)
			require.ErrorIs(t, err, ErrUnknown)
			tries := 0
			to.set(func() { tries = to.tries })
			s.say("good", 1)
			// Another webhook gets what is appended after this one's end; the first one's receiver does not.
			second := newReceiver(t)
			_, second.secret = gw.add(t, second.server.URL)
			second.awaits([]events.Event{s.say("good", 2)})
			to.set(func() { require.Equal(t, tries, to.tries) })
			kv, err := s.log.JetStream().KeyValue(t.Context(), events.WebhookBucket)
			require.NoError(t, err)
			keys, err := kv.ListKeysFiltered(t.Context(), string(w.ID)+".>")
			require.NoError(t, err)
			for key := range keys.Keys() {
				t.Errorf("%s is left", key)
			}
		})
	}
}

// The signing secret and the key it comes from are in no stream, no bucket and no log.
func TestSecretsAreNowhere(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	gw, to := s.service(), newReceiver(t)
	to.decide = func(events.Event) int { return http.StatusInternalServerError }
	w, secret := gw.add(t, to.server.URL)
	to.secret = secret
	s.say("a", 1)
	eventstest.Wait(t, within, func() string {
		st, err := gw.Show(t.Context(), w.ID)
		if err != nil {
			return err.Error()
		}
		if st.LastError == "" {
			return "a failure"
		}
		return ""
	})
	to.set(func() { to.decide = func(events.Event) int { return http.StatusOK } })
	eventstest.Wait(t, within, func() string {
		if got, _ := to.firsts("a"); len(got) == 0 {
			return "the delivery"
		}
		return ""
	})
	require.NoError(t, gw.Delete(t.Context(), w.ID))
	gw.stop()
	var all strings.Builder
	all.WriteString(s.logs.String())
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	names := s.log.JetStream().StreamNames(ctx)
	for name := range names.Name() {
		stream, err := s.log.JetStream().Stream(ctx, name)
		require.NoError(t, err)
		for seq := max(1, stream.CachedInfo().State.FirstSeq); seq <= stream.CachedInfo().State.LastSeq; seq++ {
			m, err := stream.GetMsg(ctx, seq)
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				continue
			}
			require.NoError(t, err)
			fmt.Fprintln(&all, m.Subject, m.Header, string(m.Data))
		}
	}
	require.NoError(t, names.Err())
	require.Contains(t, all.String(), string(w.ID))
	for _, key := range [][]byte{secret.key, s.root.Current} {
		for _, text := range []string{string(key), base64.StdEncoding.EncodeToString(key), base64.RawURLEncoding.EncodeToString(key), fmt.Sprintf("%x", key)} {
			require.NotContains(t, all.String(), text)
		}
	}
}

// While the root key is being replaced, both secrets are good.
func TestRotation(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	gw, to := s.service(), newReceiver(t)
	w, old := gw.add(t, to.server.URL)
	to.secret = old
	to.awaits([]events.Event{s.say("a", 1)})
	gw.stop()
	s.root.Previous, s.root.Current = s.root.Current, append([]byte("new"), s.root.Current[3:]...)
	s.service()
	to.awaits([]events.Event{s.say("b", 1)})
	fresh, err := Derive(s.root.Current, w.ID)
	require.NoError(t, err)
	to.set(func() { to.secret = fresh })
	to.awaits([]events.Event{s.say("c", 1)})
	require.WithinDuration(t, time.Now(), w.Created, within)
}
