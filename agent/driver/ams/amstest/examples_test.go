package amstest

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// patience bounds every wait; nothing takes a tenth of it on an idle machine.
const patience = 20 * time.Second

// rig is a server with the application of the text's example, and a trusted client.
type rig struct {
	*Server
	t    *testing.T
	http *http.Client
	// moreSeen is what more has read.
	moreSeen []map[string]any
}

func newRig(t *testing.T, machine Machine) *rig {
	t.Helper()
	own := NewCertificate(t, "agent", time.Now().Add(time.Hour))
	s := Start(t, machine, own)
	s.SetApplications(Ready("d0jz1b85q1fs739k2ar0", "racing", 1))
	return &rig{Server: s, t: t, http: client(own)}
}

func client(certificates ...Certificate) *http.Client {
	config := &tls.Config{InsecureSkipVerify: true} // the server is this test's own
	for _, c := range certificates {
		config.Certificates = append(config.Certificates, c.pair)
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}, Timeout: patience}
}

// call makes a request and gives the answer's status and JSON.
func (r *rig) call(method, path string, body []byte) (int, http.Header, any) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.URL+path, bytes.NewReader(body))
	require.NoError(r.t, err)
	res, err := r.http.Do(req)
	require.NoError(r.t, err)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	require.NoError(r.t, err)
	return res.StatusCode, res.Header, parse(r.t, text)
}

func parse(t *testing.T, text []byte) (v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(text, &v), "%s", text)
	return v
}

func example(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	require.NoError(t, err)
	return text
}

// differs says where got lacks a member of the example's, or has it in another type; and another value, for the members
// in exact. Of lists the first elements are compared.
func differs(want, got any, path string, exact []string) string {
	if slices.Contains(exact, path) && fmt.Sprint(want) != fmt.Sprint(got) {
		return fmt.Sprintf("%s is %v, not %v", path, got, want)
	}
	switch w := want.(type) {
	case map[string]any:
		g, same := got.(map[string]any)
		if !same {
			return fmt.Sprintf("%s is a %T", path, got)
		}
		for k, v := range w {
			member, there := g[k]
			if !there {
				return path + "." + k + " is missing"
			}
			if text := differs(v, member, path+"."+k, exact); text != "" {
				return text
			}
		}
	case []any:
		g, same := got.([]any)
		if !same || len(g) == 0 && len(w) > 0 {
			return fmt.Sprintf("%s is %v", path, got)
		}
		if len(w) > 0 {
			return differs(w[0], g[0], path+"[]", exact)
		}
	default:
		if fmt.Sprintf("%T", want) != fmt.Sprintf("%T", got) {
			return fmt.Sprintf("%s is a %T, not a %T", path, got, want)
		}
	}
	return ""
}

// What the server answers and pushes has the form of the text's examples, and their values where those are AMS's own.
func TestExamples(t *testing.T) {
	r := newRig(t, nil)
	conn := r.listenTo("all")
	post := func(name string) (int, http.Header, any) {
		return r.call("POST", "/1.0/instances?no_wait=false", example(t, name))
	}

	code, header, created := post("create-gateway")
	require.Equal(t, http.StatusAccepted, code)
	require.Empty(t, differs(parse(t, example(t, "async")), created, "", []string{".type", ".status", ".status_code",
		".metadata.class", ".metadata.description", ".metadata.may_cancel", ".metadata.err"}))
	operation := created.(map[string]any)["operation"].(string) //nolint:forcetypeassert,errcheck // compared above
	require.Equal(t, operation, header.Get("Location"))
	id := "/1.0/instances/" + r.Instances()[0].ID

	t.Run("events", func(t *testing.T) {
		seen := r.events(conn, func(e map[string]any) bool { return action(e) == "instance-running" })
		for name, exact := range map[string][]string{"event-operation": {".type", ".metadata.status", ".metadata.status_code", ".metadata.err"}, "event-lifecycle": {".type", ".metadata.action"}} {
			want := parse(t, example(t, name))
			require.True(t, slices.ContainsFunc(append(seen, r.more(conn, operation)...), func(e map[string]any) bool {
				return differs(want, e, "", exact) == ""
			}), "%s in %v", name, seen)
		}
	})
	for _, row := range []struct {
		name, path, example string
		status              int
		exact               []string
	}{
		{"sync", id, "sync", 200, []string{".type", ".status", ".status_code"}},
		{"error", "/1.0/instances/none", "error", 404, []string{".type", ".error", ".error_code"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			code, _, got := r.call("GET", row.path, nil)
			require.Equal(t, row.status, code)
			require.Empty(t, differs(parse(t, example(t, row.example)), got, "", row.exact))
		})
	}
	t.Run("application", func(t *testing.T) {
		_, _, got := r.call("GET", "/1.0/applications?recursion=1", nil)
		list := got.(map[string]any)["metadata"].([]any) //nolint:forcetypeassert,errcheck // a panic is a failure
		require.Empty(t, differs(parse(t, example(t, "application")), list[0], "", []string{".name", ".id", ".status", ".status_code", ".versions[].number"}))
		_, _, plain := r.call("GET", "/1.0/applications", nil)
		require.Equal(t, []any{"/1.0/applications/d0jz1b85q1fs739k2ar0"}, plain.(map[string]any)["metadata"], "without recursion") //nolint:forcetypeassert,errcheck // a panic is a failure
	})
	t.Run("what was launched", func(t *testing.T) {
		code, _, _ := post("create-user")
		require.Equal(t, http.StatusAccepted, code)
		launches := r.Launches()
		require.Equal(t, []string{"session=d0k3v9g5q1fs73a1b2c0"}, launches[0].Tags)
		require.Equal(t, Display{1280, 720, 60, 240}, launches[0].Config.Display)
		require.Equal(t, "webrtc", launches[0].Config.Platform)
		require.True(t, launches[1].Config.EnableStreaming)
		require.Equal(t, 1, r.Instances()[0].AppVersion, "-1 is the newest that is published")
	})
	t.Run("waiting", func(t *testing.T) {
		_, _, got := r.call("GET", operation+"/wait?timeout=-1", nil)
		require.Empty(t, differs(parse(t, []byte(`{"metadata":{"status":"Success","status_code":200}}`)), got, "", []string{".metadata.status_code"}))
		r.ForgetOperations()
		code, _, _ := r.call("GET", operation, nil)
		require.Equal(t, http.StatusNotFound, code)
	})
}

func action(e map[string]any) string {
	metadata, _ := e["metadata"].(map[string]any)
	text, _ := metadata["action"].(string)
	return text
}

func (r *rig) listenTo(kind string) *websocket.Conn {
	r.t.Helper()
	conn, _, err := websocket.Dial(r.t.Context(), r.URL+"/1.0/events?type="+kind, &websocket.DialOptions{HTTPClient: r.http}) //nolint:bodyclose // Dial has read it
	require.NoError(r.t, err)
	r.t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

// events reads until one satisfies last.
func (r *rig) events(conn *websocket.Conn, last func(map[string]any) bool) (all []map[string]any) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	for {
		_, text, err := conn.Read(ctx)
		require.NoError(r.t, err, "%v", all)
		var e map[string]any
		require.NoError(r.t, json.Unmarshal(text, &e))
		all = append(all, e)
		if last(e) {
			return all
		}
	}
}

// more reads until the operation's end, once.
func (r *rig) more(conn *websocket.Conn, operation string) []map[string]any {
	r.t.Helper()
	if r.moreSeen == nil {
		r.moreSeen = r.events(conn, func(e map[string]any) bool {
			metadata, _ := e["metadata"].(map[string]any)
			return "/1.0/operations/"+fmt.Sprint(metadata["id"]) == operation && metadata["status_code"] == 200.0
		})
	}
	return r.moreSeen
}

// Who is not trusted may look at three pages, and TLS 1.2 is too old (section 1).
func TestTrust(t *testing.T) {
	r := newRig(t, nil)
	stranger := &rig{Server: r.Server, t: t, http: client(NewCertificate(t, "stranger", time.Now().Add(time.Hour)))}
	nobody := &rig{Server: r.Server, t: t, http: client()}
	for _, who := range []*rig{stranger, nobody} {
		for path, want := range map[string]int{"/": 200, "/1.0": 200, "/1.0/": 200, "/1.0/version": 200, "/1.0/instances": 403, "/1.0/events": 403, "/1.0/applications": 403, "/1.0/nodes": 403, "/1.0/operations": 403} {
			code, _, _ := who.call("GET", path, nil)
			require.Equal(t, want, code, path)
		}
		_, _, status := who.call("GET", "/1.0", nil)
		require.Empty(t, differs(parse(t, []byte(`{"metadata":{"auth":"untrusted"}}`)), status, "", []string{".metadata.auth"}))
	}
	old := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}}}
	res, err := old.Get(r.URL + "/1.0")
	if err == nil {
		_ = res.Body.Close()
	}
	require.ErrorContains(t, err, "protocol version")
}

// Launches that section 7 and section 15 have refused.
func TestRefusals(t *testing.T) {
	r := newRig(t, nil)
	unpublished := Ready("d0jz1b85q1fs739k2ar1", "draft", 0)
	unpublished.Versions[0].Published = false
	r.SetApplications(Ready("d0jz1b85q1fs739k2ar0", "racing", 1), unpublished)
	for body, want := range map[string]int{
		`{`:                                 400,
		`{}`:                                400,
		`{"app_id":"none"}`:                 404,
		`{"app_id":"d0jz1b85q1fs739k2ar1"}`: 400,
		`{"app_id":"d0jz1b85q1fs739k2ar0","app_version":7}`:                                               400,
		`{"app_id":"d0jz1b85q1fs739k2ar1","app_version":0}`:                                               202,
		fmt.Sprintf(`{"app_id":"d0jz1b85q1fs739k2ar0","user_data":%q}`, bytes.Repeat([]byte("x"), 10241)): 400,
	} {
		code, _, got := r.call("POST", "/1.0/instances", []byte(body))
		require.Equal(t, want, code, "%s: %v", body[:min(len(body), 80)], got)
	}
}
