package guard

import (
	"slices"
	"strings"

	"streamstack/events"
	"streamstack/events/trust"
)

// anyToken and rest are NATS's wildcards.
const anyToken, rest = "*", ">"

// analystRules: pull consumers of their own on what analysts may read. What else they do, they need no guard for. With r
// [trust.AnalyticsSDP] there may be consumers of all of SESSIONS, under names that are out of reach of the others.
func analystRules(r trust.Role) rules {
	return rules{made: func(stream string, c *consumerConfig) (_ string, err error) {
		sdp := strings.HasPrefix(c.Name, trust.AnalystSDPConsumers)
		switch {
		case !slices.Contains(trust.AnalystStreams(), stream):
			return "", refusal("analysts read %s", strings.Join(trust.AnalystStreams(), ", "))
		case sdp && r != trust.AnalyticsSDP:
			return "", refusal("consumers named %s… are for credentials made with --with-sdp", trust.AnalystSDPConsumers)
		case !sdp && !strings.HasPrefix(c.Name, trust.AnalystConsumers):
			return "", refusal("name the consumer %s…, not %s", trust.AnalystConsumers, c.Name)
		case !sdp && stream == sessions:
			c.FilterSubjects, err = lifecycle(c.FilterSubjects)
		}
		return "", err
	}}
}

// lifecycle narrows filters of SESSIONS to events that are neither bulky nor personal: session descriptions,
// candidates, extra data and unknown messages are left out. No filter means all that may be read.
func lifecycle(filters []string) (list []string, err error) {
	if len(filters) == 0 {
		filters = []string{events.AllSessions}
	}
	for _, f := range filters {
		some, err := narrow(f)
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// narrow makes of one filter those of its lifecycle events.
func narrow(filter string) (list []string, err error) {
	t := strings.Split(filter, ".")
	for len(t) < 5 && t[len(t)-1] == rest { // sessions.> is sessions.*.*.*.>
		t = append(t[:len(t)-1], anyToken, rest)
	}
	if len(t) != 5 || t[0] != "sessions" && t[0] != anyToken || t[4] == "" {
		return nil, refusal("filter %q: write sessions.REGION.SESSION.ACTOR.EVENT, with * for any", filter)
	}
	if t[4] == rest {
		t[4] = anyToken
	}
	for _, k := range events.Lifecycle() {
		if (t[3] == anyToken || t[3] == string(k.Actor)) && (t[4] == anyToken || t[4] == string(k.Name)) {
			list = append(list, strings.Join([]string{"sessions", t[1], t[2], string(k.Actor), string(k.Name)}, "."))
		}
	}
	if len(list) == 0 {
		return nil, refusal("filter %q takes no event that these credentials may read: lifecycle events, such as sessions.*.*.gateway.created "+
			"(session descriptions, candidates and extra data need credentials made with --with-sdp, and a consumer named "+trust.AnalystSDPConsumers+"…)", filter)
	}
	return list, nil
}
