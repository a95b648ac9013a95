package turn

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// External are TURN servers elsewhere, such as coturn, which share a secret with us.
type External struct {
	credentials Credentials
	stun, turn  []string
}

// NewExternal makes the answer for servers of these URLs (RFC 7065: turn:HOST[:PORT], for UDP and TCP alike, or with
// ?transport=udp or tcp for one; turns:HOST[:PORT]). They serve STUN too.
func NewExternal(urls []string, c Credentials) (*External, error) {
	e := &External{credentials: c}
	for _, text := range urls {
		if err := e.add(text); err != nil {
			return nil, err
		}
	}
	if len(e.turn) == 0 {
		return nil, errors.New("turn: no server")
	}
	return e, nil
}

func (e *External) add(text string) error {
	wrong := fmt.Errorf("turn: %q is no TURN server: write turn:HOST:PORT, turns:HOST:PORT, or one of them with ?transport=udp or ?transport=tcp", text)
	scheme, rest, _ := strings.Cut(text, ":")
	where, query, asked := strings.Cut(rest, "?")
	if host, port, err := net.SplitHostPort(where); err == nil && (host == "" || port == "") || where == "" || strings.ContainsAny(where, "/@ ") {
		return wrong
	}
	if asked && query != "transport=udp" && query != "transport=tcp" {
		return wrong
	}
	switch {
	case scheme == "turn" && asked:
		e.turn = append(e.turn, text)
	case scheme == "turn":
		e.turn = append(e.turn, text+"?transport=udp", text+"?transport=tcp")
	case scheme == "turns" && query != "transport=udp":
		e.turn = append(e.turn, "turns:"+where+"?transport=tcp")
	default:
		return wrong
	}
	if scheme == "turn" && query != "transport=tcp" {
		e.stun = append(e.stun, "stun:"+where)
	}
	return nil
}

// ICEServers returns the `stun_servers` of an answer, with credentials for id.
func (e *External) ICEServers(now time.Time, id string) []ICEServer {
	username, password := e.credentials.Issue(now, id)
	var out []ICEServer
	if len(e.stun) > 0 {
		out = append(out, ICEServer{URLs: e.stun})
	}
	return append(out, ICEServer{URLs: e.turn, Username: username, Password: password})
}

// SecretFile has the secret on the first line of a file that is neither empty nor begins with #, and reads it anew each
// time, which takes microseconds: a secret that is replaced counts from the next answer on. The file may not be open to
// others. One that cannot be read any more is logged, and the secret of before stays.
func SecretFile(path string, log *slog.Logger) (func() Secret, error) {
	have, err := readSecret(path)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	failed := false
	return func() Secret {
		mu.Lock()
		defer mu.Unlock()
		now, err := readSecret(path)
		if err == nil {
			have, failed = now, false
			return have
		}
		if !failed {
			log.Error("the TURN secret cannot be read any more: the one of before stays in use", "err", err)
		}
		failed = true
		return have
	}, nil
}

func readSecret(path string) (Secret, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("turn: secret: %w", err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("turn: secret: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("turn: others may access %s: run: chmod 600 %s", path, path)
	}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if line := strings.TrimSpace(lines.Text()); line != "" && !strings.HasPrefix(line, "#") {
			return Secret(line), nil
		}
	}
	return "", fmt.Errorf("turn: no secret in %s: its first line has to be the TURN server's static-auth-secret", path)
}
