package peer

import (
	"fmt"
	"reflect"
	"sync"
	"unsafe"

	"github.com/pion/sctp"
)

// A client that was told of a full receive window sends nothing until it hears that there is room again: at the latest when its
// retransmission timer makes it ask, after a second or more (RFC 9260, section 6.1, rule A). A receiver is to say so when its window
// opens (section 6.2: an acknowledgement "to update the window"); pion/sctp answers only to what comes. So it is made to
// acknowledge once more, as its own timer does, by private fields; window_test.go notices if a release changes what they mean.

const (
	ackStateField = "ackState"
	wakeField     = "awakeWriteLoopCh"
	ackNow        = 1 // ackStateImmediate
)

// checkWindow tells whether this build of pion/sctp has the fields.
func checkWindow() error {
	association := reflect.TypeFor[sctp.Association]()
	for name, want := range map[string]reflect.Type{
		lockField: reflect.TypeFor[sync.RWMutex](), ackStateField: reflect.TypeFor[int](), wakeField: reflect.TypeFor[chan struct{}](),
	} {
		if err := checkField(association, name, want); err != nil {
			return fmt.Errorf("peer: clients are not told of an open window: %w", err)
		}
	}
	return nil
}

// tellWindow tells the client how much it may send. Where that cannot be done the client finds it out by itself, later.
func (p *Peer) tellWindow() {
	association, err := associationOf(p.pc.SCTP())
	if err == nil {
		err = checkWindow()
	}
	if err != nil {
		p.log.Debug("receive window not told", "error", err)
		return
	}
	value := reflect.ValueOf(association).Elem()
	field := func(name string) unsafe.Pointer { return unsafe.Pointer(value.FieldByName(name).UnsafeAddr()) } //nolint:gosec // types checked above
	lock := (*sync.RWMutex)(field(lockField))
	lock.Lock()
	*(*int)(field(ackStateField)) = ackNow
	lock.Unlock()
	token(*(*chan struct{})(field(wakeField)))
}
