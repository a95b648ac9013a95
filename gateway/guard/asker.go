package guard

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"streamstack/events"
	"streamstack/events/trust"
)

const sessions = events.SessionsStream

// asker is who calls, as the subject says it: permissions keep everybody to his own.
type asker struct {
	trust.Identity
}

// parse takes the subject of a call apart: who asks, and which call it is, token by token.
func parse(subject string) (who asker, call []string, ok bool) {
	t := strings.Split(subject, ".")
	if len(t) < 3 || t[0] != trust.Guard {
		return who, nil, false
	}
	who.Role = trust.Role(t[1])
	call = t[2:]
	switch who.Role {
	case trust.Operator, trust.Analytics, trust.AnalyticsSDP:
		return who, call, true
	case trust.Agent:
		if len(call) < 3 {
			return who, nil, false
		}
		who.Region, who.Agent = events.Region(call[0]), events.AgentID(call[1])
		return who, call[2:], events.ValidToken(call[0]) && events.ValidToken(call[1])
	default:
		return who, nil, false
	}
}

// fromElsewhere begins the subjects on which answers leave for another account.
const fromElsewhere = "_R_."

// elsewhere tells whether the asker is in another account.
func (a asker) elsewhere() bool { return a.Role == trust.Analytics || a.Role == trust.AnalyticsSDP }

// mayAnswerOn tells whether the answer goes to the asker. Permissions do not look at a reply subject: without this,
// JetStream would deliver to any subject at all. Acknowledgements and farewells need no answer.
func (a asker) mayAnswerOn(reply string, call []string) bool {
	if reply == "" {
		return call[0] == ackCall || strings.HasPrefix(strings.Join(call, "."), "CONSUMER.DELETE.")
	}
	if a.elsewhere() {
		return strings.HasPrefix(reply, fromElsewhere)
	}
	return strings.HasPrefix(reply, a.Inbox()+".")
}

// errNotAllowed is the cause of all refusals.
var errNotAllowed = errors.New("guard: not allowed")

func refusal(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errNotAllowed, fmt.Sprintf(format, args...))
}

// check tells what becomes of a call.
func (a asker) check(call []string, body []byte) (outcome, error) {
	var r rules
	switch a.Role {
	case trust.Agent:
		r = agentRules(a)
	case trust.Operator:
		r = operatorRules(a)
	default:
		r = analystRules(a.Role)
	}
	return r.check(call, body)
}

// rules are what a role may do. A nil function allows nothing.
type rules struct {
	// plain tells whether a call that names all it touches in its subject is allowed; its body is left out. So is all
	// that open tells of, whatever its body.
	plain, open func(call string) bool
	// read checks the filters of a Direct Get or of a single message's.
	read func(stream string, filters []string) error
	// used tells whether a consumer may be pulled from and acknowledged to; kept, whether it may be looked at and deleted.
	// session is as in [outcome].
	used func(stream, name string) error
	kept func(stream, name string) (session string, err error)
	// made checks a consumer that shall be made, and may change it.
	made func(stream string, c *consumerConfig) (session string, err error)
	// pushed tells whether a consumer of a stream may push to a subject.
	pushed func(stream, to string) bool
	// stream checks a stream that shall be made.
	stream func(*streamConfig) error
}

// check finds the kind of a call and asks the rule.
func (r rules) check(call []string, body []byte) (outcome, error) {
	text := strings.Join(call, ".")
	o := outcome{subject: apiPrefix + text}
	err := refusal("%s is no call for this role", text)
	switch is := func(prefix string, tokens int) bool { return len(call) == tokens && strings.HasPrefix(text, prefix) }; {
	case r.plain != nil && r.plain(text):
		err = nil
	case r.open != nil && r.open(text):
		o.body, err = body, nil
	case r.read != nil && is("DIRECT.GET.", 3), r.read != nil && is("STREAM.MSG.GET.", 4):
		err = r.checkRead(call[len(call)-1], body, &o)
	case r.stream != nil && is("STREAM.CREATE.", 3):
		err = r.checkStream(call[2], body, &o)
	case r.made != nil && len(call) >= 4 && strings.HasPrefix(text, "CONSUMER.CREATE."): // a filter may follow
		err = r.checkMade(call[2], call[3], body, &o)
	case r.made != nil && is("CONSUMER.DURABLE.CREATE.", 5): // what old libraries call
		err = r.checkMade(call[3], call[4], body, &o)
	case r.kept != nil && (is("CONSUMER.INFO.", 4) || is("CONSUMER.DELETE.", 4)):
		o.session, err = r.kept(call[2], call[3])
	case r.used != nil && is("CONSUMER.MSG.NEXT.", 5):
		o.body = body // how many, and how long to wait
		err = r.used(call[3], call[4])
	case r.used != nil && call[0] == ackCall && len(call) > 3:
		o.subject, o.body = ackPrefix+strings.Join(call[1:], "."), body
		err = errors.Join(r.used(call[1], call[2]), checkAck(body))
	}
	return o, err
}

// checkAck keeps to what ends a message's delivery: one of the answers asks for the next message too, and names where to.
func checkAck(body []byte) error {
	for _, known := range []string{"", "+ACK", "+WPI"} {
		if string(body) == known {
			return nil
		}
	}
	for _, known := range []string{"-NAK", "+TERM"} {
		if strings.HasPrefix(string(body), known) {
			return nil
		}
	}
	return refusal("%.20q is no answer to a message", body)
}

// readRequest is the body of a Direct Get and of a single message's, as far as a role may use it.
type readRequest struct {
	Seq      uint64 `json:"seq,omitempty"`
	NextFor  string `json:"next_by_subj,omitempty"`
	LastFor  string `json:"last_by_subj,omitempty"`
	Batch    int    `json:"batch,omitempty"`
	MaxBytes int    `json:"max_bytes,omitempty"`
}

func (r rules) checkRead(stream string, body []byte, o *outcome) error {
	var q readRequest
	if err := json.Unmarshal(body, &q); err != nil {
		return refusal("the request is not JSON: %v", err)
	}
	var filters []string
	for _, f := range []string{q.NextFor, q.LastFor} {
		if f != "" {
			filters = append(filters, f)
		}
	}
	if err := r.read(stream, filters); err != nil {
		return err
	}
	return write(q, o)
}

func write(v any, o *outcome) (err error) {
	if o.body, err = json.Marshal(v); err != nil {
		return fmt.Errorf("guard: %w", err)
	}
	return nil
}
