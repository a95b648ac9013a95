package instance

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// child starts a shell command with a marker, and returns what tells of its end.
func child(t *testing.T, marker, command string) (*exec.Cmd, <-chan struct{}) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", command)
	cmd.Env = append(os.Environ(), Marker+"="+marker)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = out.Read(make([]byte, 1)) // it says when it is there
	require.NoError(t, err)
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }() // killed: that is the test
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-done })
	return cmd, done
}

func alive(done <-chan struct{}) bool {
	select {
	case <-done:
		return false
	default:
		return true
	}
}

// All processes of the instance end, also one that ignores SIGTERM, and nobody else's.
func TestEnd(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	mine, theirs := "host/"+uuid.NewString(), "host/"+uuid.NewString()
	_, meek := child(t, mine, "echo; exec sleep 60")
	_, stubborn := child(t, mine, "trap '' TERM; echo; while :; do sleep 1; done")
	_, other := child(t, theirs, "echo; exec sleep 60")
	require.NoError(t, End(t.Context(), "", log))
	require.True(t, alive(meek))
	require.NoError(t, End(t.Context(), mine, log))
	<-meek
	<-stubborn
	require.True(t, alive(other))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, End(ctx, theirs, log), context.Canceled)
	<-other
}
