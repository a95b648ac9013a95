package webhook

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"streamstack/events"
	"streamstack/projections"
)

const (
	// maxURL is the longest URL, in bytes.
	maxURL = 2048
	// maxTypes is how many types a webhook may name.
	maxTypes = 64
)

// ErrInvalid is returned for a registration that is none.
var ErrInvalid = errors.New("webhook")

// hook is a webhook, ready for use.
type hook struct {
	projections.Webhook
	choices []events.Choice
}

func newHook(w projections.Webhook) (hook, error) {
	h := hook{Webhook: w}
	for _, text := range w.Types {
		c, err := events.ParseChoice(text)
		if err != nil {
			return h, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		c.Region = w.Region
		h.choices = append(h.choices, c)
	}
	return h, nil
}

// subjects are the consumer's filters, none of which takes in what another does: JetStream refuses that.
func (h hook) subjects() []string {
	if len(h.choices) == 0 {
		return []string{events.Filter{Region: h.Region}.Subject()}
	}
	var out []string
	for i, c := range h.choices {
		covered := slices.ContainsFunc(h.choices[:i], func(o events.Choice) bool { return o.Covers(c.Filter) }) ||
			slices.ContainsFunc(h.choices[i+1:], func(o events.Choice) bool { return o.Covers(c.Filter) && !c.Covers(o.Filter) })
		if !covered {
			out = append(out, c.Subject())
		}
	}
	return out
}

// match tells whether the webhook wants an event; the consumer's filters may let through more.
func (h hook) match(e events.Event) bool {
	return (h.Region == "" || e.Region == h.Region) && events.Chosen(h.choices, e)
}

// credentials are names of query parameters that hold what opens something.
var credentials = []string{"token", "access_token", "auth_token", "api_token", "api_key", "apikey", "secret", "client_secret", "password",
	"passwd", "sig", "signature"}

// credential names the query parameter of an address that looks like a secret, or is empty.
func credential(u *url.URL) string {
	for name := range u.Query() {
		if slices.Contains(credentials, strings.ReplaceAll(strings.ToLower(name), "-", "_")) {
			return "parameter " + strconv.Quote(name)
		}
	}
	return ""
}

// checkURL refuses what could not be posted to, and what would put a password into an event. The rest of an address, its path
// among it, is no secret: it is in the webhook's event, and operators see it. What tells a receiver that a delivery is ours is
// its signature.
func checkURL(text string, g Guard) error {
	u, err := url.Parse(text)
	switch {
	case strings.ContainsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }): // url.Parse lets some pass
		return fmt.Errorf("%w: the URL must not hold white space or control characters; write a space as %%20", ErrInvalid)
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.Opaque != "":
		return fmt.Errorf("%w: the URL must be http://HOST/… or https://HOST/…", ErrInvalid)
	case u.User != nil:
		return fmt.Errorf("%w: the URL must not hold a user or password; deliveries are signed instead", ErrInvalid)
	case credential(u) != "":
		return fmt.Errorf("%w: the URL's %s would be in the log, for operators to read; deliveries are signed instead, with a secret that is not", ErrInvalid, credential(u))
	case u.Fragment != "":
		return fmt.Errorf("%w: the URL must not have a fragment", ErrInvalid)
	case len(text) > maxURL:
		return fmt.Errorf("%w: the URL has more than %d bytes", ErrInvalid, maxURL)
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		if err := g.Check(a); err != nil {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
	}
	return nil
}
