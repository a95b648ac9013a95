package files

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/pion/webrtc/v3"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/events"
	"streamstack/events/eventstest"
	"streamstack/streamer/peer"
	"streamstack/streamer/peer/peertest"
)

// page is a page with a session's files.
type page struct {
	t       *testing.T
	cfg     Config
	channel *webrtc.DataChannel
	peer    *peer.Peer
	served  chan error

	mu      sync.Mutex
	answers []answer
	data    bytes.Buffer
	told    []events.FileTransferredData
}

func start(t *testing.T, change func(*Config)) *page {
	t.Helper()
	p := &page{t: t, served: make(chan error, 1)}
	p.cfg = Config{Inbox: filepath.Join(t.TempDir(), "in"), Outbox: filepath.Join(t.TempDir(), "out"), Log: slog.New(slog.DiscardHandler),
		Done: func(_ context.Context, d events.FileTransferredData) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.told = append(p.told, d)
		}}
	if change != nil {
		change(&p.cfg)
	}
	opened := make(chan *peer.Channel, 1)
	connected, client := peertest.Connect(t, peer.Config{
		ID: "test", Settings: peer.Settings{APIVersion: 2, DataChannels: []string{Channel}}, Log: slog.New(slog.DiscardHandler),
		Handlers: peer.Handlers{Channel: func(c *peer.Channel) { opened <- c }},
	})
	p.peer, p.channel = connected, client.Channels[Channel]
	p.channel.OnMessage(func(m webrtc.DataChannelMessage) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !m.IsString {
			p.data.Write(m.Data)
			return
		}
		var a answer
		if err := json.Unmarshal(m.Data, &a); err != nil {
			t.Error(err)
		}
		p.answers = append(p.answers, a)
	})
	select {
	case c := <-opened:
		go func() { p.served <- Serve(t.Context(), p.cfg, c) }()
	case <-time.After(peertest.Patience):
		t.Fatal("the channel did not open")
	}
	peertest.Opened(t, p.channel)
	t.Cleanup(func() { connected.Close(peer.Gone) })
	return p
}

func (p *page) say(format string, args ...any) {
	p.t.Helper()
	require.NoError(p.t, p.channel.SendText(fmt.Sprintf(format, args...)))
}

// answer waits for the first answer of a type to a transfer.
func (p *page) answer(kind string, id int64) (found answer) {
	p.t.Helper()
	eventstest.Wait(p.t, peertest.Patience, func() string {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, a := range p.answers {
			if a.Type == kind && a.ID == id {
				found = a
				return ""
			}
		}
		return fmt.Sprintf("%s to %d in %+v", kind, id, p.answers)
	})
	return found
}

func (p *page) put(id int64, name string, data []byte) answer {
	p.t.Helper()
	p.say(`{"type":"put","id":%d,"name":%q,"size":%d}`, id, name, len(data))
	p.answer("go", id)
	for rest := data; len(rest) > 0; {
		n := min(len(rest), 60_000)
		require.NoError(p.t, p.channel.Send(rest[:n]))
		rest = rest[n:]
	}
	return p.answer("done", id)
}

func (p *page) events() []events.FileTransferredData {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]events.FileTransferredData(nil), p.told...)
}

func (p *page) inbox() (names []string) {
	entries, err := os.ReadDir(p.cfg.Inbox)
	require.NoError(p.t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func noise(size int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	return data
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// A file goes in and comes out as it was, with its hash; a second of its name gets another.
func TestThereAndBack(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	data := noise(3 << 20)
	done := p.put(1, "../../holiday.jpg", data)
	require.Equal(t, "holiday.jpg", done.Name)
	require.Equal(t, sum(data), done.SHA256)
	got, err := os.ReadFile(filepath.Join(p.cfg.Inbox, "holiday.jpg"))
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, got))
	require.Positive(t, *p.answer("progress", 1).Bytes)
	require.Equal(t, "holiday (1).jpg", p.put(2, "holiday.jpg", []byte("other")).Name)
	require.Equal(t, "empty", p.put(3, "empty", nil).Name)
	require.ElementsMatch(t, []string{"holiday.jpg", "holiday (1).jpg", "empty"}, p.inbox())

	require.NoError(t, os.WriteFile(filepath.Join(p.cfg.Outbox, "result.bin"), data, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(p.cfg.Outbox, ".hidden"), data, 0o600))
	p.say(`{"type":"list"}`)
	list := *p.answer("list", 0).Files
	require.Len(t, list, 1)
	require.Equal(t, "result.bin", list[0].Name)
	require.Equal(t, int64(len(data)), list[0].Size)
	p.say(`{"type":"get","id":4,"name":"result.bin"}`)
	require.Equal(t, int64(len(data)), *p.answer("file", 4).Size)
	require.Equal(t, sum(data), p.answer("done", 4).SHA256)
	require.True(t, bytes.Equal(data, p.data.Bytes()))
	require.Equal(t, []events.FileTransferredData{
		{Direction: "in", Name: "holiday.jpg", Bytes: 3 << 20, Result: "done"}, {Direction: "in", Name: "holiday (1).jpg", Bytes: 5, Result: "done"},
		{Direction: "in", Name: "empty", Result: "done"}, {Direction: "out", Name: "result.bin", Bytes: 3 << 20, Result: "done"},
	}, p.events())
}

// What must not be carried is refused with a code, and leaves nothing behind.
func TestRefusals(t *testing.T) {
	t.Parallel()
	p := start(t, func(c *Config) { c.MaxFile = 1 << 50 })
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("secret"), 0o600))
	require.NoError(t, os.MkdirAll(filepath.Join(p.cfg.Outbox, "folder"), 0o700))
	require.NoError(t, os.Symlink(secret, filepath.Join(p.cfg.Outbox, "link")))
	require.NoError(t, syscall.Mkfifo(filepath.Join(p.cfg.Outbox, "pipe"), 0o600))
	for i, c := range []struct{ request, code string }{
		{`{"type":"put","id":%d,"name":"a","size":-1}`, CodeBadRequest},
		{`{"type":"put","id":%d,"name":"a","size":1125899906842625}`, CodeTooLarge},
		{`{"type":"put","id":%d,"name":"a","size":1125899906842000}`, CodeNoSpace},
		{`{"type":"get","id":%d,"name":"nobody"}`, CodeNotFound},
		{`{"type":"get","id":%d,"name":"link"}`, CodeNotFound},
		{`{"type":"get","id":%d,"name":"folder"}`, CodeNotFound},
		{`{"type":"get","id":%d,"name":"pipe"}`, CodeNotFound},
		{`{"type":"get","id":%d,"name":"../secret"}`, CodeNotFound},
		{`{"type":"get","id":%d,"name":""}`, CodeNotFound},
		{`{"type":"dance","id":%d}`, CodeBadRequest},
	} {
		id := int64(i + 1)
		p.say(c.request, id)
		require.Equal(t, c.code, p.answer("error", id).Code, c.request)
	}
	p.say(`no JSON`)
	p.say(`{"type":"put","name":"%s"}`, strings.Repeat("x", maxRequest))
	require.Equal(t, CodeBadRequest, p.answer("error", 0).Code)
	require.NoError(t, p.channel.Send([]byte("of no file")))

	p.say(`{"type":"put","id":100,"name":"more","size":3}`)
	p.answer("go", 100)
	p.say(`{"type":"put","id":101,"name":"second","size":3}`)
	require.Equal(t, CodeBusy, p.answer("error", 101).Code)
	require.NoError(t, p.channel.Send([]byte("four")))
	require.Equal(t, CodeBadRequest, p.answer("error", 100).Code)
	p.say(`{"type":"put","id":102,"name":"cancelled","size":3}`)
	p.answer("go", 102)
	p.say(`{"type":"cancel","id":102}`)
	require.Equal(t, CodeCancelled, p.answer("error", 102).Code)
	require.Empty(t, p.inbox())
	for _, d := range p.events() {
		require.NotEqual(t, events.FileDone, d.Result)
		require.NotEmpty(t, d.Reason)
	}
}

// A page that goes in the middle leaves nothing behind but the event.
func TestPageGoes(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	p.say(`{"type":"put","id":1,"name":"%s.txt","size":1000}`, strings.Repeat("long", 300))
	p.answer("go", 1)
	require.NoError(t, p.channel.Send([]byte("some")))
	eventstest.Wait(t, peertest.Patience, func() string {
		if n := p.inbox(); len(n) != 1 {
			return fmt.Sprint("a part in ", n)
		}
		return ""
	})
	require.NoError(t, p.channel.Close())
	select {
	case err := <-p.served:
		require.NoError(t, err)
	case <-time.After(peertest.Patience):
		t.Fatal("the serving did not end")
	}
	require.Empty(t, p.inbox())
	told := p.events()
	require.Len(t, told, 1)
	require.Equal(t, events.FileCancelled, told[0].Result)
	require.LessOrEqual(t, len(told[0].Name), events.MaxFileName)
}

// A download that the page does not take waits, and its cancelling ends it.
func TestCancelDownload(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	f, err := os.Create(filepath.Join(p.cfg.Outbox, "huge"))
	if err != nil {
		require.NoError(t, os.MkdirAll(p.cfg.Outbox, 0o700))
		f, err = os.Create(filepath.Join(p.cfg.Outbox, "huge"))
	}
	require.NoError(t, err)
	require.NoError(t, f.Truncate(1<<40)) // sparse
	require.NoError(t, f.Close())
	p.say(`{"type":"get","id":1,"name":"huge"}`)
	p.answer("file", 1)
	p.say(`{"type":"get","id":2,"name":"huge"}`)
	require.Equal(t, CodeBusy, p.answer("error", 2).Code)
	p.say(`{"type":"cancel","id":1}`)
	require.Equal(t, CodeCancelled, p.answer("error", 1).Code)
	p.put(3, "and on", []byte("x"))
}

// What an earlier streamer did not finish is removed, and folders that cannot be are an error.
func TestFolders(t *testing.T) {
	t.Parallel()
	inbox := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(inbox, partPrefix+"x"+partSuffix), nil, 0o600))
	p := start(t, func(c *Config) { c.Inbox = inbox })
	p.put(1, "a", nil)
	require.Equal(t, []string{"a"}, p.inbox())
	require.ErrorContains(t, Serve(t.Context(), Config{Inbox: "/dev/null/x", Outbox: inbox}, nil), "files: ")
}

func TestPlainName(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "file", "..": "file", ".": "file", "/etc/passwd": "passwd", `C:\Users\me\a b.txt`: "a b.txt", ".bashrc": "_bashrc", "-rf": "_rf",
		"a\x00b\n.txt": "a_b_.txt", "gpj\u202etxt.exe": "gpj_txt.exe", "über 😀.pdf": "über 😀.pdf", "x. . ": "x", "a\xff": "a_", "dir/": "file",
	} {
		require.Equal(t, want, plainName(in), "%q", in)
	}
	long := plainName(strings.Repeat("ä", 300) + ".tar")
	require.LessOrEqual(t, len(long), maxName)
	require.True(t, strings.HasSuffix(long, "ä.tar"))
	require.Equal(t, "a (2).b", numbered("a.b", 2))
	rapid.Check(t, func(t *rapid.T) {
		name := plainName(rapid.String().Draw(t, "name"))
		if name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.ContainsAny(name, "/\x00\\\n") || name[0] == '.' || name[0] == '-' {
			t.Fatalf("%q", name)
		}
	})
}

func FuzzPlainName(f *testing.F) {
	for _, seed := range []string{"a.txt", "../x", "\xff\xfe", strings.Repeat("é", 300)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		name := plainName(in)
		require.NotEmpty(t, name)
		require.LessOrEqual(t, len(name), maxName)
		require.True(t, utf8.ValidString(name))
		require.Equal(t, name, filepath.Base(name))
		require.Equal(t, name, plainName(name), "it is plain then")
	})
}
