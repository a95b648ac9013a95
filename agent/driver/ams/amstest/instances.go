package amstest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"
)

// maxUserData is section 7's.
const maxUserData = 10240

// Display is an instance's.
type Display struct {
	Width   int `json:"width"`
	Height  int `json:"height"`
	FPS     int `json:"fps"`
	Density int `json:"density"`
}

// Launch is the body of POST /1.0/instances, as far as the server knows it.
type Launch struct {
	AppID    string       `json:"app_id"`
	Version  *int         `json:"app_version"`
	Name     string       `json:"name"`
	UserData string       `json:"user_data"`
	Tags     []string     `json:"tags"`
	NoStart  bool         `json:"no_start"`
	Config   LaunchConfig `json:"config"`
}

// LaunchConfig is its config.
type LaunchConfig struct {
	Platform        string  `json:"platform"`
	Display         Display `json:"display"`
	EnableStreaming bool    `json:"enable_streaming"`
}

// InstanceNeeds are an instance's resources: bytes, and hyphens.
type InstanceNeeds struct {
	CPUs     int   `json:"cpus"`
	Memory   int64 `json:"memory"`
	DiskSize int64 `json:"disk-size"`
	GPUSlots int   `json:"gpu-slots"`
}

// Instance is section 7's object. User data is not in it.
type Instance struct {
	ID            string        `json:"id"`
	Name          string        `json:"name"`
	Base          bool          `json:"base"`
	Type          string        `json:"type"`
	Status        string        `json:"status"`
	StatusCode    int           `json:"status_code"`
	StatusMessage string        `json:"status_message"`
	ErrorMessage  string        `json:"error_message"`
	Node          string        `json:"node"`
	AppID         string        `json:"app_id"`
	AppName       string        `json:"app_name"`
	AppVersion    int           `json:"app_version"`
	CreatedAt     int64         `json:"created_at"`
	Config        LaunchConfig  `json:"config"`
	Resources     InstanceNeeds `json:"resources"`
	Tags          []string      `json:"tags"`
}

func instanceURL(id string) string { return "/1.0/instances/" + id }

// Instances are all, by id.
func (s *Server) Instances() []Instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Instance
	for _, id := range slices.Sorted(maps.Keys(s.instances)) {
		all = append(all, s.instances[id].Instance)
	}
	return all
}

// Launches are the requests for instances that were accepted, the first first.
func (s *Server) Launches() []Launch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.launches)
}

// listInstances filters by app_id, status, node and tags, of which any is enough.
func (s *Server) listInstances(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	matches := func(i Instance) bool {
		for name, value := range map[string]string{"id": i.ID, "name": i.Name, "app_id": i.AppID, "app_name": i.AppName, "status": i.Status, "node": i.Node} {
			if q.Has(name) && q.Get(name) != value {
				return false
			}
		}
		return !q.Has("tags") || slices.ContainsFunc(strings.Split(q.Get("tags"), ","), func(t string) bool { return slices.Contains(i.Tags, t) })
	}
	all := slices.DeleteFunc(s.Instances(), func(i Instance) bool { return !matches(i) })
	list(w, r, all, func(i Instance) string { return instanceURL(i.ID) })
}

// find looks an instance up by id or name.
func (s *Server) find(id string) *instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, in := range s.instances {
		if in.ID == id || in.Name == id {
			return in
		}
	}
	return nil
}

func (s *Server) getInstance(w http.ResponseWriter, r *http.Request) {
	in := s.find(r.PathValue("id"))
	if in == nil {
		refuse(w, http.StatusNotFound, "instance not found")
		return
	}
	s.mu.Lock()
	copied := in.Instance
	s.mu.Unlock()
	answer(w, copied)
}

func (s *Server) createInstance(w http.ResponseWriter, r *http.Request) {
	var l Launch
	if json.NewDecoder(r.Body).Decode(&l) != nil {
		refuse(w, http.StatusBadRequest, "argument body is invalid")
		return
	}
	app, found := s.findApplication(l.AppID)
	version, text := newest(app, l.Version)
	switch {
	case l.AppID == "":
		refuse(w, http.StatusBadRequest, "app_id is required")
	case !found:
		refuse(w, http.StatusNotFound, "application not found")
	case text != "":
		refuse(w, http.StatusBadRequest, text)
	case len(l.UserData) > maxUserData:
		refuse(w, http.StatusBadRequest, "argument user_data is invalid")
	case l.Name != "" && s.find(l.Name) != nil:
		refuse(w, http.StatusConflict, "instance already exists")
	default:
		accept(w, s.create(l, app, version, r.URL.Query().Get("no_wait") == "true")) //nolint:contextcheck // the instance outlives the request
	}
}

// newest is the version to launch: the named one, or the newest that is published.
func newest(app Application, asked *int) (version int, text string) {
	version = -1
	for _, v := range app.Versions {
		if asked != nil && *asked == v.Number && v.Status == "ready" {
			return v.Number, ""
		}
		if v.Published && v.Status == "ready" {
			version = max(version, v.Number)
		}
	}
	switch {
	case asked != nil && *asked >= 0:
		return -1, "application version not found"
	case version < 0:
		return -1, "application has no published version"
	}
	return version, ""
}

func (s *Server) create(l Launch, app Application, version int, noWait bool) Operation {
	s.mu.Lock()
	s.serial++
	in := newInstance(fmt.Sprintf("d0k3va05q1fs73a1%04d", s.serial%10000))
	in.Instance = Instance{ID: in.ID, Name: l.Name, Type: "container", Status: "created", StatusCode: 1, AppID: app.ID, AppName: app.Name, AppVersion: version,
		CreatedAt: time.Now().Unix(), Config: l.Config, Tags: append([]string{}, l.Tags...), Resources: InstanceNeeds{CPUs: app.Resources.CPUs, Memory: 3 << 30, DiskSize: 3 << 30, GPUSlots: app.Resources.GPUSlots}}
	if in.Name == "" {
		in.Name = "ams-" + in.ID
	}
	if len(s.nodes) > 0 {
		in.Node = s.nodes[0].Name
	}
	s.instances[in.ID] = in
	s.launches = append(s.launches, l)
	s.mu.Unlock()
	o := s.newOperation("Creating instance", in.ID)
	s.mu.Lock()
	copied := *o
	s.mu.Unlock()
	s.lifecycle(in, "created")
	s.work.Go(func() { s.boot(in, l, app, o, noWait) })
	return copied
}

// changeInstance knows {"desired_status":"stopped"} only: nobody tells the word for the start.
func (s *Server) changeInstance(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Desired string `json:"desired_status"`
	}
	in := s.find(r.PathValue("id"))
	switch {
	case in == nil:
		refuse(w, http.StatusNotFound, "instance not found")
	case json.NewDecoder(r.Body).Decode(&body) != nil || body.Desired != "stopped":
		refuse(w, http.StatusBadRequest, "argument desired_status is invalid")
	default:
		o := s.newOperation("Stopping instance", in.ID)
		s.mu.Lock()
		copied := *o
		s.mu.Unlock()
		s.work.Go(func() {
			s.halt(in)
			s.state(in, "stopped", 5, "")
			s.finish(o, "")
		})
		accept(w, copied)
	}
}

// deleteInstance needs no body.
func (s *Server) deleteInstance(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Force bool `json:"force"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil && !errors.Is(err, io.EOF) {
		refuse(w, http.StatusBadRequest, "argument body is invalid")
		return
	}
	in := s.find(r.PathValue("id"))
	if in == nil {
		refuse(w, http.StatusNotFound, "instance not found")
		return
	}
	o := s.newOperation("Deleting instance", in.ID)
	s.mu.Lock()
	copied := *o
	s.mu.Unlock()
	s.work.Go(func() {
		s.halt(in)
		s.mu.Lock()
		_, there := s.instances[in.ID]
		delete(s.instances, in.ID)
		s.mu.Unlock()
		if there {
			s.lifecycle(in, "removed")
		}
		s.finish(o, "")
	})
	accept(w, copied)
}

// Accept takes a launch as POST /1.0/instances does, and answers nobody.
func (s *Server) Accept(r *http.Request) {
	s.createInstance(httptest.NewRecorder(), r)
}
