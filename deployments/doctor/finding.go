package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// Finding is one thing that was looked at; with --json, one line.
type Finding struct {
	// Area is gpu, encoder, gstreamer, display, sound, limits, isolation, engine, port, nats or turn.
	Area string `json:"area"`
	// Name is what was looked at.
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	// Required findings that are not OK keep sessions from working.
	Required bool `json:"required"`
	// Detail is what was found.
	Detail string `json:"detail,omitempty"`
	// Reason says why it is not OK, and what to do; empty when it is.
	Reason string `json:"reason,omitempty"`
	// Codec, Vendor and Hardware are of encoders.
	Codec    string `json:"codec,omitempty"`
	Vendor   string `json:"vendor,omitempty"`
	Hardware bool   `json:"hardware,omitempty"`
}

// of makes a finding of a check's outcome.
func of(area, name, detail string, required bool, err error) Finding {
	f := Finding{Area: area, Name: name, OK: err == nil, Required: required, Detail: detail}
	if err != nil {
		f.Detail, f.Reason = "", err.Error()
	}
	return f
}

// printJSON writes one object a line.
func printJSON(w io.Writer, findings []Finding) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false) // for people who read it all the same
	for _, f := range findings {
		if err := out.Encode(f); err != nil {
			return fmt.Errorf("doctor: %w", err)
		}
	}
	return nil
}

// printTable writes a table. A "no" in capitals is one that keeps sessions from working.
func printTable(w io.Writer, findings []Finding) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, err := fmt.Fprintln(table, "AREA\tWHAT\tTHERE\t")
	for _, f := range findings {
		there, why := "yes", f.Detail
		switch {
		case !f.OK && f.Required:
			there, why = "NO", f.Reason
		case !f.OK:
			there, why = "no", f.Reason
		}
		name := f.Name
		if f.Codec != "" {
			name = f.Codec + " " + name
		}
		if err == nil {
			_, err = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", f.Area, name, there, why)
		}
	}
	if err == nil {
		err = table.Flush()
	}
	if err != nil {
		return fmt.Errorf("doctor: %w", err)
	}
	return nil
}

// verdict is nil if sessions can work.
func verdict(findings []Finding) error {
	missing := 0
	for _, f := range findings {
		if f.Required && !f.OK {
			missing++
		}
	}
	switch missing {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("doctor: one thing that sessions need is missing: see the NO above")
	}
	return fmt.Errorf("doctor: %d things that sessions need are missing: see each NO above", missing)
}
