package trust

import (
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"

	"streamstack/events"
)

// pullLife is the longest pull request of an analyst: after it, the server forgets where its messages go.
const pullLife = 15 * time.Minute

// AnalystStreams are the streams that analysts may make consumers on and look at.
func AnalystStreams() []string {
	return []string{events.SessionsStream, events.QualityStream, events.AgentsStream}
}

// analystCall is a call of JetStream that an analysts' account imports from the main one, by how it gets there:
//
//   - as it is, when the subject tells all;
//   - by the guard, when the body matters: a gateway looks at it, calls JetStream, and hands the answer back;
//   - by the consumer's name. The account maps the subject to one that has the name's first letters as a token of its
//     own, and imports that subject for the right letters only. So "consumers named an-…" can be said in subjects after
//     all, and messages run past every gateway.
//
// The last way is open to accounts that do nothing else, for a mapping holds for all users of an account. Permissions are
// asked after the mapping, so that the mapped subjects are what analysts may publish on; who publishes on one himself,
// with letters that are not the name's, finds that mapped too, to where nobody may. The guard's way is not open to
// pulls: a client cannot pass on where an answer to another account goes.
type analystCall struct {
	call string // as the analyst's program makes it; it ends in the stream and, by the name, in .* or .*.>
	how  analystWay
	many bool // more than one message may come back
}

type analystWay int

const (
	asItIs analystWay = iota
	byGuard
	byName
)

func analystCalls() (list []analystCall) {
	// Refused; but an account that imports none of its own gets all of the API from the server, for an account without
	// streams, and every call would have two answers.
	list = append(list, analystCall{call: api + "INFO", how: byGuard})
	for _, s := range AnalystStreams() {
		list = append(list,
			analystCall{call: api + "STREAM.INFO." + s},
			analystCall{call: api + "CONSUMER.CREATE." + s + ".>", how: byGuard},
			analystCall{call: api + "CONSUMER.DURABLE.CREATE." + s + ".*", how: byGuard},
			analystCall{call: api + "CONSUMER.INFO." + s + ".*", how: byName},
			analystCall{call: api + "CONSUMER.DELETE." + s + ".*", how: byName},
			analystCall{call: api + "CONSUMER.MSG.NEXT." + s + ".*", how: byName, many: true},
			analystCall{call: acks + s + ".*.>", how: byName},
		)
	}
	return list
}

// lettersOf is how many letters of a name tell whose consumer it is.
const lettersOf = len(AnalystConsumers)

// firstLetters are those of the consumers that an account reaches.
func firstLetters(r Role) []string {
	if r == AnalyticsSDP {
		return []string{AnalystConsumers[:lettersOf], AnalystSDPConsumers[:lettersOf]}
	}
	return []string{AnalystConsumers[:lettersOf]}
}

// Subjects of the mapping: what begins with the first is mapped to what begins with the second.
const (
	mapped  = "named."
	refused = "refused."
)

// named is the subject to which a call is mapped: letters is what stands for the name's first ones, name for the name.
func (c analystCall) named(letters, name string) string {
	return mapped + letters + "." + strings.Replace(strings.TrimPrefix(c.call, "$"), "*", name, 1)
}

// target is where the call arrives in the main account.
func (c analystCall) target(r Role) string {
	if c.how == byGuard {
		return roleGuard(r) + "." + strings.TrimPrefix(c.call, api)
	}
	return c.call
}

// mappings take the letters out of the names.
func mappings() jwt.Mapping {
	m := jwt.Mapping{mapped + ">": {{Subject: refused + ">"}}}
	for _, c := range analystCalls() {
		if c.how == byName {
			m[jwt.Subject(c.call)] = []jwt.WeightedMapping{{Subject: jwt.Subject(c.named(fmt.Sprintf("{{left(1,%d)}}", lettersOf), "{{wildcard(1)}}"))}}
		}
	}
	return m
}

// locals are the subjects of a call, in the analysts' account, after the mapping. name stands for the consumer's.
func (c analystCall) locals(r Role, name string) (list []string) {
	if c.how != byName {
		return []string{c.call}
	}
	for _, letters := range firstLetters(r) {
		list = append(list, c.named(letters, name))
	}
	return list
}

// imports are what an analysts' account takes from the main one.
func imports(r Role, main string) (list jwt.Imports) {
	for _, c := range analystCalls() {
		for _, local := range c.locals(r, "$1") {
			list = append(list, &jwt.Import{
				Name: local, Account: main, Type: jwt.Service, Subject: jwt.Subject(c.target(r)), LocalSubject: jwt.RenamingSubject(local),
			})
		}
	}
	return list
}

// exports are the other end of [imports].
func exports() (list jwt.Exports) {
	seen := map[string]bool{}
	for _, r := range []Role{Analytics, AnalyticsSDP} {
		for _, c := range analystCalls() {
			if seen[c.target(r)] {
				continue
			}
			seen[c.target(r)] = true
			e := &jwt.Export{Subject: jwt.Subject(c.target(r)), Type: jwt.Service, ResponseType: jwt.ResponseTypeSingleton}
			if c.many {
				e.ResponseType, e.ResponseThreshold = jwt.ResponseTypeStream, pullLife
			}
			list = append(list, e)
		}
	}
	return list
}
