package guard

import (
	"slices"
	"strings"

	"streamstack/events"
	"streamstack/events/trust"
)

// heartbeats is the stream of the heartbeats' bucket.
const heartbeats = "KV_" + events.HeartbeatBucket

// sessionConsumers is how the names of streamers' durables begin.
var sessionConsumers = events.SessionConsumer("")

// agentRules keep an agent to its region: it reads the region's sessions, takes work for the region, and makes the
// durables of its streamers, from which it does not read.
func agentRules(a asker) rules {
	own := trust.AgentConsumers(a.Region)
	work := events.WorkConsumer(a.Region, "")
	inRegion := func(filters []string) error {
		within := strings.TrimSuffix(events.SessionFilter(a.Region, ""), ".>") // sessions.<r>.
		for _, f := range filters {
			if !strings.HasPrefix(f, within) {
				return refusal("filter %q is not within %s>", f, within)
			}
		}
		if len(filters) == 0 {
			return refusal("a filter within %s> is needed", within)
		}
		return nil
	}
	used := func(stream, name string) error {
		if stream == sessions && strings.HasPrefix(name, own) || stream == events.WorkStream && strings.HasPrefix(name, work) {
			return nil
		}
		return refusal("consumer %s of %s is not for this region's agents to read", name, stream)
	}
	// Only a gateway appends it. So a session that has it is one of the region, and its durable no other region's.
	created := func(id events.SessionID) string {
		return events.Subject{Region: a.Region, Session: id, Actor: events.Gateway, Name: events.Created}.String()
	}
	return rules{
		plain: func(call string) bool {
			return call == "STREAM.INFO."+sessions || call == "STREAM.INFO."+heartbeats
		},
		read: func(stream string, filters []string) error {
			if stream == events.AgentsStream && slices.Equal(filters, []string{events.AgentFilter(a.Region, a.Agent)}) {
				return nil // what gateways say to it
			}
			if stream != sessions {
				return refusal("agents read %s, and %s of %s", sessions, events.AgentFilter(a.Region, a.Agent), events.AgentsStream)
			}
			return inRegion(filters)
		},
		used: used,
		kept: func(stream, name string) (string, error) {
			if id, ok := strings.CutPrefix(name, sessionConsumers); ok && stream == sessions && events.ValidToken(id) {
				return created(events.SessionID(id)), nil
			}
			return "", used(stream, name)
		},
		made: func(stream string, c *consumerConfig) (string, error) {
			switch {
			case stream == events.WorkStream && strings.HasPrefix(c.Name, work):
				app := strings.TrimPrefix(c.Name, work)
				if !events.ValidToken(app) || !slices.Equal(c.FilterSubjects, []string{events.WorkSubject(a.Region, app)}) {
					return "", refusal("consumer %s takes %s", c.Name, events.WorkSubject(a.Region, app))
				}
				return "", nil
			case stream == sessions && strings.HasPrefix(c.Name, own):
				return "", inRegion(c.FilterSubjects)
			case stream == sessions && strings.HasPrefix(c.Name, sessionConsumers):
				id := events.SessionID(strings.TrimPrefix(c.Name, sessionConsumers))
				if !events.ValidToken(string(id)) || !slices.Equal(c.FilterSubjects, []string{events.SessionFilter(a.Region, id)}) {
					return "", refusal("consumer %s takes %s", c.Name, events.SessionFilter(a.Region, id))
				}
				return created(id), nil
			}
			return "", refusal("consumer %s of %s is not for this region's agents to make", c.Name, stream)
		},
	}
}
