package doctor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/pion/stun"

	"streamstack/events/connect"
)

// serverTime bounds how long a server may take to answer.
const serverTime = 3 * time.Second

// reachNATS connects and measures a round trip.
func reachNATS(ctx context.Context, url, creds string) Finding {
	detail, err := func() (string, error) {
		ctx, cancel := context.WithTimeout(ctx, serverTime)
		defer cancel()
		nc, err := connect.Dial(ctx, url, creds, "doctor", slog.New(slog.DiscardHandler))
		if err != nil {
			return "", err
		}
		defer nc.Close()
		rtt, err := nc.RTT()
		if err != nil {
			return "", fmt.Errorf("it does not answer: %w", err)
		}
		return "answers in " + rtt.Round(10*time.Microsecond).String(), nil
	}()
	return of("nats", connect.Redact(url), detail, true, err)
}

// reachTURN sends a Binding request (RFC 8489, section 3) to a server by its `turn:host:port` URI, over UDP.
func reachTURN(ctx context.Context, uri string) Finding {
	begun := time.Now()
	mapped, err := bind(ctx, uri)
	if err != nil {
		err = fmt.Errorf("%w: is the port open for UDP between here and the server?", err)
	}
	return of("turn", uri, fmt.Sprintf("answers in %v, sees %s", time.Since(begun).Round(10*time.Microsecond), mapped), true, err)
}

func bind(ctx context.Context, uri string) (mapped string, err error) {
	ctx, cancel := context.WithTimeout(ctx, serverTime)
	defer cancel()
	_, addr, ok := strings.Cut(uri, ":")
	if addr, _, _ = strings.Cut(addr, "?"); !ok || addr == "" {
		return "", errors.New("it is no turn:host:port")
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", addr)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }() // nothing is kept
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return "", err
	}
	request, err := stun.Build(stun.TransactionID, stun.BindingRequest)
	if err != nil {
		return "", err
	}
	if _, err := conn.Write(request.Raw); err != nil {
		return "", err
	}
	packet := make([]byte, 1500)
	n, err := conn.Read(packet)
	if err != nil {
		return "", fmt.Errorf("it does not answer: %w", err)
	}
	response := &stun.Message{Raw: packet[:n]}
	var address stun.XORMappedAddress
	if err := response.Decode(); err != nil || response.TransactionID != request.TransactionID || address.GetFrom(response) != nil {
		return "", errors.New("what answers is no STUN server")
	}
	return address.String(), nil
}
