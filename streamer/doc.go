// Package streamer runs beside the application: it reads its session's events and appends its own.
//
// One goroutine owns the session's state ([Streamer.Run]); the log, the peer and the captures send it what happened. A
// client that was let in later displaces the one before, whose late messages are known by their peer id and ignored.
// What the streamer needs of the machine (capture, encoders, input) comes through small interfaces, so that everything
// but the encoding itself is tested under the race detector; streamer/process puts the real ones in.
package streamer
