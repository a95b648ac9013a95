package connect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/urfave/cli/v3"

	"streamstack/events"
	"streamstack/events/trust"
)

// openTimeout bounds how long an operator's command looks for NATS before it gives up.
const openTimeout = 5 * time.Second

// Env is the environment variable that a flag reads too: STREAMSTACK_ and its name in upper snake case (cli.md).
func Env(flag string) cli.ValueSourceChain { return cli.EnvVars(EnvName(flag)) }

// EnvName is the name of that variable.
func EnvName(flag string) string {
	return "STREAMSTACK_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// DataFlag is --data: the folder of a local stack.
func DataFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "data", Usage: "the `DIR` of a stack on this machine", Value: DefaultDataDir(),
		DefaultText: "$XDG_STATE_HOME/streamstack", TakesFile: true, Sources: Env("data"),
	}
}

// DataDir is the value of [DataFlag].
func DataDir(cmd *cli.Command) (string, error) {
	if dir := cmd.String("data"); dir != "" {
		return dir, nil
	}
	return "", Usagef("%s: there is no home folder to look in: name a folder with --data", cmd.FullName())
}

// NATSFlags are the flags by which [Resolve] finds NATS: --nats and --creds for a cluster, --data for a local stack.
func NATSFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "nats", Usage: "the `URL` of the NATS server, in place of --data", Sources: Env("nats")},
		&cli.StringFlag{Name: "creds", Usage: "the credentials `FILE` for --nats", TakesFile: true, Sources: Env("creds")},
		DataFlag(),
	}
}

// JSONFlag is --json.
func JSONFlag() cli.Flag {
	return &cli.BoolFlag{Name: "json", Usage: "print one JSON object a line", Sources: Env("json")}
}

// Resolve reads [NATSFlags]: --nats if it is given, else what the stack on --data wrote, with the operator's credentials
// that lie there.
func Resolve(cmd *cli.Command) (url, creds string, err error) {
	if url := cmd.String("nats"); url != "" {
		return url, cmd.String("creds"), nil
	}
	dir, err := DataDir(cmd)
	if err != nil {
		return "", "", err
	}
	e, err := ReadEndpoints(dir)
	if err != nil {
		return "", "", err
	}
	if e.NATS == "" {
		return "", "", fmt.Errorf("the stack on %s names no NATS address: restart it, or name one with --nats", dir)
	}
	if creds = cmd.String("creds"); creds == "" {
		if path := OperatorCreds(dir); exists(path) {
			creds = path
		}
	}
	return e.NATS, creds, nil
}

// OperatorCreds is the credentials file that a stack keeps for other commands on its machine, mode 0600.
func OperatorCreds(data string) string { return filepath.Join(data, "secrets", "operator.creds") }

// exists tells whether there is such a file; one that cannot be looked at is there, and fails when it is read.
func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// LogOptions are how the user of a credentials file calls JetStream; none for a server without credentials.
func LogOptions(creds string) ([]events.Option, error) {
	if creds == "" {
		return nil, nil
	}
	c, err := trust.ReadFile(creds)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return c.Identity.LogOptions(), nil
}

// Open connects an operator's command to the log by [NATSFlags]. The connection is the caller's to close
// ([events.Log.Conn]).
func Open(ctx context.Context, cmd *cli.Command, log *slog.Logger) (*events.Log, error) {
	url, creds, err := Resolve(cmd)
	if err != nil {
		return nil, err
	}
	dialing, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	nc, err := Dial(dialing, url, creds, "operator", log)
	if err != nil {
		if cmd.String("nats") == "" && errors.Is(err, nats.ErrNoServers) {
			// The file of a stack that was killed stays behind.
			return nil, fmt.Errorf("%w on %s any more: start one with `streamstack up --data %s`", ErrNoStack, cmd.String("data"), cmd.String("data"))
		}
		return nil, err
	}
	options, err := LogOptions(creds)
	if err != nil {
		nc.Close()
		return nil, err
	}
	l, err := events.New(nc, log, options...)
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("connect: %w", err)
	}
	return l, nil
}

// Out is where a command prints its records.
func Out(cmd *cli.Command) io.Writer { return stream(cmd.Root().Writer, os.Stdout) }

// Err is where a command prints its messages for people.
func Err(cmd *cli.Command) io.Writer { return stream(cmd.Root().ErrWriter, os.Stderr) }

func stream(w io.Writer, standard *os.File) io.Writer {
	if w == nil {
		return standard
	}
	return w
}

// Logger is the log of an operator's command: warnings and errors, on [Err].
func Logger(cmd *cli.Command) *slog.Logger {
	return slog.New(slog.NewTextHandler(Err(cmd), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// RetentionFlag is --retention: the lifetime of lifecycle events.
func RetentionFlag() cli.Flag {
	return &cli.DurationFlag{Name: "retention", Usage: "lifetime of the sessions' history, `DURATION`", Value: events.DefaultRetention, Sources: Env("retention"),
		Validator: atLeast(time.Hour)}
}

// SDPRetentionFlag is --sdp-retention: the lifetime of bulky and personal events (SDP, candidates, extra_data).
func SDPRetentionFlag() cli.Flag {
	return &cli.DurationFlag{Name: "sdp-retention", Usage: "lifetime of session descriptions, candidates and extra data, `DURATION`", Value: events.DefaultSDPRetention,
		Sources: Env("sdp-retention"), Validator: atLeast(time.Minute)}
}

// QualityRetentionFlag is --quality-retention: the lifetime of quality samples.
func QualityRetentionFlag() cli.Flag {
	return &cli.DurationFlag{Name: "quality-retention", Usage: "lifetime of the quality samples of streams, `DURATION`", Value: events.DefaultQualityRetention,
		Sources: Env("quality-retention"), Validator: atLeast(time.Minute)}
}

func atLeast(least time.Duration) func(time.Duration) error {
	return func(d time.Duration) error {
		if d < least {
			return fmt.Errorf("must be at least %s", least)
		}
		return nil
	}
}
