package client

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/urfave/cli/v3"

	"streamstack/events/connect"
)

// printJSON prints records, one JSON object a line.
func printJSON[T any](w io.Writer, records []T) error {
	encoder := json.NewEncoder(w)
	for _, r := range records {
		if err := encoder.Encode(r); err != nil {
			return fmt.Errorf("client: print: %w", err)
		}
	}
	return nil
}

// printList prints what a command lists: with --json a JSON object a line, else a table with these columns.
func printList[T any](cmd *cli.Command, list []T, columns []string, row func(T) []string) error {
	if cmd.Bool("json") {
		return printJSON(connect.Out(cmd), list)
	}
	rows := [][]string{columns}
	for _, x := range list {
		rows = append(rows, row(x))
	}
	return printTable(connect.Out(cmd), rows)
}

// printTable prints rows in columns, the first row being the heading.
func printTable(w io.Writer, rows [][]string) error {
	const gap = 2 // spaces between columns
	t := tabwriter.NewWriter(w, 0, 0, gap, ' ', 0)
	for _, row := range rows {
		cells := make([]string, 0, len(row))
		for _, c := range row {
			cells = append(cells, clean(c))
		}
		// The writer keeps an error for Flush.
		_, _ = fmt.Fprintln(t, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("client: print: %w", err)
	}
	return nil
}

func printLine(w io.Writer, line string) error {
	if _, err := fmt.Fprintln(w, line); err != nil {
		return fmt.Errorf("client: print: %w", err)
	}
	return nil
}

// clean keeps what an application wrote (a status message quotes it) from steering the terminal.
func clean(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return s
	}
	quoted := strconv.QuoteToGraphic(s)
	return quoted[1 : len(quoted)-1]
}
