package gamepad

import (
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"streamstack/streamer/control"
)

// layout prints the kernel's numbers as the C compiler has them.
const layout = `
#include <linux/uinput.h>
#include <stddef.h>
#include <stdio.h>
int main(void) {
	printf("%lx %lx %lx %lx %lx %lx\n", (long)UI_DEV_CREATE, (long)UI_DEV_DESTROY, (long)UI_DEV_SETUP, (long)UI_ABS_SETUP, (long)UI_SET_EVBIT, (long)UI_SET_KEYBIT);
	printf("%zu %zu %zu %d\n", sizeof(struct uinput_setup), sizeof(struct uinput_abs_setup), sizeof(struct input_event), UINPUT_MAX_NAME_SIZE);
	printf("%zu %zu %zu %zu %zu\n", offsetof(struct uinput_setup, name), offsetof(struct uinput_abs_setup, absinfo.minimum), offsetof(struct uinput_abs_setup, absinfo.maximum),
		offsetof(struct input_event, type), offsetof(struct input_event, value));
	printf("%d %d %d %d\n", EV_SYN, EV_KEY, EV_ABS, BUS_VIRTUAL);
	printf("%d %d %d %d %d %d %d %d %d %d %d %d %d\n", BTN_SOUTH, BTN_EAST, BTN_X, BTN_Y, BTN_TL, BTN_TR, BTN_TL2, BTN_TR2, BTN_SELECT, BTN_START, BTN_THUMBL, BTN_THUMBR, BTN_MODE);
	printf("%d %d %d %d %d %d %d %d\n", ABS_X, ABS_Y, ABS_Z, ABS_RZ, ABS_GAS, ABS_BRAKE, ABS_HAT0X, ABS_HAT0Y);
	return 0;
}`

// TestNumbersAreTheKernels compares every number and structure with those of the kernel's header.
func TestNumbersAreTheKernels(t *testing.T) {
	folder := t.TempDir()
	source, program := filepath.Join(folder, "layout.c"), filepath.Join(folder, "layout")
	require.NoError(t, os.WriteFile(source, []byte(layout), 0o600))
	out, err := exec.Command("cc", "-o", program, source).CombinedOutput()
	require.NoError(t, err, "%s", out)
	out, err = exec.Command(program).Output()
	require.NoError(t, err)

	var want strings.Builder
	fmt.Fprintf(&want, "%x %x %x %x %x %x\n", uiDevCreate, uiDevDestroy, uiDevSetup, uiAbsSetup, uiSetEvBit, uiSetKeyBit)
	fmt.Fprintf(&want, "%d %d %d %d\n", setupSize, absSetupSize, eventSize, nameSize)
	fmt.Fprintln(&want, "8 8 12 16 20")
	fmt.Fprintf(&want, "%d %d %d %d\n", evSyn, evKey, evAbs, busVirtual)
	var codes []string
	for _, code := range buttonCodes {
		if code != 0 {
			codes = append(codes, fmt.Sprint(code))
		}
	}
	fmt.Fprintln(&want, strings.Join(codes, " "))
	fmt.Fprintln(&want, strings.Trim(fmt.Sprint(axisCodes), "[]"), absHat0X, absHat0Y)
	assert.Equal(t, want.String(), string(out))
}

// TestBytes has what the kernel is to be told, byte by byte (little-endian machines).
func TestBytes(t *testing.T) {
	list := creation("pad")
	assert.Equal(t, request{number: uiSetEvBit, value: 1}, list[0])
	assert.Equal(t, request{number: uiSetEvBit, value: 3}, list[1])
	assert.Equal(t, request{number: uiSetKeyBit, value: 304}, list[2])
	assert.Equal(t, request{number: uiSetKeyBit, value: 316}, list[14], "13 buttons")
	stick := make([]byte, 28)
	copy(stick[8:], "\x01\x80\xff\xff\xff\x7f\x00\x00") // -32767 to 32767
	assert.Equal(t, request{number: uiAbsSetup, data: stick}, list[15])
	hat := make([]byte, 28)
	copy(hat, "\x11\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\x01")
	assert.Equal(t, request{number: uiAbsSetup, data: hat}, list[22], "6 axes and a hat")
	whole := make([]byte, 92)
	copy(whole, "\x06\x00\x00\x00\x00\x00\x01\x00pad")
	assert.Equal(t, request{number: uiDevSetup, data: whole}, list[23])
	assert.Equal(t, []request{{number: uiDevCreate}}, list[24:])
	assert.Zero(t, setup(strings.Repeat("x", 200))[8+nameSize-1], "the name ends")

	press := make([]byte, 48)
	copy(press[16:], "\x01\x00\x30\x01\x01") // EV_KEY, BTN_SOUTH, 1; then SYN_REPORT
	assert.Equal(t, press, encode([]event{{evKey, 304, 1}}))
	left := make([]byte, 48)
	copy(left[16:], "\x03\x00\x10\x00\xff\xff\xff\xff") // EV_ABS, ABS_HAT0X, -1
	assert.Equal(t, left, encode([]event{{evAbs, absHat0X, -1}}))
}

func TestState(t *testing.T) {
	var s state
	assert.Equal(t, []event{{evKey, 304, 1}}, s.button(0, true))
	assert.Empty(t, s.button(0, true), "only changes")
	assert.Equal(t, []event{{evKey, 316, 1}}, s.button(16, true))
	assert.Equal(t, []event{{evAbs, absHat0Y, -1}}, s.button(padUp, true))
	assert.Equal(t, []event{{evAbs, absHat0Y, 0}}, s.button(padDown, true), "both at once")
	assert.Equal(t, []event{{evAbs, absHat0Y, 1}}, s.button(padUp, false))
	assert.Equal(t, []event{{evAbs, absHat0X, -1}}, s.button(padLeft, true))
	assert.Equal(t, []event{{evKey, 304, 0}}, s.button(0, false))
	assert.Equal(t, []event{{evAbs, absHat0X, 0}, {evAbs, absHat0Y, 0}}, s.button(0, false), "the client's slip: the D-pad's release as button 0")
	assert.Equal(t, []event{{evAbs, 5, -23920}}, s.axis(3, -0.73))
	assert.Equal(t, []event{{evAbs, 0, 32767}}, s.axis(0, 7), "never past the end")
	assert.Equal(t, []event{{evKey, 316, 0}, {evAbs, 0, 0}, {evAbs, 5, 0}}, s.release())
}

// TestEverythingIsLetGo: whatever came, after the release the kernel has every button up, sticks and hat in the middle.
func TestEverythingIsLetGo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s state
		kernel := map[event]int32{}
		take := func(events []event) {
			for _, e := range events {
				require.LessOrEqual(t, math.Abs(float64(e.value)), float64(axisMax))
				kernel[event{e.kind, e.code, 0}] = e.value
			}
		}
		for range rapid.IntRange(0, 50).Draw(t, "messages") {
			if rapid.Bool().Draw(t, "button") {
				take(s.button(rapid.IntRange(0, control.MaxGamepadButton).Draw(t, "index"), rapid.Bool().Draw(t, "pressed")))
			} else {
				take(s.axis(rapid.IntRange(0, control.MaxGamepadAxis).Draw(t, "index"), rapid.Float64Range(-2, 2).Draw(t, "value")))
			}
		}
		take(s.release())
		for e, v := range kernel {
			require.Zero(t, v, "%+v", e)
		}
	})
}

// TestWithoutUinput: what is missing is said, also when the file is none of uinput's.
func TestWithoutUinput(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	_, err := Open(filepath.Join(t.TempDir(), "uinput"), log)
	require.ErrorContains(t, err, "load the module uinput")
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	pads, err := Open(file, log)
	require.NoError(t, err)
	require.ErrorContains(t, pads.Handle(control.GamepadButton{Index: 1, Pressed: true}), "uinput refuses request 0x40045564")
	require.NoError(t, pads.Handle(control.Key{}))
	require.Error(t, pads.Handle(control.GamepadAxis{Pad: 9}))
	require.NoError(t, pads.ReleaseAll())
	require.NoError(t, pads.Close())
	require.ErrorIs(t, pads.Handle(control.GamepadButton{}), ErrClosed)
}
