package files

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"

	"golang.org/x/time/rate"

	"streamstack/events"
)

// Channel is the label of the data channel.
const Channel = "streamstack-files"

const (
	// DefaultMaxFile is the largest file, in bytes, where the configuration names none.
	DefaultMaxFile = 4 << 30
	// reserve is what a file must leave free on the inbox's disk, in bytes.
	reserve = 64 << 20
	// requests a second, and how many at once; more are held back. Each may be an event of the session's history.
	requestRate, requestBurst = 5, 40
	// maxRequest is the longest text message, in bytes; maxListed how many files of the outbox are shown.
	maxRequest, maxListed = 4 << 10, 500
	// progressEvery is after how many bytes the page is told of its upload.
	progressEvery = 1 << 20
	// chunk is how much of a file goes into one message, in bytes.
	chunk = 32 << 10
)

// Codes of errors, for programs.
const (
	CodeBadRequest = "bad_request" // not of the protocol
	CodeTooLarge   = "too_large"   // above the limit
	CodeNoSpace    = "no_space"    // the disk has no room
	CodeNotFound   = "not_found"   // no such file in the outbox
	CodeBusy       = "busy"        // another file goes that way
	CodeCancelled  = "cancelled"   // by the page
	CodeFailed     = "failed"      // anything else
)

// Conn is the data channel, such as a peer.Channel.
type Conn interface {
	Receive() (data []byte, text bool, err error)
	Send(ctx context.Context, data []byte, text bool) error
}

// Config says where files go.
type Config struct {
	// Inbox and Outbox are folders; they are made if they do not exist.
	Inbox, Outbox string
	// MaxFile is the largest file, in bytes; zero means DefaultMaxFile.
	MaxFile int64
	Log     *slog.Logger
	// Done is told of every transfer's end, not of the contents. It may wait.
	Done func(ctx context.Context, d events.FileTransferredData)
}

// request is a text message of the page.
type request struct {
	Type string `json:"type"`
	ID   int64  `json:"id"`
	Name string `json:"name"`
	Size int64  `json:"size"`
}

// answer is a text message to the page.
type answer struct {
	Type    string  `json:"type"`
	ID      int64   `json:"id,omitempty"`
	Name    string  `json:"name,omitempty"`
	Size    *int64  `json:"size,omitempty"`
	Bytes   *int64  `json:"bytes,omitempty"`
	SHA256  string  `json:"sha256,omitempty"`
	Code    string  `json:"code,omitempty"`
	Message string  `json:"message,omitempty"`
	Files   *[]file `json:"files,omitempty"`
}

// file is one of the outbox.
type file struct {
	Name     string `json:"name"`
	Size     int64  `json:"size"`
	Modified int64  `json:"modified"` // Unix seconds
}

// failure is the end of a transfer that the page is told of.
type failure struct {
	code, message string
}

func (f *failure) Error() string { return f.message }

func failed(code, format string, args ...any) error {
	return &failure{code, fmt.Sprintf(format, args...)}
}

// server serves one channel. One goroutine receives and writes uploads; another sends at most one download.
type server struct {
	cfg     Config
	conn    Conn
	inbox   *os.Root
	outbox  *os.Root
	limit   *rate.Limiter
	upload  *upload
	work    sync.WaitGroup
	mu      sync.Mutex // guards the two below
	getting int64      // id of the download that is under way; 0 for none
	stop    context.CancelFunc
}

// Serve serves a channel until it ends, or ctx does and the owner closes the channel. What was begun and is not whole is removed. The
// error tells why nothing was served.
func Serve(ctx context.Context, cfg Config, conn Conn) error {
	if cfg.MaxFile == 0 {
		cfg.MaxFile = DefaultMaxFile
	}
	s := &server{cfg: cfg, conn: conn, limit: rate.NewLimiter(requestRate, requestBurst)}
	var err error
	if s.inbox, err = openFolder(cfg.Inbox); err != nil {
		return err
	}
	defer func() { _ = s.inbox.Close() }()
	if s.outbox, err = openFolder(cfg.Outbox); err != nil {
		return err
	}
	defer func() { _ = s.outbox.Close() }()
	s.removeLeft()
	ctx, cancel := context.WithCancel(ctx)
	err = s.receive(ctx)
	cancel()
	s.work.Wait()
	if s.upload != nil {
		s.finishUpload(context.WithoutCancel(ctx), failed(CodeCancelled, "the page has gone"))
	}
	if errors.Is(err, io.EOF) || ctx.Err() != nil {
		return nil
	}
	return err
}

func openFolder(path string) (*os.Root, error) {
	if err := os.MkdirAll(path, 0o750); err != nil {
		return nil, fmt.Errorf("files: %w", err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("files: %w", err)
	}
	return root, nil
}

// receive takes the page's messages until the channel ends.
func (s *server) receive(ctx context.Context) error {
	for {
		data, text, err := s.conn.Receive()
		if err != nil {
			return fmt.Errorf("files: %w", err)
		}
		if !text {
			s.take(ctx, data)
			continue
		}
		if err := s.limit.Wait(ctx); err != nil {
			return fmt.Errorf("files: %w", err)
		}
		if err := s.handle(ctx, data); err != nil {
			return err
		}
	}
}

// handle does what a request asks for; an error ends the serving.
func (s *server) handle(ctx context.Context, data []byte) error {
	var r request
	if len(data) > maxRequest || json.Unmarshal(data, &r) != nil {
		return s.refuse(ctx, 0, failed(CodeBadRequest, "not a request: send a JSON object of at most %d bytes", maxRequest))
	}
	switch r.Type {
	case "put":
		return s.put(ctx, r)
	case "get":
		return s.get(ctx, r)
	case "list":
		return s.list(ctx)
	case "cancel":
		s.cancel(ctx, r.ID)
		return nil
	default:
		return s.refuse(ctx, r.ID, failed(CodeBadRequest, "unknown type of request: put, get, list and cancel are known"))
	}
}

// cancel ends a transfer that the page does not want any more.
func (s *server) cancel(ctx context.Context, id int64) {
	if s.upload != nil && s.upload.id == id {
		s.finishUpload(ctx, failed(CodeCancelled, "cancelled"))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.getting == id && s.stop != nil {
		s.stop()
	}
}

// say sends an answer.
func (s *server) say(ctx context.Context, a answer) error {
	text, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("files: %w", err)
	}
	return s.conn.Send(ctx, text, true) //nolint:wrapcheck // it is the end of the channel
}

// refuse answers with a failure.
func (s *server) refuse(ctx context.Context, id int64, cause error) error {
	f := asFailure(cause)
	return s.say(ctx, answer{Type: "error", ID: id, Code: f.code, Message: f.message})
}

// asFailure says what a page may know of an error.
func asFailure(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	return &failure{CodeFailed, "the file could not be carried"}
}

// tell records a transfer's end. err is nil for one that is whole.
func (s *server) tell(ctx context.Context, direction, name string, bytes int64, err error) {
	d := events.FileTransferredData{Direction: direction, Name: cut(strings.ToValidUTF8(name, "_"), events.MaxFileName), Bytes: bytes, Result: events.FileDone}
	if err != nil {
		f := asFailure(err)
		d.Result, d.Reason = events.FileFailed, f.message
		if f.code == CodeCancelled {
			d.Result = events.FileCancelled
		}
		s.cfg.Log.Info("file not carried", "direction", direction, "bytes", bytes, "err", err)
	}
	if s.cfg.Done != nil {
		s.cfg.Done(ctx, d)
	}
}
