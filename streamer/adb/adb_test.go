package adb

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"streamstack/events/eventstest"
)

// TestMain lets the test binary be an application that listens on a port of its own choice, which it prints.
func TestMain(m *testing.M) {
	if os.Getenv("ADB_TEST_LISTEN") == "" {
		os.Exit(m.Run())
	}
	l, err := net.Listen("tcp", os.Getenv("ADB_TEST_LISTEN"))
	if err != nil {
		os.Exit(1)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_, _ = os.Stdout.WriteString(port + "\n") // the test sees that it is missing
	_, _ = io.Copy(io.Discard, os.Stdin)      // until the test ends
}

// application starts a process of an instance that listens, and returns its port.
func application(t *testing.T, instance, address string) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "ADB_TEST_LISTEN="+address, Marker+"="+instance)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close() // ends it
		_ = cmd.Wait() // killed or not
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	port, err := strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err)
	return port
}

// A share leads to the session's own application, whichever way it listens, and to no other session's.
func TestOnlyTheOwnInstanceIsReached(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1:0", "0.0.0.0:0", ":0"} {
		port := application(t, "host/mine", address)
		s, err := Dialer{Port: port, Instance: "host/mine"}.Dial(t.Context())
		require.NoError(t, err, address)
		require.NoError(t, s.Close())
		_, err = Dialer{Port: port, Instance: "host/theirs"}.Dial(t.Context())
		require.ErrorIs(t, err, ErrForeign, address)
		s, err = Dialer{Port: port}.Dial(t.Context())
		require.NoError(t, err, "in a container of its own")
		require.NoError(t, s.Close())
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	port := eventstest.ClosedPort(t)
	for _, instance := range []string{"", "host/mine"} {
		_, err := Dialer{Port: port, Instance: instance}.Dial(t.Context())
		require.ErrorContains(t, err, fmt.Sprintf("the application does not listen on port %d", port))
		require.NotContains(t, err.Error(), "127.0.0.1")
	}
}

func FuzzParseListeners(f *testing.F) {
	f.Add("  sl  local_address rem_address   st\n   0: 0100007F:15B3 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1\n", 5555)
	f.Add("0: :", 0)
	f.Fuzz(func(t *testing.T, table string, port int) {
		for _, inode := range parseListeners(table, port) {
			if !strings.Contains(table, inode) || port < 0 || port > 65535 {
				t.Fatalf("%q at %d", inode, port)
			}
		}
	})
}
