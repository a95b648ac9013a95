package xdisplay

import (
	"errors"
	"fmt"
	"sync"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/damage"
	"github.com/jezek/xgb/randr"
	"github.com/jezek/xgb/shm"
	"github.com/jezek/xgb/xfixes"
	"github.com/jezek/xgb/xproto"
	"github.com/jezek/xgb/xtest"
)

// Extension is the name of an X extension.
type Extension string

// Extensions that [Conn.Use] knows.
const (
	Damage Extension = "DAMAGE"
	RandR  Extension = "RANDR"
	SHM    Extension = "MIT-SHM"
	XFixes Extension = "XFIXES"
	XTest  Extension = "XTEST"
)

// ErrNoExtension tells that the server does not have an extension.
var ErrNoExtension = errors.New("the X server does not have this extension")

// numbers are where the events and errors of an extension begin, which each server decides for itself.
type numbers struct{ event, err byte }

// extensions are what xgb knows of them. It keeps that in maps of the whole process: the Init of its packages writes them, and
// the reader of every connection reads them, both without a lock, which ends a process with several connections now and then. So
// Init is called for all of them on the process's first connection, before there is another; what is left for the others
// to do is their own (Use). Servers of one program number alike; one that does not has to be written down again, at the old risk.
var extensions = struct {
	sync.Mutex
	known map[Extension]numbers
	inits map[Extension]func(*xgb.Conn) error
}{inits: map[Extension]func(*xgb.Conn) error{Damage: damage.Init, RandR: randr.Init, SHM: shm.Init, XFixes: xfixes.Init, XTest: xtest.Init}}

// register writes down the extensions of the process's first server.
func register(c *xgb.Conn) error {
	extensions.Lock()
	defer extensions.Unlock()
	if extensions.known != nil {
		return nil
	}
	known := map[Extension]numbers{}
	for e := range extensions.inits {
		n, _, err := query(c, e)
		if errors.Is(err, ErrNoExtension) {
			continue
		}
		if err == nil {
			err = extensions.inits[e](c)
		}
		if err != nil {
			return err
		}
		known[e] = n
	}
	extensions.known = known
	return nil
}

func query(c *xgb.Conn, e Extension) (n numbers, opcode byte, err error) {
	r, err := xproto.QueryExtension(c, uint16(len(e)), string(e)).Reply()
	switch {
	case err != nil:
		return n, 0, fmt.Errorf("xdisplay: extension %s: %w", e, err)
	case !r.Present:
		return n, 0, fmt.Errorf("xdisplay: %w: %s", ErrNoExtension, e)
	}
	return numbers{r.FirstEvent, r.FirstError}, r.MajorOpcode, nil
}

// Use makes the requests of an extension possible on the connection, in place of the Init of xgb's package. The error is
// [ErrNoExtension] where the server does not have it. Safe for concurrent use.
func (c *Conn) Use(e Extension) error {
	n, opcode, err := query(c.Conn, e)
	if err != nil {
		return err
	}
	extensions.Lock()
	defer extensions.Unlock()
	if extensions.known[e] != n {
		if err := extensions.inits[e](c.Conn); err != nil {
			return fmt.Errorf("xdisplay: extension %s: %w", e, err)
		}
		extensions.known[e] = n
	}
	c.ExtLock.Lock()
	defer c.ExtLock.Unlock()
	c.Extensions[string(e)] = opcode
	return nil
}
