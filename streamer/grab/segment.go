package grab

import (
	"context"
	"fmt"

	"github.com/jezek/xgb/shm"
	"golang.org/x/sys/unix"
)

// Segment is memory for one picture, outside of Go's heap: C code may hold it.
type Segment struct {
	// Data is the picture, BGRx, its rows one after the other without a gap.
	Data []byte

	id     shm.Seg // 0 where it is not shared with the X server
	detach func([]byte) error
}

// NewSegment makes memory for a picture of the screen, shared with the X server if that is possible. It lasts until its Close, also when the
// screen has been closed. It is the kernel's to free when the process ends, however it ends.
func (s *Screen) NewSegment(ctx context.Context) (*Segment, error) {
	size := s.width * s.height * bytesPerPixel
	if s.shared {
		segment, err := s.share(ctx, size)
		if segment != nil || err != nil {
			return segment, err
		}
	}
	data, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("grab: memory for a picture: %w", err)
	}
	return &Segment{Data: data, detach: unix.Munmap}, nil
}

// share makes a segment that the X server has too; nil where the server refuses, as one in another container does.
func (s *Screen) share(ctx context.Context, size int) (*Segment, error) {
	const mode = 0o600
	number, err := unix.SysvShmGet(unix.IPC_PRIVATE, size, unix.IPC_CREAT|mode)
	if err != nil {
		s.shared = false
		return nil, nil //nolint:nilnil // this machine has no more of it: pictures go over the socket
	}
	// From now on it exists as long as somebody has it attached.
	defer func() { _, _ = unix.SysvShmCtl(number, unix.IPC_RMID, nil) }() // it is ours
	data, err := unix.SysvShmAttach(number, 0, 0)
	if err != nil {
		return nil, fmt.Errorf("grab: shared memory: %w", err)
	}
	id, err := shm.NewSegId(s.conn.Conn)
	if err == nil {
		err = s.conn.Guard(ctx, func() error {
			if shm.AttachChecked(s.conn.Conn, id, uint32(number), false).Check() != nil {
				s.shared = false
			}
			return nil
		})
	}
	if err != nil || !s.shared {
		_ = unix.SysvShmDetach(data) // the first error counts
		if err != nil {
			return nil, s.wrap(err)
		}
		return nil, nil //nolint:nilnil // see above
	}
	return &Segment{Data: data[:size], id: id, detach: func(b []byte) error { return unix.SysvShmDetach(b[:cap(b)]) }}, nil
}

// Close gives the memory back. Nobody may use Data any more. The X server lets go of it when the screen is closed.
func (g *Segment) Close() error {
	if g.Data == nil {
		return nil
	}
	data := g.Data
	g.Data = nil
	if err := g.detach(data); err != nil {
		return fmt.Errorf("grab: memory of a picture: %w", err)
	}
	return nil
}
