package docker

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/registry"
)

// hub is how `docker login` writes the registry of names without one.
const hub = "https://index.docker.io/v1/"

// registryAuth is what the engine shows to an image's registry; empty where there is nothing to show. The file is read each
// time, so that it can be replaced.
func (c *Config) registryAuth(image string) (string, error) {
	if c.Auth == "" {
		return "", nil
	}
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return "", fmt.Errorf("docker: image %q: %w", image, err)
	}
	text, err := os.ReadFile(c.Auth)
	if err != nil {
		return "", fmt.Errorf("docker: registries' credentials: %w", err)
	}
	var file struct {
		Auths map[string]struct {
			Auth          string `json:"auth"` // base64 of USER:PASSWORD
			IdentityToken string `json:"identitytoken"`
		} `json:"auths"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return "", fmt.Errorf("docker: registries' credentials: %s is not what `docker login` writes", c.Auth) // without its text
	}
	host := reference.Domain(named)
	entry, found := file.Auths[host]
	if !found && host == "docker.io" {
		entry, found = file.Auths[hub]
	}
	if !found {
		return "", nil
	}
	shown := registry.AuthConfig{ServerAddress: host, IdentityToken: entry.IdentityToken}
	if pair, err := base64.StdEncoding.DecodeString(entry.Auth); err == nil {
		shown.Username, shown.Password, _ = strings.Cut(string(pair), ":")
	}
	encoded, err := authconfig.Encode(shown)
	if err != nil {
		return "", fmt.Errorf("docker: registries' credentials of %s cannot be used", host)
	}
	return encoded, nil
}
