package sockets

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// RoleVariable is the environment variable that makes a process one of the ends; the others are its settings.
const (
	RoleVariable    = "STREAMSTACK_BENCH_SOCKETS"
	NATSVariable    = "STREAMSTACK_BENCH_NATS"
	SecretsVariable = "STREAMSTACK_BENCH_SECRETS"

	GatewayRole = "gateway"
	ClientRole  = "client"
)

// Run is the process of a role, until its input ends.
func Run(ctx context.Context, role string, in io.Reader, out io.Writer) error {
	switch role {
	case GatewayRole:
		return gatewayEnd(ctx, os.Getenv(NATSVariable), os.Getenv(SecretsVariable), in, out)
	case ClientRole:
		return clientEnd(ctx, in, out)
	default:
		return fmt.Errorf("sockets: %s must be %s or %s, not %q", RoleVariable, GatewayRole, ClientRole, role)
	}
}

// serveLines answers each line that comes with a line of JSON.
func serveLines(in io.Reader, out io.Writer, answer func(line string) (any, error)) error {
	lines := bufio.NewReader(in) // a line may hold thousands of addresses
	for {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("sockets: %w", err)
		}
		v, err := answer(strings.TrimSpace(line))
		if err != nil {
			return err
		}
		if err := json.NewEncoder(out).Encode(v); err != nil {
			return fmt.Errorf("sockets: answer: %w", err)
		}
	}
}
