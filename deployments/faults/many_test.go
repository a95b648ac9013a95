package faults

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/projections"
)

var (
	sessions = flag.Int("sessions", 40, "sessions of TestManySessions")
	seed     = flag.Uint64("seed", 1, "of what happens in TestManySessions")
)

const (
	// agents and slots are those of TestManySessions.
	agents, slots = 4, 4
	// awayTime is how long one of the agents stays away: not so long that it counts as lost.
	awayTime = 3 * time.Second
)

// Sessions are launched and ended by four agents, two of which are killed on the way: one comes back and takes its instances
// over, the other never does, and is replaced in the end. Every session has exactly one ending; no instance is left; each slot
// can be taken.
func TestManySessions(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 2)
	random := rand.New(rand.NewPCG(*seed, 0))
	var all []*worker
	for i := range agents {
		all = append(all, h.newAgent(agentConfig{ID: events.AgentID(fmt.Sprintf("a%d", i)), Slots: slots}))
	}
	c := &crowd{house: h, random: random, at: map[events.SessionID]projections.Session{}}
	begun := time.Now()
	killed := 0
	for len(c.ids) < *sessions || killed < 2 {
		c.come()
		switch {
		case killed == 0 && len(c.ids) >= *sessions/4 && c.holds(all[0]):
			all[0].kill()
			killed++
		case killed == 1 && len(c.ids) >= *sessions/2 && c.holds(all[1]):
			all[1].kill()
			killed++
			h.comesBack(all[1])
		}
		c.room()
	}
	c.end()
	ids := c.ids
	endings := map[events.Name]int{}
	for _, id := range ids {
		endings[h.session(id).Ending]++
	}
	for _, a := range all[1:] {
		a.nothingLeft()
	}
	// Streamers have ended the instances of the one that stays away. A launch that its death cut short had none yet: that is
	// ended by whoever comes in its place, under another name.
	all[0].config.ID = "replacement"
	cut := all[0].withoutStreamer()
	all[0].start()
	all[0].nothingLeft()
	took := time.Since(begun).Round(time.Second)

	// No slot is lost: what is left can take as many as it ever could, all at once.
	var more []events.SessionID
	for range agents * slots {
		more = append(more, h.create("steady"))
	}
	for _, id := range more {
		h.until(id, events.Ready)
	}
	for _, id := range more {
		h.terminate(id)
	}
	for _, id := range more {
		h.until(id, events.Terminated)
	}
	for _, a := range all {
		a.nothingLeft()
	}
	sum := h.verify(true)
	require.Equal(t, len(ids)+len(more), sum.Sessions)
	t.Logf("seed %d: %d sessions in %s, %d deleted on the way, two of %d agents killed, %d processes of launches that this cut short. Endings: %v. %s",
		*seed, len(ids), took, c.deleted, agents, cut, endings, sum)
}

// crowd are the sessions of the test.
type crowd struct {
	*house
	random  *rand.Rand
	ids     []events.SessionID
	open    []events.SessionID // those without an ending, as far as is known
	at      map[events.SessionID]projections.Session
	deleted int
}

// come creates a session, and now and then deletes one, at any point of its life.
func (c *crowd) come() {
	c.t.Helper()
	app := "brief"
	if c.random.IntN(3) == 0 {
		app = "steady"
	}
	id := c.create(app)
	c.ids, c.open = append(c.ids, id), append(c.open, id)
	if c.random.IntN(4) == 0 {
		c.terminate(c.open[c.random.IntN(len(c.open))])
		c.deleted++
	}
}

// look reads what has become of those that are open.
func (c *crowd) look() {
	c.t.Helper()
	var open []events.SessionID
	for _, id := range c.open {
		s := c.session(id)
		c.at[id] = s
		if s.Live() {
			open = append(open, id)
		}
	}
	c.open = open
}

// holds tells whether an agent has a session that is up.
func (c *crowd) holds(a *worker) bool {
	c.t.Helper()
	c.look()
	for _, id := range c.open {
		if s := c.at[id]; s.Claimed && s.Agent == a.config.ID && s.Status == projections.StatusActive {
			return true
		}
	}
	return false
}

// room waits until there are not many more sessions than slots, and deletes such as would never end.
func (c *crowd) room() { c.fewer((agents - 1) * slots) }

// end waits for the ending of all.
func (c *crowd) end() { c.fewer(1) }

func (c *crowd) fewer(n int) {
	c.t.Helper()
	eventstest.Wait(c.t, patience, func() string {
		c.look()
		if len(c.open) < n {
			return ""
		}
		for _, id := range c.open {
			if s := c.at[id]; s.App == "steady" && s.Status == projections.StatusActive {
				c.terminate(id)
				break
			}
		}
		s := c.at[c.open[0]]
		return fmt.Sprintf("%d sessions to end, such as %s of %s at %s, which is %s", len(c.open)-n+1, s.ID, s.App, s.Agent, s.Status)
	})
}

// comesBack starts an agent again after a while.
func (h *house) comesBack(a *worker) {
	h.t.Helper()
	back := time.Now().Add(awayTime)
	eventstest.Wait(h.t, patience, func() string {
		if time.Now().Before(back) {
			return "the time to pass"
		}
		return ""
	})
	a.start()
}
