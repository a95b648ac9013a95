package events

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrConflict is returned by [Log.AppendExpecting] when somebody else appended to the session first.
var ErrConflict = errors.New("events: somebody else appended to the session first")

// ErrUnavailable is returned when NATS cannot be reached or does not answer in time. What was to be appended may have
// been appended all the same, if only the answer was lost.
var ErrUnavailable = errors.New("events: the log is not available (NATS does not answer)")

// API error codes of "wrong last sequence" (nats-server, jetstream_errors_generated.go).
const (
	codeWrongLastSequence         = 10071
	codeWrongLastSequenceConstant = 10164
)

// appendError gives the errors that callers act on their names.
func appendError(subject string, err error) error {
	var api *jetstream.APIError
	switch {
	case errors.As(err, &api) && (api.ErrorCode == codeWrongLastSequence || api.ErrorCode == codeWrongLastSequenceConstant):
		return fmt.Errorf("%w: %s", ErrConflict, subject)
	case Unavailable(err):
		return fmt.Errorf("%w: append %s: %w", ErrUnavailable, subject, err)
	default:
		return fmt.Errorf("events: append %s: %w", subject, err)
	}
}

func readError(stream string, err error) error {
	if Unavailable(err) {
		return fmt.Errorf("%w: read %s: %w", ErrUnavailable, stream, err)
	}
	return fmt.Errorf("events: read %s: %w", stream, err)
}

// Unavailable tells whether an error, also one of the NATS client's own, means that NATS, or JetStream behind it, cannot
// answer now: the same may succeed later.
func Unavailable(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.Code == http.StatusServiceUnavailable // no leader, no quorum, no space
	}
	for _, away := range []error{
		ErrUnavailable, context.DeadlineExceeded, nats.ErrTimeout, nats.ErrNoResponders, nats.ErrConnectionClosed, nats.ErrDisconnected,
		nats.ErrReconnectBufExceeded, nats.ErrConnectionReconnecting, nats.ErrConnectionDraining, nats.ErrStaleConnection,
		jetstream.ErrNoStreamResponse, jetstream.ErrAsyncPublishTimeout, jetstream.ErrTooManyStalledMsgs,
	} {
		if errors.Is(err, away) {
			return true
		}
	}
	return false
}

// connected waits until the connection is up, at most for the time given. Without it, what is sent while NATS is away
// would be kept by the client and sent whenever NATS is back, long after the caller was told that it failed.
func (l *Log) connected(ctx context.Context, within time.Duration) error {
	if l.nc.IsConnected() {
		return nil
	}
	status := l.nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer l.nc.RemoveStatusListener(status)
	timer := time.NewTimer(within)
	defer timer.Stop()
	for !l.nc.IsConnected() {
		if l.nc.IsClosed() {
			return fmt.Errorf("%w: %w", ErrUnavailable, nats.ErrConnectionClosed)
		}
		select {
		case <-status:
		case <-timer.C:
			return fmt.Errorf("%w: not connected for %s", ErrUnavailable, within)
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("%w: not connected: %w", ErrUnavailable, ctx.Err())
			}
			return fmt.Errorf("events: %w", ctx.Err())
		}
	}
	return nil
}
