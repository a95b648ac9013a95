package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
)

// Header names: CloudEvents 1.0, NATS protocol binding, binary mode (attributes with the prefix ce-).
const (
	hdrSpecVersion = "ce-specversion"
	hdrID          = "ce-id"
	hdrSource      = "ce-source"
	hdrType        = "ce-type"
	hdrTime        = "ce-time"
	hdrContentType = "ce-datacontenttype"
	hdrSchema      = "ce-dataschema"

	hdrMsgID    = "Nats-Msg-Id"
	hdrTTL      = "Nats-TTL"
	hdrStream   = "Nats-Stream"
	hdrSubject  = "Nats-Subject"
	hdrSequence = "Nats-Sequence"
	// hdrLastSequence is of the message before: in its stream on a live subject, in the answer in a batch.
	hdrLastSequence = "Nats-Last-Sequence"
	hdrStored       = "Nats-Time-Stamp"

	specVersion = "1.0"
	contentJSON = "application/json"
)

// MaxData is the longest data of an event, in bytes: well below the server's max_payload of 1 MiB, and room for any SDP.
const MaxData = 256 << 10

// ErrTooLarge is returned for data beyond [MaxData].
var ErrTooLarge = errors.New("events: data too large")

// Event is one entry of a log: a CloudEvent with its place in the stream.
type Event struct {
	ID     string
	Source string
	Type   string
	// Time is when the publisher says it happened, Stored when the stream took it.
	Time    time.Time
	Stored  time.Time
	Subject string
	// Sequence is the place in the stream; 0 in an event that was not appended.
	Sequence    Seq
	ContentType string
	// Schema is the URI of the data's JSON Schema, see [SchemaURI]; empty in an event of a type that its publisher did
	// not know.
	Schema string
	Data   Raw
	// Appended is the type that the event was appended with, if that was an older version than Type; empty otherwise.
	Appended string

	// Region, Session, Actor and Name are read from the subject; empty in an event of another stream than SESSIONS.
	Region  Region
	Session SessionID
	Actor   Actor
	Name    Name

	// Quarantine says why the event may not be folded; empty in a sound one.
	Quarantine string
}

// Draft is an event about to be appended.
type Draft struct {
	Subject string
	Source  string
	Type    string
	Data    any
	// TTL, when above 0, lets the event expire.
	TTL time.Duration
	// id, if not empty, is the event's; see [Draft.Once].
	id string
}

// Once gives the draft its event's id now, so that all its appends are one event: whoever appends it again, since an answer
// was lost, gets the sequence of the first. The stream remembers for two minutes. It is for appends without condition:
// those with one are told of a conflict first.
func (d Draft) Once() (Draft, error) {
	id, err := newID()
	d.id = id
	return d, err
}

// newID makes an event's id.
func newID() (string, error) {
	id, err := uuid.NewRandom()
	if err != nil {
		return "", fmt.Errorf("events: id: %w", err)
	}
	return id.String(), nil
}

// NewDraft makes a draft of a session's event. Whether it expires is decided by the [Log] that appends it.
func NewDraft(r Region, id SessionID, a Actor, n Name, data any) Draft {
	return Draft{Subject: Subject{r, id, a, n}.String(), Source: SourceOf(a), Type: TypeOf(n), Data: data}
}

// encode makes the NATS message of a draft. The event's id is always random: a derived one could be guessed, and the
// stream would then swallow the second of the two as a duplicate.
func (d Draft) encode(now time.Time) (*nats.Msg, error) {
	data, err := json.Marshal(d.Data)
	if err != nil {
		return nil, fmt.Errorf("events: encode %s: %w", d.Subject, err)
	}
	if len(data) > MaxData {
		return nil, fmt.Errorf("%w: %s has %d bytes, at most %d are allowed", ErrTooLarge, d.Subject, len(data), MaxData)
	}
	if d.id == "" {
		if d.id, err = newID(); err != nil {
			return nil, err
		}
	}
	random := []string{d.id}
	// Room for all that an append adds: a map that grows costs as much as the JSON of a small event.
	h := make(nats.Header, maxHeaders)
	h[hdrSpecVersion] = []string{specVersion}
	h[hdrID] = random
	h[hdrSource] = []string{d.Source}
	h[hdrType] = []string{d.Type}
	h[hdrTime] = []string{now.UTC().Format(time.RFC3339Nano)}
	h[hdrContentType] = []string{contentJSON}
	h[hdrMsgID] = random
	if uri := SchemaURI(d.Type); uri != "" {
		h[hdrSchema] = []string{uri}
	}
	if d.TTL > 0 {
		// Whole seconds, as the server counts them; never 0, which would mean for ever.
		h[hdrTTL] = []string{strconv.FormatInt(max(1, int64(d.TTL/time.Second)), 10) + "s"}
	}
	return &nats.Msg{Subject: d.Subject, Header: h, Data: data}, nil
}

// decode makes an event of a stored message whose subject, sequence and time the server vouches for. served is how
// many values of each Nats-* header the server itself put there (1 on live subjects and in Direct Get, 0 from consumers),
// sound whether h is all that the publisher sent as headers.
func decode(subject string, seq Seq, stored time.Time, h nats.Header, data []byte, served int, sound bool) Event {
	e := Event{
		ID:          last(h, hdrID),
		Source:      last(h, hdrSource),
		Type:        last(h, hdrType),
		Subject:     subject,
		Sequence:    seq,
		Stored:      stored.UTC(),
		ContentType: last(h, hdrContentType),
		Schema:      last(h, hdrSchema),
		Data:        data,
	}
	e.Quarantine = e.check(h, served)
	if !sound {
		e.Quarantine = "headers are malformed"
	}
	if s, err := parseEventSubject(subject); err == nil {
		e.Region, e.Session, e.Actor, e.Name = s.Region, s.Session, s.Actor, s.Name
		if e.Quarantine == "" {
			e.Quarantine = e.checkSession(h)
		}
	} else if strings.HasPrefix(subject, sessionsPrefix) && e.Quarantine == "" {
		e.Quarantine = "subject is none of a session's event"
	}
	if q := last(h, hdrOriginQuarantine); q != "" && strings.HasPrefix(subject, replayPrefix) {
		e.Quarantine = q
	}
	e.upcast()
	return e
}

// check looks for what is wrong with the envelope whatever the stream, and sets Time and Data right.
func (e *Event) check(h nats.Header, served int) string {
	problem := ""
	t, err := time.Parse(time.RFC3339Nano, last(h, hdrTime))
	if y := t.UTC().Year(); err != nil || y < 1 || y > 9999 {
		t, problem = e.Stored, "ce-time is missing or malformed"
	}
	e.Time = t.UTC()
	if e.ID == "" {
		problem = "ce-id is missing"
	}
	if last(h, hdrSpecVersion) != specVersion {
		problem = "ce-specversion is not " + specVersion
	}
	for _, key := range []string{hdrSubject, hdrSequence, hdrStored} {
		if len(h[key]) > served {
			problem = "brought its own " + key
		}
	}
	if !utf8.Valid(e.Data) || !validJSON(e.Data) {
		// Kept as a JSON string, so that showing and exporting it stays possible.
		e.Data = quote(e.Data)
		problem = "data is not JSON"
	}
	return problem
}

// quote makes a JSON string of any bytes; those that are not UTF-8 become U+FFFD.
func quote(b []byte) Raw {
	q, err := json.Marshal(string(b))
	if err != nil { // a string always marshals
		return Raw(`""`)
	}
	return q
}

// checkSession looks for a disagreement of subject and headers.
func (e *Event) checkSession(h nats.Header) string {
	if !Allowed(e.Actor, e.Name) {
		return fmt.Sprintf("%s may not append %s", e.Actor, e.Name)
	}
	if n, _, ok := ParseType(e.Type); !ok || n != e.Name {
		return "ce-type disagrees with the subject"
	}
	if e.Source != SourceOf(e.Actor) {
		return "ce-source disagrees with the subject"
	}
	if last(h, hdrTTL) != "" && Known(e.Name) && !ShortLived(e.Name) {
		return "a lifecycle event with a time to live"
	}
	return ""
}

// Decode reads the data into v. Unknown fields are ignored: a newer publisher may send more.
func (e Event) Decode(v any) error {
	if err := json.Unmarshal(e.Data, v); err != nil {
		return fmt.Errorf("events: data of %s at %d: %w", e.Type, e.Sequence, err)
	}
	return nil
}

// Peer is the peer that the event is about, empty where there is none.
func (e Event) Peer() PeerID {
	var p peerOnly
	if json.Unmarshal(e.Data, &p) != nil {
		return ""
	}
	return p.Peer
}

// Is tells whether the event is a sound one of this actor and name.
func (e Event) Is(a Actor, n Name) bool { return e.Actor == a && e.Name == n && e.Sound() }

// Sound tells whether a session's event may be folded and acted on: nothing is wrong with it, and its data has the form
// that this program knows, of the newest version. Others are carried and shown, never folded.
func (e Event) Sound() bool { return e.Quarantine == "" && e.Type == TypeOf(e.Name) }

// EventJSON is the JSON form of an event: CloudEvents 1.0, JSON event format, with the extensions sequence, appendedtype
// and quarantine.
type EventJSON struct {
	SpecVersion string `json:"specversion" jsonschema:"enum=1.0"` // of CloudEvents
	// ID is a random UUID.
	ID string `json:"id"`
	// Source is streamstack/ and who appended the event.
	Source string `json:"source"`
	// Type is the event's type with its version.
	Type string `json:"type"`
	// Time is when the publisher says it happened (RFC 3339).
	Time string `json:"time" jsonschema:"format=date-time"`
	// Subject is the NATS subject that the event was appended on.
	Subject string `json:"subject"`
	// Sequence is the event's place in its stream; 0 in one that was not appended.
	Sequence    Seq    `json:"sequence" jsonschema:"minimum=0"`
	ContentType string `json:"datacontenttype"` // application/json
	// Schema is the URI of the data's JSON Schema: its path, at any gateway, is where it is served.
	Schema string `json:"dataschema,omitempty"`
	// Appended is the type that the event was appended with, if that was an older version of type.
	Appended string `json:"appendedtype,omitempty"`
	// Quarantine says why the event must not be trusted; not there in a sound one.
	Quarantine string `json:"quarantine,omitempty"`
	// Data is what happened; the type says of which form it is.
	Data Raw `json:"data"`
}

// MarshalJSON gives the form of cli.md, "An event, as printed with --json".
func (e Event) MarshalJSON() ([]byte, error) {
	return json.Marshal(EventJSON{specVersion, e.ID, e.Source, e.Type, e.Time.UTC().Format(time.RFC3339Nano), e.Subject,
		e.Sequence, e.ContentType, e.Schema, e.Appended, e.Quarantine, e.Data})
}

// UnmarshalJSON reads what [Event.MarshalJSON] wrote, of this version or an older one.
func (e *Event) UnmarshalJSON(b []byte) error {
	var j EventJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return fmt.Errorf("events: %w", err)
	}
	t, err := time.Parse(time.RFC3339Nano, j.Time)
	if err != nil {
		return fmt.Errorf("events: time: %w", err)
	}
	*e = Event{ID: j.ID, Source: j.Source, Type: j.Type, Time: t, Subject: j.Subject, Sequence: j.Sequence,
		ContentType: j.ContentType, Schema: j.Schema, Data: j.Data, Appended: j.Appended, Quarantine: j.Quarantine}
	if s, err := parseEventSubject(j.Subject); err == nil {
		e.Region, e.Session, e.Actor, e.Name = s.Region, s.Session, s.Actor, s.Name
	}
	e.upcast()
	return nil
}
