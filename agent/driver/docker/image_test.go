package docker

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"streamstack/agent/driver"
	"streamstack/agent/driver/docker/podmantest"
	"streamstack/events/eventstest"
)

// told collects what is told of a pull.
type told struct {
	mu  sync.Mutex
	all []driver.Pull
}

func (x *told) tell(_ context.Context, p driver.Pull) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.all = append(x.all, p)
}

func (x *told) last() (p driver.Pull) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.all) > 0 {
		p = x.all[len(x.all)-1]
	}
	return p
}

// An image that is missing is fetched from its registry, with its credentials; launches wait for it together, are told how far it
// is, and one that gives up leaves the others and the fetching alone.
func TestPull(t *testing.T) {
	t.Parallel()
	registry, accept := podmantest.NewRegistry(t)
	e := podmantest.Start(t, self(t), accept)
	c := config(t, e)
	c.Image = registry.Image
	c.times = defaultTimes()
	c.times.pulled = 20 * time.Millisecond
	open1 := open(t, c)
	_, err := open1.Launch(t.Context(), spec("steady"))
	require.ErrorIs(t, err, driver.ErrMissing)
	require.ErrorContains(t, err, "cannot be fetched", "without credentials")

	c.Auth = filepath.Join(t.TempDir(), "config.json")
	pair := base64.StdEncoding.EncodeToString([]byte(registry.User + ":" + registry.Password))
	require.NoError(t, os.WriteFile(c.Auth, fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, registry.Image[:len(registry.Image)-len("/streamstack/instance:1")], pair), 0o600))
	c.Agent += "-2"
	d := open(t, c)
	var heard told
	waits := spec("steady")
	waits.Pulling = heard.tell
	result := make(chan error, 1)
	go func() {
		_, err := d.Launch(t.Context(), waits)
		result <- err
	}()
	eventstest.Wait(t, patience, func() string {
		if p := heard.last(); p.Done == 0 || p.Total == 0 {
			return fmt.Sprintf("progress: %+v", p)
		}
		return ""
	})
	require.Equal(t, registry.Image, heard.last().Image)
	require.Less(t, heard.last().Done, heard.last().Total)
	require.False(t, heard.last().Over)
	impatient, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	_, err = d.Launch(impatient, spec("steady"))
	require.ErrorIs(t, err, driver.ErrMissing)
	require.ErrorContains(t, err, "it is fetched on")

	registry.Release()
	err = <-result
	require.True(t, heard.last().Over)
	require.ErrorIs(t, err, driver.ErrMissing, "there is no streamstack in that image")
	require.ErrorContains(t, err, "/usr/bin/streamstack")
	require.Contains(t, e.Podman("images", "--format", "{{.Repository}}:{{.Tag}}"), registry.Image)
	require.Empty(t, e.Containers())
}

// Credentials are told to their registry alone, and a file that is none is not quoted.
func TestRegistryAuth(t *testing.T) {
	c := Config{Auth: filepath.Join(t.TempDir(), "config.json")}
	write := func(text string) { require.NoError(t, os.WriteFile(c.Auth, []byte(text), 0o600)) }
	write(`{"auths":{"https://index.docker.io/v1/":{"auth":"bWU6aHVudGVyMg=="},"registry.example:5000":{"identitytoken":"t"}}}`)
	for image, want := range map[string]string{
		"debian": `{"username":"me","password":"hunter2","serveraddress":"docker.io"}`, "registry.example:5000/a/b:1": `{"serveraddress":"registry.example:5000","identitytoken":"t"}`,
		"elsewhere.example/debian": "",
	} {
		got, err := c.registryAuth(image)
		require.NoError(t, err)
		text, err := base64.URLEncoding.DecodeString(got)
		require.NoError(t, err)
		if want == "" {
			require.Empty(t, text)
		} else {
			require.JSONEq(t, want, string(text))
		}
	}
	write(`hunter2`)
	_, err := c.registryAuth("debian")
	require.ErrorContains(t, err, "docker login")
	require.NotContains(t, err.Error(), "hunter2")
	c.Auth = "/no/such/file"
	_, err = c.registryAuth("debian")
	require.True(t, errors.Is(err, os.ErrNotExist))
}
