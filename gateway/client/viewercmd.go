package client

import (
	"context"
	"time"

	"github.com/urfave/cli/v3"

	"streamstack/events"
	"streamstack/events/connect"
)

// eventsAtOnce is how many events are read of a session with one request: as many as there may be.
const eventsAtOnce = 1000

// Viewer is one who watches a session, by the session's events.
type Viewer struct {
	Peer     events.PeerID `json:"peer"`
	Account  string        `json:"account,omitempty"` // who let it in
	Since    time.Time     `json:"since"`             // of its connection
	Codec    string        `json:"codec,omitempty"`   // what it is shown in
	Route    string        `json:"route,omitempty"`   // kind of its end of the connection: host, srflx, prflx or relay
	Protocol string        `json:"protocol,omitempty"`
}

func viewersCommand() *cli.Command {
	return &cli.Command{
		Name: "viewers", Usage: "list who watches a session", ArgsUsage: "ID", OnUsageError: connect.OnUsageError,
		Flags: gatewayFlags(), Action: ofOne(listViewers),
	}
}

func watchCommand() *cli.Command {
	return &cli.Command{
		Name: "watch", Usage: "let one more client watch a session and print its websocket", ArgsUsage: "ID", OnUsageError: connect.OnUsageError,
		Flags: gatewayFlags(), Action: ofOne(watchSession),
	}
}

// watchSession prints the address alone, for scripts; it opens the session to one viewer, and is secret.
func watchSession(ctx context.Context, cmd *cli.Command, c *Client, id events.SessionID) error {
	g, err := c.Watch(ctx, id)
	if err != nil {
		return err
	}
	if cmd.Bool("json") {
		return printJSON(connect.Out(cmd), []Grant{g})
	}
	return printLine(connect.Out(cmd), g.URL)
}

func listViewers(ctx context.Context, cmd *cli.Command, c *Client, id events.SessionID) error {
	list, err := c.Viewers(ctx, id)
	if err != nil {
		return err
	}
	if cmd.Bool("json") {
		return printJSON(connect.Out(cmd), list)
	}
	rows := [][]string{{"PEER", "ACCOUNT", "SINCE", "CODEC", "ROUTE"}}
	for _, v := range list {
		rows = append(rows, []string{string(v.Peer), v.Account, v.Since.Format(time.RFC3339), v.Codec, v.Route + "/" + v.Protocol})
	}
	return printTable(connect.Out(cmd), rows)
}

// Viewers returns who watches a session, in the order in which they came. It reads the session's events.
func (c *Client) Viewers(ctx context.Context, id events.SessionID) ([]Viewer, error) {
	var w watchers
	for after := events.Seq(0); ; {
		page, next, err := c.Events(ctx, EventsQuery{Session: id, After: after, Limit: eventsAtOnce})
		if err != nil {
			return nil, err
		}
		for _, e := range page {
			w.add(e)
		}
		if len(page) == 0 {
			return w.list, nil
		}
		after = next
	}
}

// watchers is who watches after some events.
type watchers struct {
	invited map[events.PeerID]string // the accounts, by peer
	list    []Viewer
}

func (w *watchers) add(e events.Event) {
	switch {
	case e.Is(events.Gateway, events.Joined):
		var d events.JoinedData
		if e.Decode(&d) == nil && d.Role == events.RoleViewer {
			if w.invited == nil {
				w.invited = map[events.PeerID]string{}
			}
			w.invited[d.Peer] = d.Account
		}
	case e.Is(events.Streamer, events.Connected):
		var d events.ConnectedData
		if e.Decode(&d) != nil {
			return
		}
		if account, viewer := w.invited[d.Peer]; viewer {
			w.remove(d.Peer)
			w.list = append(w.list, Viewer{Peer: d.Peer, Account: account, Since: e.Time, Codec: d.Codec, Route: d.Pair.Remote.Kind, Protocol: d.Pair.Protocol})
		}
	case e.Is(events.Streamer, events.Disconnected):
		w.remove(e.Peer())
	case e.Is(events.Agent, events.Claimed), e.Is(events.Streamer, events.Ready), events.Ending(e.Name):
		w.list = nil // a new streamer knows none of them
	}
}

func (w *watchers) remove(peer events.PeerID) {
	for i, v := range w.list {
		if v.Peer == peer {
			w.list = append(w.list[:i], w.list[i+1:]...)
			return
		}
	}
}
