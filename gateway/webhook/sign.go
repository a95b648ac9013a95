package webhook

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"streamstack/events"
)

// Headers of a delivery (Standard Webhooks 1.0, "Webhook metadata").
const (
	HeaderID        = "webhook-id"
	HeaderTimestamp = "webhook-timestamp"
	HeaderSignature = "webhook-signature"
)

const (
	// secretSize is the length of a secret in bytes; Standard Webhooks asks for 24 to 64.
	secretSize = 32
	// secretPrefix begins a secret's text, so that people and scanners know what it is.
	secretPrefix = "whsec_"
	// scheme is the version of a signature: HMAC with SHA-256.
	scheme = "v1"
	// tolerance is how far a delivery's time may be from the receiver's clock: what was recorded cannot be sent again
	// later. Every attempt is signed anew.
	tolerance = 5 * time.Minute
)

// Errors of [Verify].
var (
	ErrSignature = errors.New("webhook: the signature is missing or wrong")
	ErrTimestamp = errors.New("webhook: the timestamp is missing or too far from now")
)

// Secret signs the deliveries of one webhook.
type Secret struct{ key []byte }

// Derive makes a webhook's secret of the gateways' root key (HKDF with SHA-256, RFC 5869). All gateways that share the key
// know it, and nothing of it is stored.
func Derive(root []byte, id events.WebhookID) (Secret, error) {
	key, err := hkdf.Key(sha256.New, root, nil, "streamstack webhook "+string(id), secretSize)
	if err != nil {
		return Secret{}, fmt.Errorf("webhook: secret: %w", err)
	}
	return Secret{key}, nil
}

// ParseSecret reads what [Secret.Text] wrote.
func ParseSecret(text string) (Secret, error) {
	b64, ok := strings.CutPrefix(strings.TrimSpace(text), secretPrefix)
	key, err := base64.StdEncoding.DecodeString(b64)
	if !ok || err != nil || len(key) < 24 || len(key) > 64 {
		return Secret{}, errors.New("webhook: the secret is not " + secretPrefix + " and base64 of 24 to 64 bytes") // never quoted
	}
	return Secret{key}, nil
}

// Text is the secret as the receiver's operator gets it, once.
func (s Secret) Text() string { return secretPrefix + base64.StdEncoding.EncodeToString(s.key) }

// String keeps secrets out of messages.
func (s Secret) String() string { return "[secret]" }

// GoString keeps secrets out of messages formatted with %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue keeps secrets out of structured logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// sign is one signature.
func (s Secret) sign(id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, s.key)
	_, _ = mac.Write([]byte(id + "." + timestamp + ".")) // a hash takes everything
	_, _ = mac.Write(body)
	return scheme + "," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// sign sets the headers of a delivery. There is one signature for each secret: while the root key is being replaced, a
// receiver may hold the one or the other.
func sign(h http.Header, secrets []Secret, id string, now time.Time, body []byte) {
	timestamp := strconv.FormatInt(now.Unix(), 10)
	signatures := make([]string, 0, len(secrets))
	for _, s := range secrets {
		signatures = append(signatures, s.sign(id, timestamp, body))
	}
	h.Set(HeaderID, id)
	h.Set(HeaderTimestamp, timestamp)
	h.Set(HeaderSignature, strings.Join(signatures, " "))
}

// Verify checks a delivery as its receiver: that who sent it knows the secret, and that it was sent within the last five
// minutes. The same event may come more than once; the header webhook-id tells.
func Verify(s Secret, h http.Header, body []byte, now time.Time) error {
	timestamp := h.Get(HeaderTimestamp)
	sent, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || now.Sub(time.Unix(sent, 0)).Abs() > tolerance {
		return ErrTimestamp
	}
	want := s.sign(h.Get(HeaderID), timestamp, body)
	for given := range strings.SplitSeq(h.Get(HeaderSignature), " ") {
		if hmac.Equal([]byte(given), []byte(want)) {
			return nil
		}
	}
	return ErrSignature
}
