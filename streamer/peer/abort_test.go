package peer

import (
	"reflect"
	"testing"

	"github.com/pion/webrtc/v3"
	"github.com/stretchr/testify/require"
)

func TestCheckAbort(t *testing.T) {
	t.Parallel()
	require.NoError(t, CheckAbort())
	transport := reflect.TypeFor[webrtc.SCTPTransport]()
	require.ErrorContains(t, checkField(transport, "association", reflect.TypeFor[int]()), "no field association")
	require.ErrorContains(t, checkField(transport, lockField, reflect.TypeFor[int]()), "build with v3.3.6")
}

func TestAbortBeforeTheAssociation(t *testing.T) {
	t.Parallel()
	p, _ := newPeer(t, nil)
	require.ErrorIs(t, abort(p.pc.SCTP(), Displaced), errNoAssociation)
}
