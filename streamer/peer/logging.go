package peer

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/pion/logging"
	"golang.org/x/time/rate"
)

const (
	// maxLogBytes bounds one line of pion: some quote what the client sent.
	maxLogBytes = 512
	// logBurst lines of one part of one connection are written at once, and one each logPause after that: a client can have a line written
	// for each packet it sends.
	logBurst, logPause = 100, time.Second
)

// pionLog bridges pion's loggers to slog, at lower levels than pion has them: what is worth a warning to a library (a
// stream that ended while closing) is everyday life here.
//
// Trace and debug lines are dropped without being formatted: pion's ICE agent writes its passwords there. So are lines beyond logBurst;
// the next one that is written says how many.
type pionLog struct{ log *slog.Logger }

// NewLogger implements logging.LoggerFactory.
func (l pionLog) NewLogger(scope string) logging.LeveledLogger {
	return &pionLogger{log: l.log.With("pion", scope), limit: rate.NewLimiter(rate.Every(logPause), logBurst)}
}

type pionLogger struct {
	log     *slog.Logger
	limit   *rate.Limiter
	omitted atomic.Uint64
}

func (l *pionLogger) Trace(string)                   {}
func (l *pionLogger) Tracef(string, ...any)          {}
func (l *pionLogger) Debug(string)                   {}
func (l *pionLogger) Debugf(string, ...any)          {}
func (l *pionLogger) Info(msg string)                { l.write(l.log.Debug, "%s", msg) }
func (l *pionLogger) Infof(format string, a ...any)  { l.write(l.log.Debug, format, a...) }
func (l *pionLogger) Warn(msg string)                { l.write(l.log.Debug, "%s", msg) }
func (l *pionLogger) Warnf(format string, a ...any)  { l.write(l.log.Debug, format, a...) }
func (l *pionLogger) Error(msg string)               { l.write(l.log.Warn, "%s", msg) }
func (l *pionLogger) Errorf(format string, a ...any) { l.write(l.log.Warn, format, a...) }

func (l *pionLogger) write(to func(string, ...any), format string, a ...any) {
	if !l.limit.Allow() {
		l.omitted.Add(1)
		return
	}
	line := cut(fmt.Sprintf(format, a...))
	if n := l.omitted.Swap(0); n > 0 {
		to(line, "lines_omitted_before", n)
		return
	}
	to(line)
}

func cut(msg string) string { return msg[:min(len(msg), maxLogBytes)] }
