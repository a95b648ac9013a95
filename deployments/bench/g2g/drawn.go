package g2g

import (
	"encoding/binary"
	"os"
	"testing"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
	"github.com/stretchr/testify/require"
)

// FramesProperty is where clockcode counts what it has painted: a property of the root window, a CARDINAL that wraps.
const FramesProperty = "CLOCKCODE_FRAMES"

// Drawing reads how many frames clockcode paints on the display of a streamer. It is for one goroutine.
type Drawing struct {
	t      testing.TB
	conn   *xgb.Conn
	atom   xproto.Atom
	before uint32
	from   time.Time
}

// StartDrawing begins to count. [Drawing.Stop] ends it.
func StartDrawing(t testing.TB, streamer int) *Drawing {
	t.Helper()
	d := &Drawing{t: t}
	func() {
		// xgb finds the key of a display by the environment only.
		old, had := os.LookupEnv("XAUTHORITY")
		require.NoError(t, os.Setenv("XAUTHORITY", Environment(streamer, "XAUTHORITY"))) //nolint:usetesting // for this one call
		defer func() {
			if had {
				_ = os.Setenv("XAUTHORITY", old) //nolint:usetesting // as above
				return
			}
			_ = os.Unsetenv("XAUTHORITY")
		}()
		var err error
		d.conn, err = xgb.NewConnDisplay(Environment(streamer, "DISPLAY"))
		require.NoError(t, err, "the streamer's display")
	}()
	atom, err := xproto.InternAtom(d.conn, false, uint16(len(FramesProperty)), FramesProperty).Reply()
	require.NoError(t, err)
	d.atom, d.before, d.from = atom.Atom, 0, time.Now()
	d.before = d.read()
	return d
}

// Stop returns how many frames were painted a second since the start.
func (d *Drawing) Stop() float64 {
	d.t.Helper()
	n, took := d.read()-d.before, time.Since(d.from)
	d.conn.Close()
	return float64(n) / took.Seconds()
}

func (d *Drawing) read() uint32 {
	d.t.Helper()
	root := xproto.Setup(d.conn).DefaultScreen(d.conn).Root
	value, err := xproto.GetProperty(d.conn, false, root, d.atom, xproto.AtomCardinal, 0, 1).Reply()
	require.NoError(d.t, err)
	require.Len(d.t, value.Value, 4, "clockcode's count of its frames")
	return binary.NativeEndian.Uint32(value.Value) // xgb's and the X server's are this machine's
}
