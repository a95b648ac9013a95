package gateway

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"streamstack/events"
	"streamstack/projections"
)

// An idempotency key makes a creation safe to repeat (draft-ietf-httpapi-idempotency-key-header-07): the same key with the
// same body gives the same session for [events.RequestLife], whichever gateway is asked, and however many are at once.
//
// Who comes first claims the key with an event that names the session to be; everybody who comes later, or at the same
// time, reads the claim and completes what is missing of that session. So a gateway that dies half-way leaves nothing
// undone, and nobody waits for anybody. Keys are the account's own: another account's are other subjects.

const idempotencyHeader = "Idempotency-Key"

// maxKey is the longest key, in bytes; a UUID has 36.
const maxKey = 255

// digestBytes of a key's SHA-256 are its NATS token, in hexadecimal digits: a token has 63 characters at most.
const digestBytes = 20

// creationTries bounds the conflicts while a session is completed by several at once; each of its three events can have
// one, and claimPause is for a replica that has not heard of a claim yet.
const (
	creationTries = 16
	claimPause    = 10 * time.Millisecond
)

// idempotencyKey reads the header: a string of RFC 8941, section 3.3.3, as the draft has it, or the same without its quotes,
// as many clients send it. It is empty where there is none.
func idempotencyKey(c echo.Context) (string, error) {
	values := c.Request().Header.Values(idempotencyHeader)
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	quotes := strings.HasPrefix(key, `"`) && strings.HasSuffix(key, `"`) && len(key) >= 2
	if quotes {
		key = key[1 : len(key)-1]
	}
	odd := strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' })
	if len(values) > 1 || key == "" || len(key) > maxKey || odd {
		return "", badRequest(`%s must be given once, with 1 to %d printable ASCII characters but " and \, such as a UUID`, idempotencyHeader, maxKey)
	}
	return key, nil
}

// requestKey is where the key's claim is. Neither the key nor what it was sent with can be read from the log.
func requestKey(account, key string) events.RequestKey {
	sum := sha256.Sum256([]byte(account + "\x00" + key))
	return events.RequestKey{Account: account, Digest: hex.EncodeToString(sum[:digestBytes])}
}

// fingerprint tells two bodies apart, as far as they mean something else.
func (r *createRequest) fingerprint(key string) (string, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("gateway: fingerprint: %w", err)
	}
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil)), nil
}

// createOnce is createSession with an idempotency key.
func (g *Gateway) createOnce(ctx context.Context, req *createRequest, account, key string) (creation, error) {
	mark, err := req.fingerprint(key)
	if err != nil {
		return creation{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, creationTime)
	defer cancel()
	at := requestKey(account, key)
	claim, known, err := g.cfg.Log.Request(ctx, at)
	if err != nil {
		return creation{}, err
	}
	var n creation
	if !known {
		// The place is looked for before the key is taken: a request that cannot be served takes none.
		if n, err = g.plan(req, account, events.Region(req.Region)); err != nil {
			return n, err
		}
		done, err := g.admitSession(account, n.session)
		if err != nil {
			return n, err
		}
		defer done()
		claim = events.RequestData{Session: n.session, Region: n.region, Peer: n.peer, Fingerprint: mark}
		err = g.cfg.Log.ClaimRequest(ctx, at, claim)
		if err == nil {
			return n, g.complete(ctx, n, nil)
		}
		if !errors.Is(err, events.ErrConflict) {
			return n, err
		}
		if claim, err = g.claimOf(ctx, at); err != nil {
			return n, err
		}
	}
	if !hmac.Equal([]byte(claim.Fingerprint), []byte(mark)) {
		return n, &apiError{status: http.StatusUnprocessableEntity, code: codeKeyReused,
			message: "this idempotency key came with another body before: take a new key for a new session"}
	}
	return g.resumeCreation(ctx, req, account, claim)
}

// claimOf reads a claim that another gateway has made; a replica may be a little behind.
func (g *Gateway) claimOf(ctx context.Context, at events.RequestKey) (events.RequestData, error) {
	for range creationTries {
		claim, known, err := g.cfg.Log.Request(ctx, at)
		if known || err != nil {
			return claim, err //nolint:wrapcheck // events says whose it is
		}
		if err := pause(ctx, claimPause); err != nil {
			return claim, err
		}
	}
	return events.RequestData{}, fmt.Errorf("gateway: the claim of a request is not there: %w", events.ErrUnavailable)
}

// resumeCreation returns the session of a claim, after appending what its creation lacks.
func (g *Gateway) resumeCreation(ctx context.Context, req *createRequest, account string, claim events.RequestData) (n creation, err error) {
	s, steps, err := g.created(ctx, claim.Region, claim.Session)
	if err != nil {
		return n, err
	}
	if !s.Known() {
		if n, err = g.plan(req, account, claim.Region); err != nil {
			return n, err
		}
	} else {
		n.data.Joinable, n.extra, n.data.Account = s.Joinable, req.ExtraData, account
	}
	n.region, n.session, n.peer = claim.Region, claim.Session, claim.Peer
	if err := g.complete(ctx, n, &steps); err != nil || !s.Known() {
		return n, err
	}
	if s.Ended() || s.Status == projections.StatusTerminating {
		return n, &apiError{status: http.StatusBadRequest, code: codeWrongState, message: "the session of this key has ended: take a new key"}
	}
	n.status = s.Status
	return n, nil
}

// steps is how far a session's creation is in the log.
type steps struct {
	created, extra, joined, ended bool
	wantsExtra                    bool
	last                          events.Seq
}

// created reads how far a session's creation is.
func (g *Gateway) created(ctx context.Context, r events.Region, id events.SessionID) (s projections.Session, at steps, err error) {
	err = g.cfg.Log.History(ctx, r, id, 0, func(e events.Event) error {
		s = s.Apply(e)
		at.last = e.Sequence
		at.extra = at.extra || e.Is(events.Gateway, events.ExtraData)
		return nil
	})
	at.created, at.joined, at.ended, at.wantsExtra = s.Known(), s.Generation > 0, s.Ended(), s.HasExtraData
	return s, at, err
}

// complete appends what a creation lacks, one event after the other, each only if nobody else has appended meanwhile: of
// several that do it at once each event comes from one. from is how far it is, nil for one that has not begun.
func (g *Gateway) complete(ctx context.Context, n creation, from *steps) (err error) {
	at := steps{}
	if from != nil {
		at = *from
	}
	for range creationTries {
		var d events.Draft
		switch {
		case !at.created:
			d = n.draft(events.Created, n.data)
		case at.joined || at.ended:
			return g.seen(ctx, at.last)
		case at.wantsExtra && !at.extra:
			d = n.draft(events.ExtraData, events.ExtraDataData{ExtraData: n.extra})
		default:
			d = n.draft(events.Joined, n.joined())
		}
		seq, err := g.cfg.Log.AppendExpecting(ctx, d, at.last)
		switch {
		case errors.Is(err, events.ErrConflict):
			if _, at, err = g.created(ctx, n.region, n.session); err != nil {
				return err
			}
			continue
		case err != nil:
			return err //nolint:wrapcheck // events says whose it is
		}
		switch {
		case !at.created:
			at.created, at.wantsExtra = true, n.data.HasExtraData
		case at.wantsExtra && !at.extra:
			at.extra = true
		default:
			at.joined = true
		}
		at.last = seq
	}
	return fmt.Errorf("gateway: creation of %s: %w", n.session, events.ErrConflict)
}
