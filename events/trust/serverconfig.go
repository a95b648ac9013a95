package trust

import (
	"fmt"
	"strings"
)

// ServerConfig is what a nats-server of its own takes to run in operator mode with these keys, in the format of its
// configuration file. It holds public keys and signed JWTs, no secret. What else a server needs (its address, JetStream,
// TLS, a cluster) is the including file's; keys of regions that are added later are pushed to it. folder is where the
// server keeps what is pushed; it must be able to write there.
func (a *Authority) ServerConfig(folder string) (string, error) {
	operator, err := a.Operator()
	if err != nil {
		return "", err
	}
	accounts, err := a.Accounts()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("# Made by `streamstack credentials server-config`. Include it from nats-server's configuration: include streamstack.conf\n")
	fmt.Fprintf(&b, "operator: %s\n", operator)
	fmt.Fprintf(&b, "system_account: %s\n", accounts[0].ID)
	b.WriteString("# The folder is the server's own; new regions and rotated keys are pushed into it.\n")
	fmt.Fprintf(&b, "resolver: {\n  type: full\n  dir: %q\n  allow_delete: false\n  interval: \"2m\"\n}\n", folder)
	b.WriteString("resolver_preload: {\n")
	for _, account := range accounts {
		fmt.Fprintf(&b, "  # %s\n  %s: %s\n", account.Name, account.ID, account.JWT)
	}
	b.WriteString("}\n")
	return b.String(), nil
}
