package trust

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nats-io/nkeys"
	"golang.org/x/sys/unix"
)

const (
	// KeyFile is the name of the key file in the folder of secrets.
	KeyFile = "trust.json"
	// maxKeyFile is far more than a hundred regions take.
	maxKeyFile = 1 << 20
	// keptKeys is how many signing keys of a scope are honoured: the newest, and the one before.
	keptKeys = 2
	// retiredKeys is how many keys of a scope are remembered that are not honoured any more: far more than there are
	// rotations between a connection's being told to go and its going.
	retiredKeys = 8

	fileMode   fs.FileMode = 0o600
	folderMode fs.FileMode = 0o700
)

// ErrPermissions is returned for a key file that others than its owner may access.
var ErrPermissions = errors.New("others than the owner may access the file")

// keys is the key file: seeds, all of them secret.
type keys struct {
	Operator string            `json:"operator"`
	Accounts map[string]string `json:"accounts"` // by the account's name
	// Signing are the signing keys by scope, the newest first; at most [keptKeys] each.
	Signing map[string][]string `json:"signing"`
	// Retired are the public keys of those that went, the newest first; at most [retiredKeys] each. See [scope.closed].
	Retired map[string][]string `json:"retired,omitempty"`
}

// newKeys makes the keys that every installation has; those of regions come when they are asked for.
func newKeys() (k keys, err error) {
	k = keys{Accounts: map[string]string{}, Signing: map[string][]string{}, Retired: map[string][]string{}}
	if k.Operator, err = newSeed(nkeys.PrefixByteOperator); err != nil {
		return k, err
	}
	for _, name := range []string{systemAccount, mainAccount, analyticsAccount, sdpAccount} {
		if k.Accounts[name], err = newSeed(nkeys.PrefixByteAccount); err != nil {
			return k, err
		}
	}
	for _, r := range []Role{Gateway, Operator, Analytics, AnalyticsSDP} {
		if err := k.rotate(scope{role: r}); err != nil {
			return k, err
		}
	}
	return k, nil
}

// has tells whether there is a signing key of the scope.
func (k keys) has(s scope) bool { return len(k.Signing[s.String()]) > 0 }

// rotate makes a new signing key of the scope; the oldest goes.
func (k keys) rotate(s scope) error {
	seed, err := newSeed(nkeys.PrefixByteAccount)
	if err != nil {
		return err
	}
	list, gone := append([]string{seed}, k.Signing[s.String()]...), k.Retired[s.String()]
	for len(list) > keptKeys {
		_, pub, err := pair(list[len(list)-1])
		if err != nil {
			return err
		}
		list, gone = list[:len(list)-1], append([]string{pub}, gone...)
	}
	k.Signing[s.String()], k.Retired[s.String()] = list, gone[:min(len(gone), retiredKeys)]
	return nil
}

func newSeed(kind nkeys.PrefixByte) (string, error) {
	kp, err := nkeys.CreatePair(kind)
	if err != nil {
		return "", fmt.Errorf("trust: new key: %w", err)
	}
	seed, err := kp.Seed()
	if err != nil {
		return "", fmt.Errorf("trust: new key: %w", err)
	}
	return string(seed), nil
}

// pair is a seed's key pair and public key. The error does not quote the seed.
func pair(seed string) (nkeys.KeyPair, string, error) {
	kp, err := nkeys.FromSeed([]byte(seed))
	if err != nil {
		return nil, "", fmt.Errorf("trust: a seed is damaged: %w", err)
	}
	pub, err := kp.PublicKey()
	if err != nil {
		return nil, "", fmt.Errorf("trust: %w", err)
	}
	return kp, pub, nil
}

// readKeys reads the key file. A missing one is [fs.ErrNotExist].
func readKeys(path string) (k keys, err error) {
	file, err := os.Open(path)
	if err != nil {
		return k, fmt.Errorf("trust: %w", err)
	}
	defer file.Close() //nolint:errcheck // nothing was written
	info, err := file.Stat()
	if err != nil {
		return k, fmt.Errorf("trust: %w", err)
	}
	if info.Mode().Perm()&^fileMode != 0 {
		return k, fmt.Errorf("trust: %w: %s has mode %04o: run: chmod 600 %s (and rotate the keys if others may have read them)",
			ErrPermissions, path, info.Mode().Perm(), path)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile))
	if err != nil {
		return k, fmt.Errorf("trust: read %s: %w", path, err)
	}
	if json.Unmarshal(text, &k) != nil || k.Operator == "" { // the cause may quote a seed
		return k, fmt.Errorf("trust: %s is damaged: restore it (without it the stored log cannot be opened)", path)
	}
	if k.Retired == nil {
		k.Retired = map[string][]string{}
	}
	return k, nil
}

// write puts the keys where readers see the old file or the new one, never a part.
func (k keys) write(path string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("trust: write %s: %w", path, err)
		}
	}()
	text, err := json.MarshalIndent(k, "", "\t")
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), ".trust-*") // CreateTemp makes files with mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }() // after the rename it is gone already
	_, err = temporary.Write(append(text, '\n'))
	if err := errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}

// lockKeys makes changes of the key file wait for each other, over processes. The kernel lets go of the lock when the
// process ends.
func lockKeys(path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), folderMode); err != nil {
		return nil, fmt.Errorf("trust: the folder of secrets cannot be made: %w (name another with --data)", err)
	}
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, fileMode)
	if err != nil {
		return nil, fmt.Errorf("trust: the folder of secrets cannot be written: %w (name another with --data)", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		_ = f.Close() // it was never ours
		return nil, fmt.Errorf("trust: lock: %w", err)
	}
	return func() { _ = f.Close() }, nil // lets go of the lock
}
