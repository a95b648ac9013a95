package connect

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/urfave/cli/v3"
)

// Exit statuses of every command (cli.md).
const (
	ExitDone   = 0
	ExitFailed = 1
	ExitUsage  = 2
)

// UsageError is a command used wrongly. Its text says how to use it.
type UsageError struct{ err error }

// Usagef makes a [UsageError].
func Usagef(format string, args ...any) error { return &UsageError{fmt.Errorf(format, args...)} }

// Error is the message for the user.
func (e *UsageError) Error() string { return e.err.Error() }

// Unwrap gives the cause.
func (e *UsageError) Unwrap() error { return e.err }

// ExitStatus is the exit status that an error of a command means.
func ExitStatus(err error) int {
	var usage *UsageError
	switch {
	case err == nil:
		return ExitDone
	case errors.As(err, &usage):
		return ExitUsage
	default:
		return ExitFailed
	}
}

// OnUsageError makes a [UsageError] of what the flag parser found. It is for [cli.Command.OnUsageError], which, unlike
// the default, keeps the whole help text out of a one-line message.
func OnUsageError(_ context.Context, cmd *cli.Command, err error, _ bool) error {
	return Usagef("%s: %w (see `%s --help`)", cmd.FullName(), err, cmd.FullName())
}

// SurvivePipe keeps a component that runs for long alive when nobody reads its output any more: the write fails, and the
// component ends in order when it is told to. What the component starts has the signal's default again.
func SurvivePipe() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// Group is a command that only has sub-commands; without one of them it is used wrongly.
func Group(name, usage string, commands ...*cli.Command) *cli.Command {
	names := make([]string, 0, len(commands))
	for _, c := range commands {
		names = append(names, c.Name)
	}
	return &cli.Command{
		Name: name, Usage: usage, Commands: commands, HideHelpCommand: true, OnUsageError: OnUsageError,
		Action: func(_ context.Context, cmd *cli.Command) error {
			if cmd.Args().Present() {
				return Usagef("%sno command %q: use one of %s", within(cmd), cmd.Args().First(), strings.Join(names, ", "))
			}
			return Usagef("%suse one of %s", within(cmd), strings.Join(names, ", "))
		},
	}
}

// within begins a message about a sub-command; the program's own name is put before every message anyhow.
func within(cmd *cli.Command) string {
	if cmd.Root() == cmd {
		return ""
	}
	return cmd.FullName() + ": "
}

// OneArg is the only argument of a command; none, or more than one, is wrong usage.
func OneArg(cmd *cli.Command, what string) (string, error) {
	if cmd.Args().Len() != 1 || cmd.Args().First() == "" {
		return "", Usagef("%s: give one %s: %s %s", cmd.FullName(), what, cmd.FullName(), what)
	}
	return cmd.Args().First(), nil
}

// NoArgs tells whether a command that takes no arguments got none.
func NoArgs(cmd *cli.Command) error {
	if cmd.Args().Present() {
		return Usagef("%s: it takes no arguments, not %q", cmd.FullName(), cmd.Args().First())
	}
	return nil
}
