package stack

import (
	"slices"

	"github.com/stretchr/testify/require"
)

// Verify is `streamstack verify`, which must find nothing, with further flags.
func (s *Stack) Verify(flags ...string) {
	s.t.Helper()
	out, code := Command(s.t, slices.Concat([]string{"verify"}, s.Find, flags)...)
	require.Zero(s.t, code, out)
}
