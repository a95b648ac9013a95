package command

import (
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"

	"streamstack/events/connect"
)

// fault makes one encoder fail after some pictures, each time it is started: how a test sees that another takes over.
type fault struct {
	element string
	after   int
}

// of is after how many pictures an encoder is to fail, 0 for never.
func (f fault) of(element string) int {
	if element == f.element {
		return f.after
	}
	return 0
}

// parseFault reads --fault.
func parseFault(cmd *cli.Command) (fault, error) {
	text := cmd.String("fault")
	if text == "" {
		return fault{}, nil
	}
	element, number, _ := strings.Cut(text, ":")
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || element == "" {
		return fault{}, connect.Usagef("streamer: --fault takes ELEMENT:N, such as x264enc:100, not %q", text)
	}
	return fault{element, n}, nil
}
