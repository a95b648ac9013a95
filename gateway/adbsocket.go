package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"streamstack/events"
	"streamstack/events/bridge"
	"streamstack/gateway/bytesocket"
	"streamstack/gateway/token"
	"streamstack/projections"
)

// closeUnreachable is the close code of an adb socket whose port does not answer.
const closeUnreachable = websocket.StatusCode(4003)

// adbUse is one use of a share: a socket whose binary frames are the bytes of a TCP connection to the application's port.
// The bytes go past the log (package bridge); that it was opened and closed is in it. Whatever ends the share or the
// session ends the use, as does another use of the same share, at whichever gateway.
type adbUse struct {
	g       *Gateway
	session projections.Session
	share   events.ShareID
	id      string // of the connection
	sub     *subscription
	// openedAt is the sequence of this use's own event.
	openedAt events.Seq
}

// adbSocket is GET …/sockets/adb.
func (g *Gateway) adbSocket(c echo.Context) error {
	if err := g.origin(c); err != nil {
		return err
	}
	claims, err := g.cfg.Tokens.VerifySocket(c.QueryParam("token"), g.now())
	if err != nil || claims.Role != token.RoleADB || claims.Session != c.Param("id") {
		return badShare(err)
	}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(c.Request().Context()))
	defer cancel(nil)
	// Before the share is looked at: what ends it afterwards is seen.
	sub, ok := g.hub.subscribe(events.SessionID(claims.Session), func() { cancel(errStopping) })
	if !ok {
		return &apiError{http.StatusServiceUnavailable, codeUnavailable, whyStopping, nil}
	}
	defer sub.end()
	s, err := g.usable(c, events.ShareID(claims.Peer))
	if err != nil {
		return err
	}
	if err := wantsSocket(c); err != nil {
		return err
	}
	done, err := g.admitSocket(s.Account)
	if err != nil {
		return err
	}
	defer done()
	conn, err := websocket.Accept(c.Response(), c.Request(), &websocket.AcceptOptions{InsecureSkipVerify: true}) // the origin was checked above
	if err != nil {
		g.log.Debug("websocket refused", "session", s.ID, "err", err)
		return nil // Accept has answered
	}
	u := &adbUse{g: g, session: s, share: events.ShareID(claims.Peer), id: uuid.NewString(), sub: sub}
	u.serve(ctx, cancel, conn)
	return nil
}

// usable returns the session of a share that stands, leads somewhere, and can be used now.
func (g *Gateway) usable(c echo.Context, id events.ShareID) (projections.Session, error) {
	s, err := g.shared(c, id)
	switch {
	case err != nil:
		return s, err
	case s.Status != projections.StatusActive:
		return s, inactive(s)
	case s.Ready == nil || !s.Ready.ADB:
		return s, &apiError{status: http.StatusBadRequest, code: codeNoADB, message: "the application " + s.App + " offers no ADB: its file names no port (adb: {port: 5555})"}
	}
	return s, nil
}

// serve carries bytes until somebody ends it.
func (u *adbUse) serve(ctx context.Context, cancel context.CancelCauseFunc, conn *websocket.Conn) {
	t := u.g.times
	ws := bytesocket.New(ctx, conn, bytesocket.Timing{PingEvery: t.pingEvery, PingWait: t.pingWait, WriteWait: t.writeWait, CloseWait: t.closeWait})
	var watching sync.WaitGroup
	totals, err := bridge.Totals{}, u.opened(ctx)
	if err == nil {
		watching.Go(func() { cancel(u.watch(ctx, ws)) })
		totals, err = u.carry(ctx, ws)
	}
	end := u.ending(err, ws)
	cancel(nil)
	watching.Wait()
	ws.End(end.code, end.reason)
	if u.openedAt == 0 {
		return
	}
	d := events.ShareClosedData{ID: u.share, Connection: u.id, Reason: end.reason, BytesUp: totals.Out, BytesDown: totals.In}
	if _, err := u.g.cfg.Log.Append(context.WithoutCancel(ctx), events.NewDraft(u.session.Region, u.session.ID, events.Gateway, events.ShareClosed, d)); err != nil {
		u.g.log.Warn("end of a share's use not recorded", "session", u.session.ID, "err", err)
	}
}

// opened appends share_opened, which ends earlier uses of the share.
func (u *adbUse) opened(ctx context.Context) (err error) {
	u.openedAt, err = u.g.cfg.Log.Append(ctx, events.NewDraft(u.session.Region, u.session.ID, events.Gateway, events.ShareOpened,
		events.ShareOpenedData{ID: u.share, Connection: u.id}))
	if err != nil {
		return closing{websocket.StatusTryAgainLater, "the log is not available at the moment, try again"}
	}
	return nil
}

func (u *adbUse) carry(ctx context.Context, ws *bytesocket.Socket) (bridge.Totals, error) {
	b, err := bridge.Dial(ctx, u.g.cfg.Log.Conn(), bridge.Address{Region: u.session.Region, Session: u.session.ID, Connection: u.id})
	if err != nil {
		return bridge.Totals{}, errors.Join(context.Cause(ctx), err)
	}
	return b.Run(ctx, ws) //nolint:wrapcheck // ending words it
}

// watch returns why the use is over, as the log has it; with the context it returns too.
func (u *adbUse) watch(ctx context.Context, ws *bytesocket.Socket) error {
	s := u.session
	gone := ws.Gone()
	var late <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-gone: // what it has sent is passed on, if that takes no long time
			gone, late = nil, time.After(u.g.times.closeWait)
		case <-late:
			return bytesocket.ErrGone
		case e, ok := <-u.sub.events:
			if !ok && u.sub.why == whySlow {
				return closing{websocket.StatusTryAgainLater, "more came than this gateway could take at once"}
			}
			if !ok {
				return closing{websocket.StatusGoingAway, whyStopping}
			}
			if !e.Sound() {
				continue
			}
			if s = s.Apply(*e); s.Ended() || s.Status == projections.StatusTerminating {
				return closing{closeEnded, endText(s)}
			}
			if err := u.over(*e); err != nil {
				return err
			}
		}
	}
}

// over tells whether an event about a share ends the use.
func (u *adbUse) over(e events.Event) error {
	switch {
	case e.Is(events.Gateway, events.ShareRevoked):
		if d := decoded[events.ShareRevokedData](e); d.ID == u.share {
			return closing{closeEnded, "the share is no longer good: " + d.Reason}
		}
	case e.Is(events.Gateway, events.ShareOpened) && e.Sequence > u.openedAt:
		if d := decoded[events.ShareOpenedData](e); d.ID == u.share {
			return closing{closeReplaced, "the share is used by somebody else now"}
		}
	}
	return nil
}

// ending is how the socket is closed.
func (u *adbUse) ending(err error, ws *bytesocket.Socket) closing {
	var c closing
	left := false // whatever came of it
	select {
	case <-ws.Gone():
		left = true
	default:
	}
	switch {
	case err == nil:
		return closing{websocket.StatusNormalClosure, "both sides have closed"}
	case errors.As(err, &c):
	case errors.Is(err, errStopping):
		c = closing{websocket.StatusGoingAway, whyStopping}
	case errors.Is(err, bytesocket.ErrText):
		c = closing{websocket.StatusUnsupportedData, "binary frames only: they are the bytes of a TCP connection"}
	case left, errors.Is(err, bytesocket.ErrGone):
		c = closing{websocket.StatusNormalClosure, "closed by its user"}
	case errors.Is(err, bridge.ErrRefused):
		c = closing{closeUnreachable, strings.TrimPrefix(err.Error(), bridge.ErrRefused.Error()+": ")}
	case errors.Is(err, bridge.ErrSilent):
		c = closing{closeUnreachable, "the instance does not answer"}
	case errors.Is(err, bridge.ErrEnded):
		c = closing{websocket.StatusNormalClosure, "closed by the application"}
	default:
		u.g.log.Warn("share's connection broke", "session", u.session.ID, "err", err)
		c = closing{websocket.StatusInternalError, "the connection to the instance broke"}
	}
	c.reason = shorten(c.reason, 120) // a close reason has at most 123 bytes (RFC 6455, section 5.5.1)
	return c
}
