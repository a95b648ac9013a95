package peer

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"unsafe"

	"github.com/pion/sctp"
	"github.com/pion/webrtc/v3"
)

// The only quick way to tell a browser that the server ended the stream is an SCTP ABORT with the cause "user initiated
// abort" (RFC 9260, section 3.3.10.12): its control channel then fires an error. pion/webrtc v3 has no public call for
// it, so the association is taken out of a private field. CheckAbort guards that.

const (
	associationField = "sctpAssociation"
	lockField        = "lock"
)

// CheckAbort tells whether this build can send an SCTP ABORT. Call it once at start: an error means that pion/webrtc was
// replaced by a release with other private fields, and displaced clients would hang.
func CheckAbort() error {
	transport := reflect.TypeFor[webrtc.SCTPTransport]()
	if err := checkField(transport, associationField, reflect.TypeFor[*sctp.Association]()); err != nil {
		return err
	}
	return checkField(transport, lockField, reflect.TypeFor[sync.RWMutex]())
}

func checkField(in reflect.Type, name string, want reflect.Type) error {
	field, ok := in.FieldByName(name)
	if !ok || field.Type != want {
		return fmt.Errorf("peer: %s of this pion/webrtc release has no field %s of type %s, so displaced clients cannot be told: "+
			"build with v3.3.6 or adapt abort.go", in, name, want)
	}
	return nil
}

// abort sends the ABORT and returns when the association has ended. It returns errNoAssociation if there was none yet.
func abort(transport *webrtc.SCTPTransport, reason Reason) error {
	association, err := associationOf(transport)
	if err != nil {
		return err
	}
	association.Abort(string(reason))
	return nil
}

func associationOf(transport *webrtc.SCTPTransport) (*sctp.Association, error) {
	if err := CheckAbort(); err != nil {
		return nil, err
	}
	value := reflect.ValueOf(transport).Elem()
	lock := (*sync.RWMutex)(unsafe.Pointer(value.FieldByName(lockField).UnsafeAddr())) //nolint:gosec // type checked above
	lock.RLock()
	association := *(**sctp.Association)(unsafe.Pointer(value.FieldByName(associationField).UnsafeAddr())) //nolint:gosec // as above
	lock.RUnlock()
	if association == nil {
		return nil, errNoAssociation
	}
	return association, nil
}

var errNoAssociation = errors.New("peer: no SCTP association yet")
