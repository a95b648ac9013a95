package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A sandbox is a stream into which recorded events are appended again, for tools and tests that shall not touch the log.
// Its subjects are those of SESSIONS behind a prefix of its own, replay.<stream>., which nothing else listens to; all
// readers of this package take its events for what they were.
const replayPrefix = "replay."

// Headers of a replayed event that say where it came from; CloudEvents extension attributes.
const (
	hdrOriginSequence = "ce-originsequence"
	hdrOriginStored   = "ce-originstored" // RFC 3339
	// hdrOriginQuarantine is why the event must not be trusted. The copy may have nothing left that tells: headers that were
	// forged are not copied, and data that was no JSON has become a JSON string.
	hdrOriginQuarantine = "ce-originquarantine"
)

// sandboxMaxMsg is the longest message of a sandbox in bytes, headers included: more than the log takes, for a copy has
// headers of its own. It is the server's usual max_payload.
const sandboxMaxMsg = 4 * MaxData

// ErrNotSandbox is returned for a stream that exists, or may exist, for another purpose.
var ErrNotSandbox = errors.New("events: not a sandbox stream")

// sandboxName is what a stream may be called that is one token of its subjects.
var sandboxName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}$`)

// systemStreams are ours; KV_ and OBJ_ begin the names of buckets.
var systemStreams = []string{SessionsStream, WorkStream, AgentsStream, AccountsStream, DeadlinesStream, QualityStream, WebhooksStream}

// CheckSandbox refuses what cannot be the name of a sandbox.
func CheckSandbox(stream string) error {
	// In whatever case: a server keeps a stream in a folder of its name, and not all file systems tell a from A.
	upper := strings.ToUpper(stream)
	switch {
	case !sandboxName.MatchString(stream):
		return fmt.Errorf("%w: %q: use letters, digits, hyphens and underscores, at most 63", ErrNotSandbox, stream)
	case slices.Contains(systemStreams, upper), strings.HasPrefix(upper, "KV_"), strings.HasPrefix(upper, "OBJ_"):
		return fmt.Errorf("%w: %s belongs to the stack: choose another name", ErrNotSandbox, stream)
	}
	return nil
}

// SandboxFilter takes in the events of a sandbox that a filter of SESSIONS would.
func SandboxFilter(stream, filter string) string { return replayPrefix + stream + "." + filter }

// CreateSandbox makes a sandbox, or finds it made. A stream of that name with other subjects is left alone, and refused.
func (l *Log) CreateSandbox(ctx context.Context, stream string) error {
	if err := CheckSandbox(stream); err != nil {
		return err
	}
	subjects := []string{SandboxFilter(stream, AllSessions)}
	named := l.Refusals()
	looking, cancel := context.WithTimeout(ctx, readTimeout) // what is refused is not answered
	defer cancel()
	s, err := l.js.Stream(looking, stream)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		_, err = l.js.CreateStream(ctx, jetstream.StreamConfig{
			Name: stream, Description: "replayed sessions", Subjects: subjects, AllowDirect: true, MaxMsgSize: sandboxMaxMsg,
		})
		if err != nil {
			return fmt.Errorf("events: create sandbox %s: %w", stream, err)
		}
		return nil
	case err != nil:
		return named(readError(stream, err))
	case !slices.Equal(s.CachedInfo().Config.Subjects, subjects):
		return fmt.Errorf("%w: %s holds %s: choose another name", ErrNotSandbox, stream, strings.Join(s.CachedInfo().Config.Subjects, ", "))
	}
	return nil
}

// AppendReplay appends a recorded event, of the log or of another sandbox, to a sandbox. It keeps its id, so that it is
// recognised; the message's id is new, or the stream would swallow a second replay as a duplicate. What must not be trusted
// stays so. Data that was no JSON is cut short where it has become too long for a message (see [quote]).
func (l *Log) AppendReplay(ctx context.Context, stream string, e Event) (Seq, error) {
	subject := SandboxFilter(stream, originalSubject(e.Subject))
	if !publishable(subject) {
		return 0, fmt.Errorf("%w: %q", ErrSubject, subject)
	}
	id, err := uuid.NewRandom()
	if err != nil {
		return 0, fmt.Errorf("events: id: %w", err)
	}
	m := nats.NewMsg(subject)
	m.Data = e.Data
	var text string
	if len(m.Data) > 2*MaxData && json.Unmarshal(m.Data, &text) == nil { // longer than it was: see [Event.check]
		m.Data = quote([]byte(text[:min(len(text), MaxData/2)])) // six bytes for one at most
	}
	for key, value := range map[string]string{
		hdrSpecVersion: specVersion, hdrID: e.ID, hdrSource: e.Source, hdrType: e.Type, hdrTime: e.Time.UTC().Format(time.RFC3339Nano),
		hdrContentType: e.ContentType, hdrSchema: e.Schema, hdrMsgID: id.String(),
		hdrOriginSequence: strconv.FormatUint(uint64(e.Sequence), 10), hdrOriginStored: e.Stored.UTC().Format(time.RFC3339Nano),
		hdrOriginQuarantine: e.Quarantine,
	} {
		if value != "" {
			m.Header[key] = []string{value}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, appendTimeout)
	defer cancel()
	ack, err := l.js.PublishMsg(ctx, m, jetstream.WithExpectStream(stream))
	if err != nil {
		return 0, appendError(subject, err)
	}
	return Seq(ack.Sequence), nil
}

// parseEventSubject reads the subject of a session's event, in SESSIONS or in a sandbox.
func parseEventSubject(subject string) (Subject, error) {
	return ParseSubject(originalSubject(subject))
}

// originalSubject is where an event of a sandbox was in the log; any other subject is what it is.
func originalSubject(subject string) string {
	if rest, replayed := strings.CutPrefix(subject, replayPrefix); replayed {
		if _, original, found := strings.Cut(rest, "."); found {
			return original
		}
	}
	return subject
}
