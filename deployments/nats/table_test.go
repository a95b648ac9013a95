package natsd

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"streamstack/events"
	"streamstack/events/trust"
)

// tableFile is the table that people compare with design.md.
const tableFile = "testdata/table.txt"

// column is one role of the table.
type column struct {
	letter string
	*user
	api string // what the calls of this role begin with
}

// cell is one line of the table.
type cell struct {
	line int
	verb string
	args []string
	want []string
}

// TestTableOfTrust tries every cell of the table, also those that nobody may.
func TestTableOfTrust(t *testing.T) {
	h := newHouse(t)
	table := readTable(t)
	guarded := func(prefix string) string { return "guard." + prefix + "." }
	columns := []column{
		// The gateway last: what it deletes, the others have been asked for.
		{"A", h.agent(here, agentMine), guarded("agent.here." + string(agentMine))},
		{"S", h.streamer(here, mine), "$JS.API."},
		{"N", h.analytics(), "$JS.API."},
		{"D", h.user(trust.Identity{Role: trust.AnalyticsSDP}), "$JS.API."},
		{"O", h.operator(), guarded("operator")},
		{"G", h.gw, "$JS.API."},
	}
	place := map[string]int{"G": 0, "A": 1, "S": 2, "N": 3, "D": 4, "O": 5}
	tried := 0
	for _, c := range table {
		if c.verb == "call" && strings.HasPrefix(c.args[0], "CONSUMER.") {
			h.remake(c.args[0])
		}
		for _, who := range columns {
			want := c.want[place[who.letter]] == "+"
			if c.verb == "call" && strings.HasPrefix(c.args[0], "CONSUMER.DELETE.") {
				h.remake(c.args[0])
			}
			why := who.try(c)
			tried++
			if got := why == ""; got != want {
				t.Errorf("%s:%d: %s %s: %s: the table says %s; the server: %q", tableFile, c.line, c.verb, strings.Join(c.args, " "), who.letter, c.want[place[who.letter]], why)
			}
		}
	}
	require.Greater(t, tried, 900)
	t.Logf("%d cells", tried)
}

// readTable reads the table; each line has a mark for each role.
func readTable(t *testing.T) (table []cell) {
	t.Helper()
	f, err := os.Open(tableFile)
	require.NoError(t, err)
	defer func() { _ = f.Close() }() // nothing was written
	names := strings.NewReplacer("MINE-EVENTS", events.SessionFilter(here, mine), "THEIRS-EVENTS", events.SessionFilter(there, theirs), "MINE", string(mine), "THEIRS", string(theirs))
	seen := map[string]int{}
	s := bufio.NewScanner(f)
	for n := 1; s.Scan(); n++ {
		words := strings.Fields(names.Replace(s.Text()))
		if len(words) == 0 || words[0] == "#" || words[0] == "==" {
			continue
		}
		require.Greater(t, len(words), 7, "line %d", n)
		c := cell{line: n, verb: words[0], args: words[1 : len(words)-6], want: words[len(words)-6:]}
		require.Subset(t, []string{"+", "-"}, c.want, "line %d", n)
		key := strings.Join(words[:len(words)-6], " ")
		require.Zero(t, seen[key], "line %d is line %d again", n, seen[key])
		seen[key] = n
		table = append(table, c)
	}
	require.NoError(t, s.Err())
	return table
}

// try does what a line says, and returns why it was refused; empty when it was not.
func (c column) try(x cell) (refused string) {
	c.t.Helper()
	defer c.forget()
	switch x.verb {
	case "publish":
		require.NoError(c.t, c.nc.Publish(x.args[0], nil))
		return c.violation(x.args[0])
	case "subscribe":
		sub, err := c.nc.SubscribeSync(x.args[0])
		require.NoError(c.t, err)
		defer func() { _ = sub.Unsubscribe() }() // where it was refused there is none
		return c.violation(x.args[0])
	case "call":
		return c.call(x.args[0], `{"batch":1,"no_wait":true}`)
	case "make":
		stream, name, filter := x.args[0], x.args[1], x.args[2]
		if why := c.call("CONSUMER.CREATE."+stream+"."+name+"."+filter, ""); strings.Contains(why, "iolation") {
			return why
		}
		config := jetstream.ConsumerConfig{Name: name, FilterSubject: filter, AckPolicy: jetstream.AckExplicitPolicy}
		if _, err := c.makes(stream, config); err != nil && strings.Contains(err.Error(), "guard:") {
			return err.Error()
		} else if err != nil && c.letter != "G" { // whom the server tells of its own rules was not refused
			require.ErrorContains(c.t, err, "filter", "%v", x)
		}
		return ""
	case "read":
		if why := c.call("DIRECT.GET."+x.args[0], "{}"); strings.Contains(why, "iolation") {
			return why
		}
		if err := c.Read(c.t.Context(), x.args[0], x.args[1], 0, func(events.Event) error { return nil }); err != nil {
			return err.Error()
		}
		return ""
	default:
		c.t.Fatalf("line %d: what is %q?", x.line, x.verb)
		return ""
	}
}

// call makes a call of the API, and returns the refusal of the server or of the guard.
func (c column) call(call, body string) string {
	c.t.Helper()
	inbox := c.nc.NewInbox()
	answers, err := c.nc.SubscribeSync(inbox)
	require.NoError(c.t, err)
	defer func() { _ = answers.Unsubscribe() }() // it was there for one answer
	require.NoError(c.t, c.nc.PublishRequest(c.api+call, inbox, []byte(body)))
	if why := c.violation(c.api + call); why != "" {
		return why
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	m, err := answers.NextMsgWithContext(ctx)
	require.NoError(c.t, err, "%s %s", c.letter, call)
	if got := m.Header.Get("Status") + " " + string(m.Data); strings.Contains(got, "403") {
		return got
	}
	return ""
}

// forget makes the connection's last error one that no line is about.
func (c column) forget() {
	const nobodys = "nobody.may"
	require.NoError(c.t, c.nc.Publish(nobodys, nil))
	require.NotEmpty(c.t, c.violation(nobodys))
}

// remake makes the consumers that a line is about, which one before it may have deleted.
func (h *house) remake(call string) {
	h.t.Helper()
	for _, x := range []struct{ stream, name, filter string }{
		{"SESSIONS", events.SessionConsumer(mine), events.SessionFilter(here, mine)}, {"SESSIONS", events.SessionConsumer(theirs), events.SessionFilter(there, theirs)},
		{"SESSIONS", "a_here_x", "sessions.here.>"}, {"SESSIONS", "a_there_x", "sessions.there.>"}, {"SESSIONS", "gateway-x", "sessions.here.>"},
		{"SESSIONS", "an-x", "sessions.*.*.gateway.created"}, {"SESSIONS", "sdp-x", "sessions.*.*.client.offer"}, {"SESSIONS", "op_x", "sessions.>"},
		{"WORK", events.WorkConsumer(here, app), events.WorkSubject(here, app)}, {"WORK", events.WorkConsumer(there, app), events.WorkSubject(there, app)},
	} {
		if !strings.HasSuffix(call, "."+x.stream+"."+x.name) {
			continue
		}
		_, err := h.gw.makes(x.stream, jetstream.ConsumerConfig{Name: x.name, FilterSubject: x.filter, AckPolicy: jetstream.AckExplicitPolicy, InactiveThreshold: time.Hour})
		require.NoError(h.t, err, fmt.Sprint(x))
	}
}
