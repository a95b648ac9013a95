// Package adb reaches the TCP port that an application's file names, for the bridge that carries a share's bytes.
//
// With the process driver, instances share the machine and with it the loopback address: if two instances of one
// application want the same port, one gets it, and a share of the other session must not lead there. So whoever listens is
// looked up (proc(5): /proc/net/tcp names the socket, /proc/PID/fd its owner, /proc/PID/environ the owner's instance), and
// must carry the marker that the driver has given to this instance. Without a marker of our own, as in a container of its
// own, whatever listens is the application.
package adb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"streamstack/events/bridge"
)

// Marker is the variable that all processes of one instance have in common (agent/driver/process).
const Marker = "STREAMSTACK_INSTANCE"

// ErrForeign means that the port is another instance's, or that whoever listens cannot be told.
var ErrForeign = errors.New("the port is not this session's application's")

// Dialer reaches one port.
type Dialer struct {
	Port int // 1 to 65535, on 127.0.0.1
	// Instance is what [Marker] must be for whoever listens; empty: anybody may.
	Instance string
}

// Dial connects to the port. Its errors are for whoever uses the share, and name no address but the port.
func (d Dialer) Dial(ctx context.Context) (bridge.Stream, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(d.Port)))
	if err != nil {
		return nil, fmt.Errorf("the application does not listen on port %d: %w", d.Port, cause(err))
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		_ = conn.Close() // cannot be: tcp4 makes one
		return nil, errors.New("the application's port is no TCP port")
	}
	return tcp, nil
}

// cause is what the system said, without the addresses around it.
func cause(err error) error {
	var sys *os.SyscallError
	if errors.As(err, &sys) {
		return sys.Err
	}
	return err
}

// check looks who listens.
func (d Dialer) check() error {
	if d.Instance == "" {
		return nil
	}
	inodes, err := listeners(d.Port)
	if err != nil {
		return err
	}
	if len(inodes) == 0 {
		return fmt.Errorf("the application does not listen on port %d", d.Port)
	}
	for _, inode := range inodes {
		if !d.owned(inode) {
			return fmt.Errorf("port %d: %w", d.Port, ErrForeign)
		}
	}
	return nil
}

// listeners are the inodes of the sockets that take connections to 127.0.0.1 at a port.
func listeners(port int) ([]string, error) {
	var found []string
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if errors.Is(err, os.ErrNotExist) {
			continue // no IPv6
		}
		if err != nil {
			return nil, fmt.Errorf("who listens cannot be looked up: %w", err)
		}
		found = append(found, parseListeners(string(text), port)...)
	}
	return found, nil
}

// The addresses that take what is sent to 127.0.0.1, as /proc/net/tcp and tcp6 write them: words of the machine's order.
var reachable = map[string]bool{
	"0100007F": true, "00000000": true,
	"00000000000000000000000000000000": true, "0000000000000000FFFF00000100007F": true,
}

// parseListeners reads a table of sockets (proc(5), /proc/net/tcp).
func parseListeners(table string, port int) (inodes []string) {
	const local, state, inode, listening = 1, 3, 9, "0A"
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) <= inode || fields[state] != listening {
			continue
		}
		address, text, _ := strings.Cut(fields[local], ":")
		if n, err := strconv.ParseUint(text, 16, 16); err == nil && int(n) == port && reachable[address] {
			inodes = append(inodes, fields[inode])
		}
	}
	return inodes
}

// owned tells whether a process of our instance has the socket.
func (d Dialer) owned(inode string) bool {
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return false // the pattern is good
	}
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || target != "socket:["+inode+"]" {
			continue // gone, or not ours to see
		}
		if instanceOf(filepath.Dir(filepath.Dir(link))) == d.Instance {
			return true
		}
	}
	return false
}

// instanceOf is the marker in the environment of a process, by its folder; empty when there is none.
func instanceOf(process string) string {
	environ, err := os.ReadFile(filepath.Join(process, "environ"))
	if err != nil {
		return ""
	}
	for variable := range bytes.SplitSeq(environ, []byte{0}) {
		if value, found := bytes.CutPrefix(variable, []byte(Marker+"=")); found {
			return string(value)
		}
	}
	return ""
}
