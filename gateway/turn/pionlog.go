package turn

import (
	"fmt"
	"log/slog"

	"github.com/pion/logging"
)

// pionLog hands pion's messages to slog, all of them as debug messages: whatever pion calls an error (a malformed
// datagram, a failed login) anybody on the network can cause as often as they like. What an operator has to know is
// logged by this package.
type pionLog struct {
	log *slog.Logger
}

var (
	_ logging.LoggerFactory = pionLog{}
	_ logging.LeveledLogger = pionLog{}
)

// NewLogger implements logging.LoggerFactory.
func (p pionLog) NewLogger(scope string) logging.LeveledLogger {
	return pionLog{log: p.log.With("pion", scope)}
}

// message is formatted when a handler wants to print it, and not before: pion reports every packet.
type message struct {
	format string
	args   []any
}

// LogValue implements slog.LogValuer.
func (m message) LogValue() slog.Value { return slog.StringValue(fmt.Sprintf(m.format, m.args...)) }

func (p pionLog) debug(format string, args ...any) {
	p.log.Debug("turn: pion", "message", message{format: format, args: args})
}

func (p pionLog) Trace(string)                      {}
func (p pionLog) Tracef(string, ...any)             {}
func (p pionLog) Debug(msg string)                  { p.debug("%s", msg) }
func (p pionLog) Debugf(format string, args ...any) { p.debug(format, args...) }
func (p pionLog) Info(msg string)                   { p.debug("%s", msg) }
func (p pionLog) Infof(format string, args ...any)  { p.debug(format, args...) }
func (p pionLog) Warn(msg string)                   { p.debug("%s", msg) }
func (p pionLog) Warnf(format string, args ...any)  { p.debug(format, args...) }
func (p pionLog) Error(msg string)                  { p.debug("%s", msg) }
func (p pionLog) Errorf(format string, args ...any) { p.debug(format, args...) }
