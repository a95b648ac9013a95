package amstest

import (
	"net/http"
	"slices"
)

// Application is section 6, as far as the agent needs it.
type Application struct {
	ID                 string    `json:"id"`
	Name               string    `json:"name"`
	Status             string    `json:"status"`
	StatusCode         int       `json:"status_code"`
	Published          bool      `json:"published"`
	VM                 bool      `json:"vm"`
	ParentImageVariant string    `json:"parent_image_variant"`
	Resources          AppNeeds  `json:"resources"`
	Versions           []Version `json:"versions"`
}

// AppNeeds are an application's resources: sizes as text, hyphens.
type AppNeeds struct {
	CPUs     int    `json:"cpus"`
	Memory   string `json:"memory"`
	DiskSize string `json:"disk-size"`
	GPUSlots int    `json:"gpu-slots"`
}

// Version is one of an application's.
type Version struct {
	Number       int      `json:"number"`
	Status       string   `json:"status"`
	Published    bool     `json:"published"`
	VideoEncoder string   `json:"video_encoder"`
	Features     []string `json:"features"`
}

// Ready is an application that can be streamed, with published versions 0 to latest.
func Ready(id, name string, latest int) Application {
	a := Application{ID: id, Name: name, Status: "ready", StatusCode: 2, Published: true, ParentImageVariant: "android",
		Resources: AppNeeds{CPUs: 2, Memory: "3GB", DiskSize: "3GB"}}
	for n := range latest + 1 {
		a.Versions = append(a.Versions, Version{Number: n, Status: "ready", Published: true, VideoEncoder: "gpu-preferred", Features: []string{}})
	}
	return a
}

// SetApplications replaces all applications.
func (s *Server) SetApplications(apps ...Application) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apps = slices.Clone(apps)
}

func (s *Server) listApplications(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	all := slices.Clone(s.apps)
	s.mu.Unlock()
	list(w, r, all, func(a Application) string { return "/1.0/applications/" + a.ID })
}

func (s *Server) findApplication(id string) (Application, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.apps {
		if a.ID == id {
			return a, true
		}
	}
	return Application{}, false
}

func (s *Server) getApplication(w http.ResponseWriter, r *http.Request) {
	a, found := s.findApplication(r.PathValue("id"))
	if !found {
		refuse(w, http.StatusNotFound, "application not found")
		return
	}
	answer(w, a)
}

// Node is section 9, as far as the agent needs it.
type Node struct {
	Name                 string  `json:"name"`
	Architecture         string  `json:"architecture"`
	Status               string  `json:"status"`
	StatusCode           int     `json:"status_code"`
	CPUs                 int     `json:"cpus"`
	CPUAllocationRate    float64 `json:"cpu_allocation_rate"`
	Memory               string  `json:"memory"`
	MemoryAllocationRate float64 `json:"memory_allocation_rate"`
	DiskSize             string  `json:"disk_size"`
	GPUSlots             int     `json:"gpu_slots"`
	Unschedulable        bool    `json:"unschedulable"`
	Unscheduable         bool    `json:"unscheduable"`
}

// SetNodes replaces all nodes.
func (s *Server) SetNodes(nodes ...Node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodes = slices.Clone(nodes)
}

func (s *Server) listNodes(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	all := slices.Clone(s.nodes)
	s.mu.Unlock()
	list(w, r, all, func(n Node) string { return "/1.0/nodes/" + n.Name })
}

func (s *Server) getNode(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.nodes {
		if n.Name == r.PathValue("name") {
			answer(w, n)
			return
		}
	}
	refuse(w, http.StatusNotFound, "node not found")
}
