package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestReport(t *testing.T) {
	var r report
	for _, ms := range []int{30, 10, 20} {
		r.add("late", time.Duration(10*ms)*time.Millisecond)
		r.add("early", time.Duration(ms)*time.Millisecond)
	}
	require.Equal(t, 20*time.Millisecond, r.median("early"))
	require.Equal(t, 300*time.Millisecond, r.worst("late"))
	require.Zero(t, r.median("never"))
	require.Zero(t, r.worst("never"))
	var out strings.Builder
	require.NoError(t, r.print(&out))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 3)
	require.Equal(t, []string{"early", "20", "ms", "30", "ms", "0.10"}, strings.Fields(lines[1]))
	require.Equal(t, []string{"late", "200", "ms", "300", "ms", "1.00"}, strings.Fields(lines[2]))
}
