package podmantest

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// layerSize is that of the one layer of a registry's image, in bytes: so many that an engine tells of its progress.
const layerSize = 4 << 20

// Registry is a registry of images (OCI distribution specification, pull only) with one image of one file, with which nothing
// can be run. Its layer comes by and by until [Registry.Release] is called.
type Registry struct {
	// Image is the image's name, User and Password what the registry wants to be shown for it.
	Image          string
	User, Password string

	blobs    map[string][]byte
	manifest []byte
	layer    string
	once     sync.Once
	released chan struct{}
}

// NewRegistry starts a registry on a free port; it ends with the test. What it returns for [Start] has the engine accept that
// it has no TLS.
func NewRegistry(t testing.TB) (registry *Registry, config string) {
	t.Helper()
	r := &Registry{User: "streamstack", Password: "hunter2", blobs: map[string][]byte{}, released: make(chan struct{})}
	content := make([]byte, layerSize)
	_, _ = rand.Read(content) // never fails (crypto/rand)
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	require.NoError(t, w.WriteHeader(&tar.Header{Name: "nothing", Mode: 0o644, Size: layerSize}))
	_, err := w.Write(content)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	r.layer = r.add(layer.Bytes())
	config = fmt.Sprintf(`{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[%q]}}`, r.layer)
	id := r.add([]byte(config))
	r.manifest, err = json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": map[string]any{"mediaType": "application/vnd.oci.image.config.v1+json", "digest": id, "size": len(config)},
		"layers": []any{map[string]any{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": r.layer, "size": layer.Len()}},
	})
	require.NoError(t, err)
	server := httptest.NewServer(r)
	t.Cleanup(func() { r.Release(); server.Close() })
	address := strings.TrimPrefix(server.URL, "http://")
	r.Image = address + "/streamstack/instance:1"
	return r, fmt.Sprintf("[[registry]]\nlocation = %q\ninsecure = true", address)
}

func (r *Registry) add(blob []byte) string {
	sum := sha256.Sum256(blob)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	r.blobs[digest] = blob
	return digest
}

// Release has the rest of the layer come.
func (r *Registry) Release() { r.once.Do(func() { close(r.released) }) }

// ServeHTTP answers an engine.
func (r *Registry) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if user, password, _ := q.BasicAuth(); user != r.User || password != r.Password {
		w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	_, digest, isBlob := strings.Cut(q.URL.Path, "/streamstack/instance/blobs/")
	blob := r.blobs[digest]
	switch {
	case q.URL.Path == "/v2/":
	case q.URL.Path == "/v2/streamstack/instance/manifests/1":
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		_, _ = w.Write(r.manifest) // the engine asks again
	case !isBlob || blob == nil:
		w.WriteHeader(http.StatusNotFound)
	default:
		w.Header().Set("Content-Length", strconv.Itoa(len(blob)))
		rest := bytes.NewReader(blob)
		if digest == r.layer {
			r.trickle(w, q, rest)
		}
		_, _ = io.Copy(w, rest) // the engine asks again
	}
}

// trickle sends a little now and then until the rest may go, as a slow line does: engines tell of progress when something comes.
func (r *Registry) trickle(w http.ResponseWriter, q *http.Request, rest io.Reader) {
	const piece, every = 1 << 10, 20 * time.Millisecond
	flusher, able := w.(http.Flusher)
	for tick := time.NewTicker(every); able; {
		_, _ = io.CopyN(w, rest, piece)
		flusher.Flush()
		select {
		case <-tick.C:
		case <-r.released:
			able = false
		case <-q.Context().Done():
			able = false
		}
	}
}
