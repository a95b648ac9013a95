// Command clockcode paints the wall clock as a pattern that a program can read on an X display, beside moving content that
// gives a video encoder real work. ../probe.js reads it in the browser.
//
// Layout, in blocks of -block pixels, from (-x,-y):
//
//	columns 0-7   time:   5 rows of 8 blocks = 4 bytes and a check byte (CRC-8)
//	column  8     marker: number of inputs, bits 2, 1, 0; their parity; white
//	columns 9-16  event:  the same code, when the last input arrived
//
// A time is in milliseconds since 1970, its low 32 bits. White is 1. The number of inputs rises with each press of a key
// or a button. The moving part is one request to the X server, the code another, both in one write, so that nobody captures
// half of a code.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err) // nobody else can be told
		os.Exit(1)
	}
}

// clock is what is painted.
type clock struct {
	screen         *screen
	code, content  *segment // content is nil without a moving part
	kind           string
	block, x, y    int
	speed          int // pixels a frame
	width, height  int // of the moving part, at the lower left
	inputs         chan uint32
	frame, presses int
	pressedAt      uint32
}

func run(ctx context.Context) error {
	fps := flag.Float64("fps", 61, "frames painted a second; not the capture's rate, lest one phase holds for the whole run")
	block := flag.Int("block", 64, "edge of a block, pixels")
	x := flag.Int("x", 32, "left edge of the code")
	y := flag.Int("y", 16, "top edge of the code")
	motion := flag.String("motion", "", "size of the moving part at the lower left, `WxH` in pixels, 0x0 for none (default 22/45 of the screen: 1280x352 of 1280x720)")
	content := flag.String("content", smooth, "the moving part: smooth, page or noise")
	speed := flag.Int("speed", 4, "pixels that it moves a frame")
	flag.Parse()
	c := &clock{kind: *content, block: *block, x: *x, y: *y, speed: *speed, inputs: make(chan uint32, 64)}
	if *fps < 1 || *fps > 1000 || *block < 4 {
		return errors.New("clockcode: -fps takes 1 to 1000, -block 4 and more")
	}
	if err := c.open(*motion); err != nil {
		return err
	}
	go c.screen.inputs(c.inputs)
	defer c.screen.conn.Close() // which ends inputs
	return c.paint(ctx, time.Duration(float64(time.Second) / *fps))
}

func (c *clock) open(motion string) (err error) {
	if c.screen, err = openScreen(); err != nil {
		return err
	}
	s := c.screen
	c.width, c.height = s.width, s.height*22/45
	if motion != "" {
		if _, err := fmt.Sscanf(motion, "%dx%d", &c.width, &c.height); err != nil {
			return fmt.Errorf("clockcode: -motion %q: give WIDTHxHEIGHT: %w", motion, err)
		}
	}
	codeWidth, codeHeight := columns*c.block, rows*c.block
	if c.x+codeWidth > s.width || c.y+codeHeight > s.height {
		return fmt.Errorf("clockcode: the code of %dx%d pixels does not fit the screen of %dx%d: take a smaller -block", codeWidth, codeHeight, s.width, s.height)
	}
	c.width, c.height = min(c.width, s.width), max(0, min(c.height, s.height-c.y-codeHeight))
	if c.code, err = newSegment(s.conn, 2*codeWidth*codeHeight); err != nil { // two, painted in turn
		return err
	}
	if c.width == 0 || c.height == 0 {
		return nil
	}
	if c.content, err = newSegment(s.conn, (c.width+tile)*(c.height+tile)); err != nil {
		return err
	}
	texture(c.content.pixels, c.width+tile, c.kind)
	return nil
}

// paint paints a frame each period until ctx ends.
func (c *clock) paint(ctx context.Context, period time.Duration) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	next := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		c.takeInputs()
		if err := c.show(); err != nil {
			return err
		}
		c.frame++
		c.screen.count(c.frame)
		for next = next.Add(period); time.Until(next) < 0; { // behind: left out, no burst
			next = next.Add(period)
		}
		timer.Reset(time.Until(next))
	}
}

// takeInputs: an input is shown with the next frame, as in any application that draws at the rate of its display.
func (c *clock) takeInputs() {
	for {
		select {
		case at := <-c.inputs:
			c.presses++
			c.pressedAt = at
		default:
			return
		}
	}
}

func (c *clock) show() error {
	width, height := columns*c.block, rows*c.block
	turn := c.frame & 1
	code := canvas{pixels: c.code.pixels[turn*width*height:], stride: width, block: c.block}
	code.count(c.presses)
	code.word(eventGrid, c.pressedAt)
	if c.content != nil {
		step := c.frame * c.speed
		from := picture{segment: c.content, width: c.width + tile, height: c.height + tile, fromX: step % tile, fromY: step / 2 % tile,
			partWidth: c.width, partHeight: c.height, toY: c.screen.height - c.height}
		switch c.kind {
		case page:
			from.fromX, from.fromY = 0, step%tile
		case noise: // far enough that nothing is where it was
			from.fromX, from.fromY = c.frame*197%tile, c.frame*331%tile
		}
		c.screen.put(from)
	}
	code.word(timeGrid, now())
	c.screen.put(picture{segment: c.code, width: width, height: 2 * height, fromY: turn * height,
		partWidth: width, partHeight: height, toX: c.x, toY: c.y})
	return c.screen.painted()
}
