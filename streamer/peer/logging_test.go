package peer

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
)

// However often pion has something to say, so many lines are written, and how many are not.
func TestLinesOfPionAreBounded(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, ok := pionLog{slog.New(slog.NewTextHandler(&out, nil))}.NewLogger("pc").(*pionLogger)
	require.True(t, ok)
	log.limit.SetLimit(0)
	for ssrc := range 10_000 {
		log.Errorf("stream %d: %s", ssrc, strings.Repeat("x", 10*maxLogBytes))
	}
	require.Equal(t, logBurst, strings.Count(out.String(), "\n"))
	require.Less(t, out.Len(), logBurst*2*maxLogBytes)
	log.limit.SetLimit(rate.Inf)
	log.Error("100% of it")
	require.Contains(t, out.String(), `msg="100% of it" pion=pc lines_omitted_before=9900`)
}
