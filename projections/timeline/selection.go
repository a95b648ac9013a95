package timeline

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v3"

	"streamstack/events"
	"streamstack/events/connect"
)

// Selection is what the flags of a tool choose; an empty member chooses all.
type Selection struct {
	Region, Session string
	// Type is offer, streamer.offer or streamstack.session.offer.v1.
	Type string
}

// SelectionFlags are --session, --region and --type.
func SelectionFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "session", Usage: "only the session with this `ID`", Sources: connect.Env("session")},
		&cli.StringFlag{Name: "region", Usage: "only this `REGION`", Sources: connect.Env("region")},
		&cli.StringFlag{Name: "type", Usage: "only this `TYPE`: offer, streamer.offer or streamstack.session.offer.v1", Sources: connect.Env("type")},
	}
}

// ParseSelection reads [SelectionFlags].
func ParseSelection(cmd *cli.Command) Selection {
	return Selection{Region: cmd.String("region"), Session: cmd.String("session"), Type: cmd.String("type")}
}

// Filter is the selection as NATS takes it, and the type with its version, which subjects do not tell; ceType is empty
// where any will do. What cannot be is wrong usage.
func (s Selection) Filter() (subject, ceType string, err error) {
	f, err := selection{region: s.Region, session: s.Session, kind: s.Type}.filter()
	return f.subject, f.ceType, err
}

// ParseSince reads a place in the log: SEQ, TIME, or DURATION for that long before now.
func ParseSince(text string, now time.Time) (events.Start, error) {
	s, err := parseSince(text, now)
	if err != nil {
		return s, fmt.Errorf("timeline: %w", err)
	}
	return s, nil
}
