package peer

import (
	"fmt"
	"log/slog"

	"github.com/pion/logging"
)

// maxLogBytes bounds one line of pion: some quote what the client sent.
const maxLogBytes = 512

// pionLog bridges pion's loggers to slog, at lower levels than pion has them: what is worth a warning to a library (a
// stream that ended while closing) is everyday life here.
//
// Trace and debug lines are dropped without being formatted: pion's ICE agent writes its passwords there.
type pionLog struct{ log *slog.Logger }

// NewLogger implements logging.LoggerFactory.
func (l pionLog) NewLogger(scope string) logging.LeveledLogger {
	return pionLogger{log: l.log.With("pion", scope)}
}

type pionLogger struct{ log *slog.Logger }

func (l pionLogger) Trace(string)                   {}
func (l pionLogger) Tracef(string, ...any)          {}
func (l pionLogger) Debug(string)                   {}
func (l pionLogger) Debugf(string, ...any)          {}
func (l pionLogger) Info(msg string)                { l.log.Debug(cut(msg)) }
func (l pionLogger) Infof(format string, a ...any)  { l.log.Debug(cut(fmt.Sprintf(format, a...))) }
func (l pionLogger) Warn(msg string)                { l.log.Debug(cut(msg)) }
func (l pionLogger) Warnf(format string, a ...any)  { l.log.Debug(cut(fmt.Sprintf(format, a...))) }
func (l pionLogger) Error(msg string)               { l.log.Warn(cut(msg)) }
func (l pionLogger) Errorf(format string, a ...any) { l.log.Warn(cut(fmt.Sprintf(format, a...))) }

func cut(msg string) string { return msg[:min(len(msg), maxLogBytes)] }
