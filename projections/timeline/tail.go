package timeline

import (
	"bufio"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/projections/archive"
)

// Tail is the command `tail` (cli.md). It runs until its context ends, which is no error.
func Tail() *cli.Command {
	return &cli.Command{
		Name: "tail", Usage: "events as they happen, over all sessions", OnUsageError: connect.OnUsageError,
		Flags: append([]cli.Flag{
			connect.JSONFlag(),
			&cli.StringFlag{Name: "region", Usage: "only this `REGION`", Sources: connect.Env("region")},
			&cli.StringFlag{Name: "session", Usage: "only the session with this `ID`", Sources: connect.Env("session")},
			&cli.StringFlag{Name: "type", Usage: "only this `TYPE`: offer, streamer.offer or streamstack.session.offer.v1", Sources: connect.Env("type")},
			&cli.StringFlag{Name: "since", Usage: "begin at `SEQ|TIME|DURATION`, not with what comes next", Sources: connect.Env("since")},
		}, connect.NATSFlags()...),
		Action: tail,
	}
}

func tail(ctx context.Context, cmd *cli.Command) error {
	if err := connect.NoArgs(cmd); err != nil {
		return err
	}
	filter, err := selection{region: cmd.String("region"), session: cmd.String("session"), kind: cmd.String("type")}.filter()
	if err != nil {
		return err
	}
	from := events.Start{New: true}
	if s := cmd.String("since"); s != "" {
		if from, err = parseSince(s, time.Now()); err != nil {
			return connect.Usagef("--since: %w", err)
		}
	}
	log, err := connect.Open(ctx, cmd, connect.Logger(cmd))
	if err != nil {
		return err
	}
	defer log.Conn().Close()
	show, flush := tailPrinter(cmd)
	past := archive.New(log)
	defer past.Close()
	// Follow calls flush without a way to fail, and the next event may be hours away.
	following, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	err = past.Follow(following, filter.subject, from, func(e events.Event) error {
		if filter.ceType != "" && e.Type != filter.ceType {
			return nil
		}
		return show(e)
	}, func() {
		if err := flush(); err != nil {
			fail(err)
		}
	})
	if err := flush(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return nil // the user has seen enough
	}
	return err
}

// tailPrinter gives the way in which a tail shows its events; flush is for when nothing more is waiting.
func tailPrinter(cmd *cli.Command) (show func(events.Event) error, flush func() error) {
	out := connect.Out(cmd)
	if cmd.Bool("json") {
		b := bufio.NewWriter(out)
		return func(e events.Event) error { return printRecord(b, e) }, func() error {
			if err := b.Flush(); err != nil {
				return fmt.Errorf("timeline: %w", err)
			}
			return nil
		}
	}
	p := NewPrinter(out, Colourful(out), time.Local)
	return func(e events.Event) error {
		p.Event(e)
		return nil
	}, p.Flush
}

// selection is what the flags of `tail` choose; an empty member chooses all.
type selection struct{ region, session, kind string }

// filter is a selection as NATS takes it, and the version of a type, which subjects do not tell.
type filter struct {
	subject string
	ceType  string
}

func (s selection) filter() (filter, error) {
	if s == (selection{}) {
		return filter{subject: events.AllSessions}, nil
	}
	for flag, token := range map[string]*string{"--region": &s.region, "--session": &s.session} {
		if *token == "" {
			*token = "*"
		} else if !events.ValidToken(*token) {
			return filter{}, connect.Usagef("%s %q is none: use a-z, 0-9 and hyphens", flag, *token)
		}
	}
	if s.kind == "" {
		return filter{subject: events.SessionFilter(events.Region(s.region), events.SessionID(s.session))}, nil
	}
	actor, name, f := "*", s.kind, filter{}
	if n, _, ok := events.ParseType(s.kind); ok {
		name, f.ceType = string(n), s.kind
	} else if a, n, found := strings.Cut(s.kind, "."); found {
		actor, name = a, n
	}
	if !validName(name) || (actor != "*" && !events.ValidToken(actor)) {
		return filter{}, connect.Usagef("--type %q is none: write offer, streamer.offer or %s", s.kind, events.TypeOf(events.Offer))
	}
	f.subject = events.Subject{
		Region: events.Region(s.region), Session: events.SessionID(s.session), Actor: events.Actor(actor), Name: events.Name(name),
	}.String()
	return f, nil
}

// validName tells whether s may be an event's name, known to this version or not: [a-z0-9_-]+.
func validName(s string) bool { return events.ValidToken(strings.ReplaceAll(s, "_", "-")) }
