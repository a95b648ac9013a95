package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/urfave/cli/v3"

	"streamstack/events"
	"streamstack/events/connect"
	"streamstack/events/trust"
	"streamstack/streamer"
	"streamstack/streamer/adb"
	"streamstack/streamer/input"
	"streamstack/streamer/instance"
	"streamstack/streamer/instanceapi"
	"streamstack/streamer/settings"
)

const (
	// maxSecret bounds what is read from standard input.
	maxSecret = 64 << 10
	// connectTime bounds the way into the log.
	connectTime = 15 * time.Second
)

// Command is `streamstack streamer`.
func Command() *cli.Command {
	return &cli.Command{
		Name: "streamer", Usage: "one component: capture, encode and send the display of one session (started by an agent)",
		Description: "DISPLAY and PULSE_SERVER say what to stream. Where --nats is not given, a JSON object is read from standard\n" +
			"input: {\"nats\": URL, \"creds\": content of a credentials file}.",
		OnUsageError: connect.OnUsageError,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "session", Usage: "the session's `ID`", Required: true, Sources: connect.Env("session")},
			&cli.StringFlag{Name: "region", Usage: "the session's region, `NAME`", Required: true, Sources: connect.Env("region")},
			&cli.IntFlag{Name: "attempt", Usage: "which claim of the session the streamer belongs to, `N` from 1: it ends itself when that is over", Sources: connect.Env("attempt")},
			&cli.StringFlag{Name: "screen", Usage: "`WxH@FPS` of the display", Required: true, Sources: connect.Env("screen")},
			&cli.BoolFlag{Name: "audio", Usage: "stream the sound", Value: true, Sources: connect.Env("audio")},
			&cli.IntFlag{Name: "adb-port", Usage: "TCP port `N` of the application that shares lead to; 0 for none", Sources: connect.Env("adb-port")},
			&cli.StringFlag{Name: "client-file", Usage: "`FILE` in which the application finds what its client asks of it", Sources: connect.Env("client-file")},
			&cli.StringFlag{Name: "data-sockets", Usage: "`FOLDER` for the sockets of the page's own data channels", Value: dataSockets(os.Getenv("XDG_RUNTIME_DIR")), Sources: connect.Env("data-sockets")},
			&cli.StringFlag{Name: "api-socket", Usage: "Unix socket `FILE` where programs of the instance find its API", Value: filepath.Join(dataSockets(os.Getenv("XDG_RUNTIME_DIR")), instanceapi.SocketName), Sources: connect.Env("api-socket")},
			&cli.StringFlag{Name: "traces", Usage: "`FOLDER` of the RTC event log that programs of the instance can switch on", Value: "/var/lib/anbox/traces", Sources: connect.Env("traces")},
			&cli.StringFlag{Name: "microphone", Usage: "`SINK` of the sound server whose monitor applications take for a microphone", Sources: connect.Env("microphone")},
			&cli.StringFlag{Name: "camera", Usage: "v4l2loopback `DEVICE` that applications take for a camera; default the machine's first", Sources: connect.Env("camera")},
			&cli.StringFlag{Name: "file-inbox", Usage: "`FOLDER` for files that come from the page", Sources: connect.Env("file-inbox")},
			&cli.StringFlag{Name: "file-outbox", Usage: "`FOLDER` of files that the page may fetch", Sources: connect.Env("file-outbox")},
			&cli.StringFlag{Name: "input-folder", Usage: "`FOLDER` of the sockets mouse and touch of the display's inputtest devices", Sources: connect.Env("input-folder")},
			&cli.StringFlag{Name: "sensor-socket", Usage: "Unix socket `FILE` where programs of the instance get the client's sensors and location", Sources: connect.Env("sensor-socket")},
			&cli.IntFlag{Name: "ice-udp-ports", Usage: "take the first free one of `N` ports from --ice-udp-port on", Value: 1, Hidden: true, Sources: connect.Env("ice-udp-ports")},
			&cli.StringFlag{Name: "warm", Usage: "be ready before there is a session, and say so in `FILE`; standard input then says which (agent/driver, Warmer)", Hidden: true, Sources: connect.Env("warm")},
			&cli.StringFlag{Name: "nats", Usage: "`URL` of the NATS server", Sources: connect.Env("nats")},
			&cli.StringFlag{Name: "creds", Usage: "credentials `FILE` for --nats", Sources: connect.Env("creds")},
		}, NetworkFlags()...),
		Action: run,
	}
}

// NetworkFlags are the flags of a streamer's ports and addresses, of its configuration and of what it may share with clients, and a
// hidden one for tests. Agents pass them on.
func NetworkFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "ice-ports", Usage: "UDP ports for media, `MIN-MAX`; default any", Sources: connect.Env("ice-ports")},
		&cli.IntFlag{Name: "ice-udp-port", Usage: "one UDP port for all media of a streamer, `N`, and the ports after it for further slots", Sources: connect.Env("ice-udp-port")},
		&cli.BoolFlag{Name: "ice-tcp", Usage: "let clients connect over TCP as well, on the ports of --ice-ports or --ice-udp-port; default: only by way of TURN", Sources: connect.Env("ice-tcp")},
		&cli.BoolFlag{Name: "files", Usage: "let pages send files into sessions and fetch some from them; --files=false forbids it", Value: true, Sources: connect.Env("files")},
		&cli.StringFlag{Name: "nat-1to1", Usage: "public `IP` that stands for this machine's own", Sources: connect.Env("nat-1to1")},
		configFlag(),
		&cli.StringFlag{Name: "fault", Usage: "for tests: `ELEMENT:N`, an encoder that fails after N pictures", Hidden: true, Sources: connect.Env("fault")},
		&cli.StringFlag{Name: "features", Usage: "comma-separated `NAMES`: webrtc.enable_ice_logging logs ICE candidates with full addresses", Sources: connect.Env("features")},
		&cli.StringFlag{Name: "clipboard", Usage: "share text with the client's clipboard: `WAY` both (the default), in (to the application), out or off", Sources: connect.Env("clipboard")},
	}
}

// NetworkEnv are [NetworkFlags] as a streamer's environment.
func NetworkEnv(cmd *cli.Command) (env []string) {
	for _, f := range []string{"ice-ports", "nat-1to1", "streamer-config", "fault", "clipboard", "features"} {
		if v := cmd.String(f); cmd.IsSet(f) && v != "" {
			env = append(env, connect.EnvName(f)+"="+v)
		}
	}
	if cmd.Bool("ice-tcp") {
		env = append(env, connect.EnvName("ice-tcp")+"=true")
	}
	if n := cmd.Int("ice-udp-port"); n != 0 {
		env = append(env, fmt.Sprintf("%s=%d", connect.EnvName("ice-udp-port"), n))
		if slots := cmd.Int("slots"); slots > 1 {
			env = append(env, fmt.Sprintf("%s=%d", connect.EnvName("ice-udp-ports"), slots))
		}
	}
	if !cmd.Bool("files") {
		env = append(env, connect.EnvName("files")+"=false")
	}
	return env
}

func run(ctx context.Context, cmd *cli.Command) error { return stream(ctx, cmd, nil) }

// stream serves the session that the flags name, with encoders that are known; nil: they are looked for.
func stream(ctx context.Context, cmd *cli.Command, known <-chan []streamer.Encoder) error {
	if err := connect.NoArgs(cmd); err != nil {
		return err
	}
	session, region := events.SessionID(cmd.String("session")), events.Region(cmd.String("region"))
	if !events.ValidToken(string(session)) || !events.ValidToken(string(region)) {
		return connect.Usagef("streamer: --session and --region take 1 to 63 of a-z, 0-9 and -")
	}
	log := slog.New(slog.NewTextHandler(connect.Err(cmd), nil))
	screen, err := parseScreen(cmd.String("screen"))
	if err != nil {
		return err
	}
	port, err := parsePort(cmd)
	if err != nil {
		return err
	}
	broken, err := parseFault(cmd)
	if err != nil {
		return err
	}
	network, err := parseNetwork(cmd, log)
	if err != nil {
		return err
	}
	if _, _, err := parseClipboard(cmd); err != nil {
		return err
	}
	iceLog, err := parseFeatures(cmd, log)
	if err != nil {
		return err
	}
	if report := cmd.String("warm"); report != "" {
		return wait(ctx, cmd, report, log)
	}
	// The way into the log, the encoders and the display take a while each, and do not need each other.
	if known == nil {
		found := make(chan []streamer.Encoder, 1)
		go func() { found <- encoders(ctx, log) }() // ends with the looking, or with the process
		known = found
	}
	var secret []byte
	if cmd.String("nats") == "" {
		if secret, err = standardInput(ctx, cmd); err != nil { // before the display, which may not be there yet
			return abandoned(ctx, err, log)
		}
	}
	n, err := openNetwork(network, cmd.Int("ice-udp-ports"))
	if err != nil {
		return err
	}
	defer func() { _ = n.Close() }() // the process ends
	device, err := input.Open(ctx, os.Getenv("DISPLAY"), cmd.String("input-folder"), screen.Width, screen.Height, log)
	if err != nil {
		return err
	}
	defer func() { _ = device.Close() }() // the process ends
	more, closeMore, err := extras(ctx, cmd, os.Getenv("DISPLAY"), device, log)
	if err != nil {
		return err
	}
	defer closeMore()
	l, user, err := open(ctx, cmd, secret, region, session, log)
	if err != nil {
		return err
	}
	defer l.Conn().Close()
	file := settings.Read(cmd.String("streamer-config"), log)
	cfg := streamer.Config{
		Log: l, Logger: log, Region: region, Session: session, Attempt: cmd.Int("attempt"), User: user, Screen: screen, Audio: cmd.Bool("audio"),
		Resize: func(ctx context.Context, s events.Screen) (events.Screen, error) {
			return resize(ctx, os.Getenv("DISPLAY"), device, s, log)
		},
		Media: gst{os.Getenv("DISPLAY"), os.Getenv("PULSE_SERVER"), broken, file.NVENC, log}, Input: device, Extras: more, Encoders: <-known,
		DisabledCodecs: file.Disabled, Bitrate: file.Bitrate, Network: n, ClientFile: cmd.String("client-file"),
		DataSockets: cmd.String("data-sockets"), APISocket: cmd.String("api-socket"), Traces: cmd.String("traces"), LogCandidates: iceLog,
		Devices: devices{os.Getenv("PULSE_SERVER"), cmd.String("microphone"), camera(cmd.String("camera")), log},
	}
	if cmd.Bool("files") {
		cfg.FileInbox, cfg.FileOutbox = cmd.String("file-inbox"), cmd.String("file-outbox")
	}
	if port != 0 {
		cfg.ADB = adb.Dialer{Port: port, Instance: os.Getenv(adb.Marker)}.Dial
	}
	s, err := streamer.New(cfg)
	if err != nil {
		return err
	}
	if err = s.Run(ctx); !errors.Is(err, streamer.ErrOver) {
		return err
	}
	log.Info("the session is over")
	return instance.End(ctx, os.Getenv(instance.Marker), log)
}

// open connects to the log, by --nats or by the text that standard input had. user is the public key of the connection's user, where
// its agent is to renew it.
func open(ctx context.Context, cmd *cli.Command, text []byte, region events.Region, session events.SessionID, log *slog.Logger) (l *events.Log, user string, err error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	url, creds, options := cmd.String("nats"), cmd.String("creds"), []nats.Option(nil)
	var kept *trust.Kept
	if url == "" {
		var secret struct{ NATS, Creds string }
		if err := json.Unmarshal(text, &secret); err != nil || secret.NATS == "" {
			return nil, "", errors.New("streamer: standard input holds no {\"nats\": URL, \"creds\": …}: an agent gives it, or name a server with --nats")
		}
		url = secret.NATS
		if secret.Creds != "" {
			c, err := trust.Parse(secret.Creds)
			if err != nil {
				return nil, "", fmt.Errorf("streamer: standard input: %w", err)
			}
			if kept, err = trust.Keep(c); err != nil {
				return nil, "", fmt.Errorf("streamer: standard input: %w", err)
			}
			user, options = kept.User(), kept.Options()
		}
	}
	nc, err := connect.DialPatiently(ctx, url, creds, "s-"+string(session), log, options...)
	if err != nil {
		return nil, "", err
	}
	if kept != nil {
		err = renew(nc, trust.RenewSubject(region, session), kept, log)
	}
	if err == nil {
		l, err = events.New(nc, log)
	}
	if err != nil {
		nc.Close()
		return nil, "", err
	}
	return l, user, nil
}

// renew takes what the agent sends in place of the connection's user, for whenever it connects again: the server cuts it off
// when its user's time is over.
func renew(nc *nats.Conn, subject string, kept *trust.Kept, log *slog.Logger) error {
	_, err := nc.Subscribe(subject, func(m *nats.Msg) { // ends with the connection
		if err := kept.Replace(string(m.Data)); err != nil {
			log.Warn("credentials not renewed", "err", err)
			return
		}
		log.Debug("credentials renewed")
	})
	if err != nil {
		return fmt.Errorf("streamer: credentials: %w", err)
	}
	return nil
}
