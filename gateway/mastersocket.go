package gateway

import (
	"context"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/nats-io/nats.go"

	"streamstack/events"
	"streamstack/events/trust"
	"streamstack/projections"
)

// masterSocket is GET …/sockets/master, through which instances signalled before release 1.17 of the original service: a
// streamer that is not ours, and cannot append by itself.
//
// What `streamer` in a history means is that NATS let a user of this very session append it, whom the region's agent made. So
// the socket's token is that user: the credentials that the agent hands to an instance at its launch. For as long as the socket
// is open the gateway is connected with them, as the streamer would be; it has no such user of its own, and a token that only a
// gateway had signed would let whoever holds the gateways' key speak for any streamer. The session's streamer.ready says that
// it speaks through a master socket, so nobody takes its words for those of a streamer of ours.
func (g *Gateway) masterSocket(c echo.Context) error {
	if err := g.origin(c); err != nil {
		return err
	}
	if g.cfg.Streamer == nil {
		return noMaster()
	}
	creds, err := trust.ParseSocketToken(c.QueryParam("token"))
	if err != nil || creds.Identity.Session != events.SessionID(c.Param("id")) {
		return badMaster(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.Request().Context()))
	sub, ok := g.hub.subscribe(creds.Identity.Session, cancel)
	if !ok {
		cancel()
		return &apiError{http.StatusServiceUnavailable, codeUnavailable, whyStopping, nil}
	}
	m := &master{g: g, sub: sub, in: make(chan []byte)}
	end := func() {
		cancel()
		sub.end()
		if m.log != nil {
			m.log.Conn().Close()
		}
	}
	if err := m.open(c, creds); err != nil || m.conn == nil {
		end()
		return err
	}
	closed := g.metrics.Opened(c)
	g.detach(func() { m.run(ctx) }, func() {
		closed()
		m.release()
		end()
	})
	return nil
}

// open checks who wants to speak for which session, and does the handshake. Without a connection and an error the client was
// answered.
func (m *master) open(c echo.Context, creds trust.Credentials) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), creationTime)
	defer cancel()
	i := creds.Identity
	// Who the user is, NATS says: before that nothing is told of the session.
	var err error
	switch m.log, err = m.g.cfg.Streamer(ctx, creds); {
	case errors.Is(err, ErrNoProof):
		return noMaster()
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked):
		return badMaster(err)
	case err != nil:
		return errors.Join(events.ErrUnavailable, err)
	}
	if m.session, _, err = projections.LoadFrom(ctx, m.g.cfg.Log, i.Region, i.Session, m.g.firstOf(i.Session)); err != nil {
		return err
	}
	switch s := m.session; {
	case !s.Known():
		return notFound(c.Param("id"))
	case s.Ended() || s.Status == projections.StatusTerminating || s.Instance == "":
		return &apiError{http.StatusBadRequest, codeWrongState, "the session has no instance: it is " + string(s.Status), nil}
	case s.Ready != nil && s.Ready.Via != events.ViaMaster:
		return streamerPresent()
	}
	if err := wantsSocket(c); err != nil {
		return err
	}
	if m.release, err = m.g.admitSocket(m.session.Account); err != nil {
		return err
	}
	if m.conn, err = upgrade(c); err != nil {
		m.release()
		m.g.log.Debug("websocket refused", "session", i.Session, "err", err)
		return nil // the client was answered
	}
	m.conn.SetReadLimit(-1) // content bounds it, and says so
	return nil
}

// ErrNoProof is what [Config.Streamer] returns where NATS lets anybody in: there credentials prove nothing.
var ErrNoProof = errors.New("gateway: NATS asks for no credentials")

func noMaster() error {
	return &apiError{status: http.StatusBadRequest, code: codeNoMaster,
		message: "there are no master sockets here: NATS asks nobody for credentials, so nothing would tell who speaks for an instance"}
}

func streamerPresent() error {
	return &apiError{status: http.StatusConflict, code: codeStreamer, message: "the session's streamer speaks for itself"}
}

func badMaster(cause error) error {
	return denied("the socket's token is not valid: it is the NATS credentials of this session's streamer, in base64url", cause)
}
