// Package rtclog writes what passes on the wire of a session's connections into files, for whoever wants to know why a stream was as it
// was: the setting `rtc_log` of an instance (streamer-config.md, section 7).
//
// The original writes libwebrtc's RtcEventLog, a format of that library's own. Here is the same knowledge as lines of JSON (NDJSON):
//
//	{"us":0,"start":{"at":"2026-11-22T06:27:09.493Z","format":1}}
//	{"us":1042,"peer":"0192f1c2","rtp":{"ssrc":7,"seq":4711,"ts":90000,"pt":96,"payload":1180,"marker":true}}
//	{"us":2100,"peer":"0192f1c2","rtcp":{"kind":"twcc","ssrc":7,"base":12,"count":20,"received":19,"number":3}}
//	{"us":2101,"peer":"0192f1c2","estimate":{"bps":2500000,"cause":"increase",…}}
//	{"us":2102,"peer":"0192f1c2","decision":{"kind":"target","cause":"increase","bps":2300000,"fps":30}}
//
// us is microseconds since the file's start, peer the beginning of the client's id. Headers only: no picture, no sound, no input, no
// address, no key. RTP is what goes out, RTCP what the client says about it.
//
// # Bounds
//
// The files are rtc_log.NUMBER.ndjson, of [MaxFile] bytes at most; the last [MaxFiles] are kept. Nobody on the media's way waits for
// the disk: what it does not take in time is left out, and counted in a line ("omitted"). So is what a disk does not take that is full;
// there is another file once it has room again.
package rtclog

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	// MaxFile is how long a file becomes, in bytes: some two minutes of 5 Mbit/s at 60 pictures a second.
	MaxFile = 8 << 20
	// MaxFiles are kept: in a container they lie in its memory.
	MaxFiles = 4
	// queued lines may wait for the disk, a second's worth of a fast stream.
	queued = 4096
	// flushEvery is how long a line may stay in memory.
	flushEvery = 500 * time.Millisecond
	// retryEvery is how long a disk that took nothing is left alone.
	retryEvery = 10 * time.Second
	// A program may switch it all the time, and the streamer's own log is not that program's alone: so often it is told, and as many at once.
	toldEvery, toldBurst = time.Minute, 10
)

// Log is the log of one instance, off at first. Its methods are safe for concurrent use.
type Log struct {
	folder string
	log    *slog.Logger

	running atomic.Pointer[run] // nil while it is off
	mu      sync.Mutex          // of Set
	closed  bool
	told    *rate.Limiter // lines about it in the streamer's log
}

// New makes a log that writes into a folder, which is made when it is needed.
func New(folder string, log *slog.Logger) *Log {
	return &Log{folder: folder, log: log, told: rate.NewLimiter(rate.Every(toldEvery), toldBurst)}
}

// On tells whether it writes.
func (l *Log) On() bool { return l.running.Load() != nil }

// Set switches it on or off; off, it returns when all is in the file. It fails where no file can be made.
func (l *Log) Set(on bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch before := l.running.Load(); {
	case on == (before != nil):
		return nil
	case !on:
		l.running.Store(nil)
		before.end()
		return nil
	case l.closed:
		return errors.New("rtclog: the streamer is ending")
	}
	if l.folder == "" {
		return errors.New("rtclog: this streamer has no folder for it: give it one with --traces")
	}
	f, err := open(l.folder, MaxFile)
	if err != nil {
		return err
	}
	r := &run{file: f, log: l.log, told: l.told, retry: retryEvery, lines: make(chan line, queued), stop: make(chan struct{})}
	r.work.Go(r.write)
	l.running.Store(r)
	if l.told.Allow() {
		l.log.Info("the RTC event log is written", "folder", l.folder)
	}
	return nil
}

// Close switches it off for good.
func (l *Log) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	_ = l.Set(false) // which does not fail
}

// line is one line that waits.
type line struct {
	at       time.Time
	US       int64     `json:"us"`
	Peer     string    `json:"peer,omitempty"`
	Start    *start    `json:"start,omitempty"`
	RTP      *rtpLine  `json:"rtp,omitempty"`
	RTCP     *rtcpLine `json:"rtcp,omitempty"`
	Estimate *estimate `json:"estimate,omitempty"`
	Decision *decision `json:"decision,omitempty"`
	Omitted  uint64    `json:"omitted,omitempty"`
}

// start begins a file.
type start struct {
	At     time.Time `json:"at"`
	Format int       `json:"format"` // of the lines: 1
}

// run is the time from on to off.
type run struct {
	file    *files
	log     *slog.Logger
	told    *rate.Limiter
	retry   time.Duration
	lines   chan line
	omitted atomic.Uint64
	stop    chan struct{}
	work    sync.WaitGroup

	// Of write's goroutine:
	failed time.Time // when the disk last took nothing, zero once it does
	unsure uint64    // lines that may be in the file's buffer only
}

// put has a line written, if there is room.
func (r *run) put(l line) {
	select {
	case r.lines <- l:
	default:
		r.omitted.Add(1)
	}
}

// end writes what waits, and ends.
func (r *run) end() {
	close(r.stop)
	r.work.Wait()
}

// write owns the file.
func (r *run) write() {
	flush := time.NewTicker(flushEvery)
	defer flush.Stop()
	for {
		select {
		case l := <-r.lines:
			r.take(l)
		case <-flush.C:
			r.settle(r.file.flush())
		case <-r.stop:
			for len(r.lines) > 0 {
				r.take(<-r.lines)
			}
			r.settle(r.file.close())
			return
		}
	}
}

// settle takes the outcome of a flush. After a failure the file is given up: what it holds is whole but for its end.
func (r *run) settle(err error) {
	switch {
	case err != nil:
		r.omitted.Add(r.unsure)
		r.unsure = 0
		if r.failed.IsZero() && r.told.Allow() { // once: the disk may be full for long
			r.log.Warn("the RTC event log is not written for now: is the disk full?", "err", err)
		}
		r.failed = time.Now()
		r.file.abandon()
	case r.file.file != nil:
		r.failed, r.unsure = time.Time{}, 0
	}
}

// take writes a line, and before it how many were left out.
func (r *run) take(l line) {
	if !r.failed.IsZero() && r.file.file == nil && time.Since(r.failed) < r.retry {
		r.omitted.Add(1)
		return
	}
	n := r.omitted.Swap(0)
	var err error
	if n > 0 {
		err = r.append(line{at: l.at, Omitted: n})
	}
	if err == nil {
		err = r.append(l)
	}
	r.unsure += n + 1
	if err != nil {
		r.settle(err)
	}
}

func (r *run) append(l line) error {
	began, err := r.file.room()
	if err != nil {
		return err
	}
	l.US = max(0, l.at.Sub(began).Microseconds())
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("rtclog: %w", err)
	}
	return r.file.append(append(text, '\n'))
}
