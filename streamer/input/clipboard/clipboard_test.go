package clipboard_test

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jezek/xgb/xproto"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/input/clipboard"
	"streamstack/streamer/input/xdisplay"
	"streamstack/streamer/input/xdisplay/xorgtest"
)

const patience = 20 * time.Second

func open(t *testing.T, server *xorgtest.Server) *clipboard.Clipboard {
	t.Helper()
	c, err := clipboard.Open(t.Context(), server.Display, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// copied waits for what an application copied.
func copied(t *testing.T, c *clipboard.Clipboard) string {
	t.Helper()
	select {
	case text := <-c.Copied():
		return text
	case <-time.After(patience):
		t.Fatal("nothing was copied")
		return ""
	}
}

// TestTwoClients: what one sets another gets, of any length: above 64 KiB it goes in parts, both ways.
func TestTwoClients(t *testing.T) {
	server := xorgtest.Start(t, 320, 240)
	one, two := open(t, server), open(t, server)
	for name, text := range map[string]string{
		"short": "hé 日本語 🙂\n", "in parts": strings.Repeat("é", 100<<10), "as long as may be": strings.Repeat("x", clipboard.MaxText),
	} {
		require.NoError(t, one.Set(t.Context(), text), name)
		require.True(t, copied(t, two) == text, name)
	}
	require.ErrorIs(t, one.Set(t.Context(), strings.Repeat("x", clipboard.MaxText+1)), clipboard.ErrTooLarge)
	require.NoError(t, two.Set(t.Context(), "back"))
	require.Equal(t, "back", copied(t, one))
	select {
	case text := <-two.Copied():
		t.Fatalf("what was set comes back: %q", text)
	default:
	}
}

// wish is an application of another make (Tk): it copies, and prints what it pastes.
const wish = `
wm withdraw .
proc paste {} { if {[catch {clipboard get -type UTF8_STRING} text]} { after 50 paste } else { set f [open $::env(PASTED) w]; fconfigure $f -encoding utf-8 -translation binary; puts -nonewline $f [encoding convertto utf-8 $text]; close $f; file rename -force $::env(PASTED) $::env(PASTED).whole; exit } }
if {$::env(COPY) ne ""} { clipboard clear; clipboard append [string repeat $::env(COPY) $::env(TIMES)]; update } else { paste }
`

// tk runs an application on the display.
func tk(t *testing.T, server *xorgtest.Server, env ...string) {
	t.Helper()
	script := filepath.Join(t.TempDir(), "application.tcl")
	require.NoError(t, os.WriteFile(script, []byte(wish), 0o600))
	cmd := exec.Command("wish", script)
	cmd.Env = append(append(os.Environ(), "DISPLAY="+server.Display, "LANG=C.UTF-8"), env...)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // may have ended
		_ = cmd.Wait()
	})
}

func TestWithAnApplication(t *testing.T) {
	server := xorgtest.Start(t, 320, 240)
	c := open(t, server)
	tk(t, server, "COPY=hé ", "TIMES=1", "PASTED=")
	require.Equal(t, "hé ", copied(t, c))
	tk(t, server, "COPY=large ", "TIMES=50000", "PASTED=")
	require.True(t, copied(t, c) == strings.Repeat("large ", 50000))
	for name, text := range map[string]string{"short": "für dich", "large": strings.Repeat("für dich", 20000)} {
		require.NoError(t, c.Set(t.Context(), text))
		file := filepath.Join(t.TempDir(), name)
		tk(t, server, "COPY=", "TIMES=0", "PASTED="+file)
		require.Eventually(t, func() bool {
			got, err := os.ReadFile(file + ".whole")
			return err == nil && string(got) == text
		}, patience, 20*time.Millisecond, name)
	}
}

// TestSetIsThere: who is asked after Set for what the clipboard has, as by a key that follows it on another connection, is its owner already.
func TestSetIsThere(t *testing.T) {
	server := xorgtest.Start(t, 320, 240)
	c := open(t, server)
	other, err := xdisplay.Dial(t.Context(), server.Display)
	require.NoError(t, err)
	t.Cleanup(other.Abort)
	atom, err := xproto.InternAtom(other.Conn, false, uint16(len("CLIPBOARD")), "CLIPBOARD").Reply()
	require.NoError(t, err)
	mine, err := xproto.NewWindowId(other.Conn)
	require.NoError(t, err)
	screen := xproto.Setup(other.Conn).DefaultScreen(other.Conn)
	require.NoError(t, xproto.CreateWindowChecked(other.Conn, 0, mine, screen.Root, 0, 0, 1, 1, 0, xproto.WindowClassInputOnly, screen.RootVisual, 0, nil).Check())
	for i := range 100 {
		require.NoError(t, xproto.SetSelectionOwnerChecked(other.Conn, mine, atom.Atom, xproto.TimeCurrentTime).Check())
		require.NoError(t, c.Set(t.Context(), strconv.Itoa(i)))
		owner, err := xproto.GetSelectionOwner(other.Conn, atom.Atom).Reply()
		require.NoError(t, err)
		require.NotEqual(t, mine, owner.Owner, "round %d", i)
	}
}

// TestSetOutlastsWhatWasLostBefore: that another has taken the clipboard is heard late, maybe after Set has taken it back. What was set is
// there all the same.
func TestSetOutlastsWhatWasLostBefore(t *testing.T) {
	server := xorgtest.Start(t, 320, 240)
	c := open(t, server)
	other, err := xdisplay.Dial(t.Context(), server.Display)
	require.NoError(t, err)
	t.Cleanup(other.Abort)
	var atoms [3]xproto.Atom
	for i, name := range []string{"CLIPBOARD", "UTF8_STRING", "PASTED"} {
		atom, err := xproto.InternAtom(other.Conn, false, uint16(len(name)), name).Reply()
		require.NoError(t, err)
		atoms[i] = atom.Atom
	}
	mine, err := xproto.NewWindowId(other.Conn)
	require.NoError(t, err)
	screen := xproto.Setup(other.Conn).DefaultScreen(other.Conn)
	require.NoError(t, xproto.CreateWindowChecked(other.Conn, 0, mine, screen.Root, 0, 0, 1, 1, 0, xproto.WindowClassInputOnly, screen.RootVisual, 0, nil).Check())
	for i := range 50 {
		require.NoError(t, xproto.SetSelectionOwnerChecked(other.Conn, mine, atoms[0], xproto.TimeCurrentTime).Check())
		require.NoError(t, c.Set(t.Context(), strconv.Itoa(i)))
		xproto.ConvertSelection(other.Conn, mine, atoms[0], atoms[1], atoms[2], xproto.TimeCurrentTime)
		for {
			event, xerr := other.WaitForEvent()
			require.Nil(t, xerr)
			require.NotNil(t, event)
			if answer, ok := event.(xproto.SelectionNotifyEvent); ok {
				require.NotZero(t, answer.Property, "round %d: the clipboard is ours and empty", i)
				break
			}
			if wish, ok := event.(xproto.SelectionRequestEvent); ok { // of the moment when it was ours
				refusal := xproto.SelectionNotifyEvent{Time: wish.Time, Requestor: wish.Requestor, Selection: wish.Selection, Target: wish.Target}
				xproto.SendEvent(other.Conn, false, wish.Requestor, 0, string(refusal.Bytes()))
			}
		}
	}
}

// TestTooLong: a text above the limit stays where it is, and the next one comes.
func TestTooLong(t *testing.T) {
	server := xorgtest.Start(t, 320, 240)
	c := open(t, server)
	tk(t, server, "COPY=0123456789", "TIMES=60000", "PASTED=")
	tk(t, server, "COPY=next", "TIMES=1", "PASTED=")
	require.Equal(t, "next", copied(t, c))
}

func TestServerGoes(t *testing.T) {
	server := xorgtest.Start(t, 320, 240)
	c := open(t, server)
	require.NoError(t, server.Process.Signal(syscall.SIGKILL))
	select {
	case <-c.Done():
	case <-time.After(patience):
		t.Fatal("the clipboard does not notice that its X server is dead")
	}
	require.ErrorIs(t, c.Set(t.Context(), "x"), clipboard.ErrClosed)
	c.Close()
}
