package events

import (
	"context"
	"errors"
	"net/http"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrRefused is returned when the server refuses the connection's credentials what was asked. It answers no request that it
// refuses, but says so on the connection; without this, it would look as if NATS did not answer.
var ErrRefused = errors.New("events: these credentials may not read this: use an operator's (`streamstack credentials operator`, or --data)")

// Refusals gives names to the refusals from now on: what it returns turns the error of a request that was made since, and
// that nobody answered, into [ErrRefused] if the server has refused the connection something meanwhile; and so an answer that says so. All other errors
// stay what they are. On a connection that several goroutines share, it may have been another one's request; the roles'
// programs ask for nothing that they may not.
func (l *Log) Refusals() func(error) error {
	before := l.nc.LastError()
	return func(err error) error {
		var api *jetstream.APIError
		if errors.As(err, &api) && api.Code == http.StatusForbidden { // the gateways' guard, which answers
			return &refusal{err}
		}
		if err == nil || !(errors.Is(err, ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || Unavailable(err)) {
			return err
		}
		//nolint:errorlint // this very one: the connection keeps it until it has another
		if last := l.nc.LastError(); last != before && errors.Is(last, nats.ErrPermissionViolation) {
			return &refusal{last}
		}
		return err
	}
}

// refusal is an [ErrRefused] with what the server said.
type refusal struct{ said error }

func (r *refusal) Error() string        { return ErrRefused.Error() + ": " + r.said.Error() }
func (r *refusal) Is(target error) bool { return target == ErrRefused }
func (r *refusal) Unwrap() error        { return r.said }
