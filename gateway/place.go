package gateway

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"streamstack/events"
	"streamstack/projections"
)

// placement is where a new session goes.
type placement struct {
	region events.Region
	app    events.ApplicationData
}

// place chooses a region with room for an application, or says which of application, region and room is missing.
// It is a forecast: the agents' claims decide.
func (g *Gateway) place(app string, version int, want events.Region) (placement, error) {
	ever, alive := g.agentsNow()
	serving := serves(ever, app, version)
	if len(serving) == 0 {
		return placement{}, unknownApp(ever, app, version)
	}
	if want != "" && !slices.ContainsFunc(ever, func(a projections.Agent) bool { return a.Region == want }) {
		return placement{}, cannotHost(codeNoRegion, "region %s does not exist; known regions: %s", quoted(string(want)), regionNames(ever))
	}
	candidates := serves(taking(alive), app, version)
	if want != "" {
		candidates = slices.DeleteFunc(candidates, func(a projections.Agent) bool { return a.Region != want })
	}
	if len(candidates) == 0 {
		return placement{}, cannotHost(codeNotServed, "no agent that is up serves application %s%s at the moment", app, inRegion(want))
	}
	best, room := candidates[0], 0
	for _, a := range candidates {
		if r := g.room(a.Region, candidates); r > room {
			best, room = a, r
		}
	}
	if room == 0 {
		return placement{}, cannotHost(codeNoCapacity, "no room for application %s%s: all slots are taken, try again when a session has ended", app, inRegion(want))
	}
	data, _ := best.Serves(app, version)
	return placement{best.Region, data}, nil
}

// agentsNow returns all agents that ever were, and those that are up.
func (g *Gateway) agentsNow() (ever, alive []projections.Agent) {
	g.agents.Read(func(m *projections.Agents) { ever = m.List() })
	for _, a := range ever {
		if a.Online && g.alive.has(events.HeartbeatKey(a.Region, a.ID)) {
			alive = append(alive, a)
		}
	}
	return ever, alive
}

// taking leaves out the agents that drain: they take no more work.
func taking(alive []projections.Agent) []projections.Agent {
	return slices.DeleteFunc(slices.Clone(alive), func(a projections.Agent) bool { return a.Draining })
}

// room is how many more sessions the candidates of a region can take.
func (g *Gateway) room(r events.Region, candidates []projections.Agent) int {
	var live int
	var held map[events.AgentID]int
	g.sessions.Read(func(m *projections.Sessions) { live, held = m.Load(r) })
	free, taken := 0, 0
	for _, n := range held {
		taken += n
	}
	for _, a := range candidates {
		if a.Region == r {
			free += max(0, a.Slots-held[a.ID])
		}
	}
	return free - (live - taken) // those who wait come first
}

func serves(agents []projections.Agent, app string, version int) (out []projections.Agent) {
	for _, a := range agents {
		if _, ok := a.Serves(app, version); ok {
			out = append(out, a)
		}
	}
	return out
}

func unknownApp(ever []projections.Agent, app string, version int) error {
	msg := fmt.Sprintf("application %q is not known", app)
	if len(serves(ever, app, 0)) > 0 {
		msg = fmt.Sprintf("application %s has no version %d", app, version)
	}
	return &apiError{status: http.StatusBadRequest, code: codeUnknownApp, message: msg}
}

func cannotHost(code, format string, args ...any) error {
	return &apiError{status: http.StatusNotFound, code: code, message: fmt.Sprintf(format, args...)}
}

func inRegion(r events.Region) string {
	if r == "" {
		return ""
	}
	return " in region " + string(r)
}

func regionNames(agents []projections.Agent) string {
	var names []string
	for _, a := range agents {
		if !slices.Contains(names, string(a.Region)) {
			names = append(names, string(a.Region))
		}
	}
	return strings.Join(names, ", ")
}
