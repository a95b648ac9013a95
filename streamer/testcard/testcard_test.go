package testcard

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jezek/xgb/xproto"
	"github.com/jezek/xgb/xtest"
	"github.com/stretchr/testify/require"

	"streamstack/streamer/input/xdisplay"
	"streamstack/streamer/input/xdisplay/xorgtest"
)

// patience bounds what takes milliseconds on a machine at rest.
const patience = 30 * time.Second

// asCommand makes this test binary run the command itself: the tests start it as the process that it is in life.
const asCommand = "STREAMSTACK_TEST_RUN_TESTCARD"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	err := Command().Run(ctx, append([]string{"testcard"}, strings.Fields(os.Getenv(asCommand))...))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// process is a test card that runs as a process of its own.
type process struct {
	cmd    *exec.Cmd
	output bytes.Buffer
	exited chan struct{}
}

func startCommand(t *testing.T, args string, env ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0]), exited: make(chan struct{})}
	p.cmd.Env = append(append(os.Environ(), asCommand+"="+args, "PULSE_SERVER="), env...)
	p.cmd.Stderr = &p.output
	require.NoError(t, p.cmd.Start())
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait() // the tests look at ProcessState
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // may have ended
		<-p.exited
	})
	return p
}

// ended waits for the process's end and gives its exit status and output.
func (p *process) ended(t *testing.T) (int, string) {
	t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode(), p.output.String()
	case <-time.After(patience):
		t.Fatal("the test card does not end")
		return 0, ""
	}
}

// viewer looks at a display and plays input on it, as a streamer does.
type viewer struct {
	t    *testing.T
	conn *xdisplay.Conn
	root xproto.Window
}

func view(t *testing.T, display string) *viewer {
	t.Helper()
	conn, err := xdisplay.Dial(t.Context(), display)
	require.NoError(t, err)
	require.NoError(t, conn.Use(xdisplay.XTest))
	t.Cleanup(conn.Abort)
	go func() { // nothing comes, but the end has to be taken
		for {
			if event, xerr := conn.WaitForEvent(); event == nil && xerr == nil {
				return
			}
		}
	}()
	return &viewer{t, conn, xproto.Setup(conn.Conn).DefaultScreen(conn.Conn).Root}
}

// picture reads the whole screen.
func (v *viewer) picture() *image.RGBA {
	v.t.Helper()
	geometry, err := xproto.GetGeometry(v.conn.Conn, xproto.Drawable(v.root)).Reply()
	require.NoError(v.t, err)
	reply, err := xproto.GetImage(v.conn.Conn, xproto.ImageFormatZPixmap, xproto.Drawable(v.root), 0, 0, geometry.Width, geometry.Height, 0xffffffff).Reply()
	require.NoError(v.t, err)
	picture := image.NewRGBA(image.Rect(0, 0, int(geometry.Width), int(geometry.Height)))
	for i := 0; i+3 < len(reply.Data) && i+3 < len(picture.Pix); i += 4 {
		picture.Pix[i], picture.Pix[i+1], picture.Pix[i+2], picture.Pix[i+3] = reply.Data[i+2], reply.Data[i+1], reply.Data[i], 0xff
	}
	return picture
}

func (v *viewer) fake(kind, detail byte, x, y int) {
	v.t.Helper()
	xtest.FakeInput(v.conn.Conn, kind, detail, xproto.TimeCurrentTime, v.root, int16(x), int16(y), 0)
	require.NoError(v.t, v.conn.RoundTrip(v.t.Context()))
}

// await takes pictures until one is right; wrong tells what is missing, "" if nothing is.
func (v *viewer) await(wrong func(picture *image.RGBA) string) *image.RGBA {
	v.t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(patience)
	for {
		picture := v.picture()
		missing := wrong(picture)
		if missing == "" {
			return picture
		}
		select {
		case <-ticker.C:
		case <-deadline:
			v.t.Fatal(missing)
		}
	}
}

// frameOf tells a picture's frame number, or what is wrong with it.
func frameOf(picture *image.RGBA) (uint32, string) {
	frame, err := Layout(picture.Bounds().Dx(), picture.Bounds().Dy()).Frame.Decode(picture)
	if err != nil {
		return 0, err.Error()
	}
	return frame, ""
}

// centre gives the colour in the middle of a rectangle.
func centre(picture *image.RGBA, r image.Rectangle) color.RGBA {
	return picture.RGBAAt((r.Min.X+r.Max.X)/2, (r.Min.Y+r.Max.Y)/2)
}

func save(t *testing.T, picture image.Image, path string) {
	t.Helper()
	file, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, png.Encode(file, picture))
	require.NoError(t, file.Close())
}

// awaitFrame is for await: the frame with at least this number.
func awaitFrame(number uint32) func(picture *image.RGBA) string {
	return func(picture *image.RGBA) string {
		frame, missing := frameOf(picture)
		if missing == "" && frame < number {
			return fmt.Sprintf("frame %d does not become %d", frame, number)
		}
		return missing
	}
}

// startCard starts a card on a display of its own and waits for its first frame.
func startCard(t *testing.T, width, height int, args string, env ...string) (*process, *viewer, *xorgtest.Server) {
	t.Helper()
	server := xorgtest.Start(t, width, height)
	p := startCommand(t, args, append(env, "DISPLAY="+server.Display)...)
	v := view(t, server.Display)
	v.await(awaitFrame(1))
	return p, v, server
}
