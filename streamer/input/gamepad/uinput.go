package gamepad

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// Path is the kernel's door for input devices made by programs (Documentation/input/uinput.rst). It is there where the module uinput is
// loaded, and needs the right to write to it.
const Path = "/dev/uinput"

// Requests of linux/uinput.h, as ioctl(2) numbers: _IO, or _IOW with the size of the argument.
const (
	uiDevCreate  = 0x5501
	uiDevDestroy = 0x5502
	uiDevSetup   = 0x405c5503
	uiAbsSetup   = 0x401c5504
	uiSetEvBit   = 0x40045564
	uiSetKeyBit  = 0x40045565
)

// Sizes of the kernel's structures.
const (
	setupSize    = 92
	absSetupSize = 28
	nameSize     = 80
	eventSize    = 24
)

// busVirtual is BUS_VIRTUAL of linux/input.h: no real bus.
const busVirtual = 0x06

// request is one ioctl(2): with a structure, or with a number.
type request struct {
	number uintptr
	data   []byte
	value  uintptr
}

// creation gives the requests that make a gamepad, in order (uinput.rst: bits first, then the setup, then the device).
func creation(name string) []request {
	list := []request{{number: uiSetEvBit, value: evKey}, {number: uiSetEvBit, value: evAbs}}
	for _, code := range buttonCodes {
		if code != 0 {
			list = append(list, request{number: uiSetKeyBit, value: uintptr(code)})
		}
	}
	for _, axis := range axisCodes {
		list = append(list, request{number: uiAbsSetup, data: absSetup(axis, -axisMax, axisMax)})
	}
	for _, hat := range []uint16{absHat0X, absHat0Y} {
		list = append(list, request{number: uiAbsSetup, data: absSetup(hat, -1, 1)})
	}
	return append(list, request{number: uiDevSetup, data: setup(name)}, request{number: uiDevCreate})
}

// setup is a struct uinput_setup: bus, vendor, product, version, name, and no force feedback.
func setup(name string) []byte {
	b := make([]byte, setupSize)
	binary.NativeEndian.PutUint16(b, busVirtual)
	binary.NativeEndian.PutUint16(b[6:], 1)
	copy(b[8:8+nameSize-1], name)
	return b
}

// absSetup is a struct uinput_abs_setup: code, and value, minimum, maximum, fuzz, flat and resolution.
func absSetup(code uint16, lowest, highest int32) []byte {
	b := make([]byte, absSetupSize)
	binary.NativeEndian.PutUint16(b, code)
	binary.NativeEndian.PutUint32(b[8:], uint32(lowest))
	binary.NativeEndian.PutUint32(b[12:], uint32(highest))
	return b
}

// encode is a list of struct input_event as a 64-bit kernel takes them, with the report's end; the kernel puts the time in.
func encode(events []event) []byte {
	b := make([]byte, 0, eventSize*(len(events)+1))
	for _, e := range append(events, event{evSyn, synReport, 0}) {
		b = append(b, make([]byte, 16)...)
		b = binary.NativeEndian.AppendUint16(b, e.kind)
		b = binary.NativeEndian.AppendUint16(b, e.code)
		b = binary.NativeEndian.AppendUint32(b, uint32(e.value))
	}
	return b
}

// device is one gamepad in the kernel.
type device struct{ file *os.File }

// writeLimit bounds a write: the kernel takes events at once.
const writeLimit = time.Second

// makeDevice makes a gamepad of that name.
func makeDevice(path, name string) (*device, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("gamepad: %w", err)
	}
	d := &device{file}
	for _, r := range creation(name) {
		if err := d.ask(r); err != nil {
			return nil, errors.Join(err, file.Close())
		}
	}
	return d, nil
}

func (d *device) ask(r request) error {
	raw, err := d.file.SyscallConn()
	if err != nil {
		return fmt.Errorf("gamepad: %w", err)
	}
	var number syscall.Errno
	err = raw.Control(func(fd uintptr) {
		if r.data == nil {
			_, _, number = syscall.Syscall(syscall.SYS_IOCTL, fd, r.number, r.value)
			return
		}
		_, _, number = syscall.Syscall(syscall.SYS_IOCTL, fd, r.number, uintptr(unsafe.Pointer(&r.data[0]))) //nolint:gosec // ioctl(2) takes an address, for the call only
	})
	if err != nil {
		return fmt.Errorf("gamepad: %w", err)
	}
	if number != 0 {
		return fmt.Errorf("gamepad: uinput refuses request %#x: %w", r.number, number)
	}
	return nil
}

func (d *device) write(events []event) error {
	_ = d.file.SetWriteDeadline(time.Now().Add(writeLimit)) // not every file has deadlines; uinput never waits
	if _, err := d.file.Write(encode(events)); err != nil {
		return fmt.Errorf("gamepad: %w", err)
	}
	return nil
}

// close takes the device away.
func (d *device) close() error {
	if err := errors.Join(d.ask(request{number: uiDevDestroy}), d.file.Close()); err != nil {
		return fmt.Errorf("gamepad: %w", err)
	}
	return nil
}
