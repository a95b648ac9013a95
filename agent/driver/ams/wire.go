package ams

import (
	"encoding/json"
	"path"
	"slices"
	"strconv"
	"strings"
)

// envelope is every answer (section 2).
type envelope struct {
	Type      string          `json:"type"`
	Error     string          `json:"error"`
	ErrorCode int             `json:"error_code"`
	Metadata  json.RawMessage `json:"metadata"`
}

// Numeric codes of operations (section 2).
const (
	codeFinal   = 200 // and above: the operation is over
	codeFailure = 400 // and above: it failed
)

// operation is something that AMS does in the background (section 4).
type operation struct {
	ID         string              `json:"id"`
	StatusCode int                 `json:"status_code"`
	Err        string              `json:"err"`
	Resources  map[string][]string `json:"resources"`
}

// instance is the id of the instance that it is about; empty where it does not say.
func (o operation) instance() string {
	for _, kind := range []string{"instances", "containers"} { // the latter of AMS before 1.20
		if urls := o.Resources[kind]; len(urls) > 0 {
			return path.Base(urls[0])
		}
	}
	return ""
}

// Codes of instances (section 8).
const (
	stateError   = -1
	stateRunning = 4
	stateStopped = 5
	stateDeleted = 6
)

// remote is an instance as AMS tells it (section 7).
type remote struct {
	ID           string    `json:"id"`
	Base         bool      `json:"base"`
	StatusCode   int       `json:"status_code"`
	Status       string    `json:"status"`
	StatusText   string    `json:"status_message"`
	ErrorMessage string    `json:"error_message"`
	Node         string    `json:"node"`
	Tags         []string  `json:"tags"`
	Resources    resources `json:"resources"`
}

// resources of an instance: bytes, hyphens (section 7).
type resources struct {
	CPUs     int   `json:"cpus"`
	Memory   int64 `json:"memory"`
	Disk     int64 `json:"disk-size"`
	GPUSlots int   `json:"gpu-slots"`
}

// Tags by which an agent knows its instances again.
const (
	tagSession = "session="
	tagAgent   = "streamstack-agent="
)

// session is the one that the instance is for, by its tag; empty if it has none.
func (r remote) session() string {
	for _, tag := range r.Tags {
		if id, found := strings.CutPrefix(tag, tagSession); found {
			return id
		}
	}
	return ""
}

func (r remote) tagged(tag string) bool { return slices.Contains(r.Tags, tag) }

// why is the best that AMS says of a failed instance.
func (r remote) why() string {
	for _, text := range []string{r.ErrorMessage, r.StatusText} {
		if text != "" {
			return text
		}
	}
	return "AMS gives no reason"
}

// launch is the body of POST /1.0/instances (section 7).
type launch struct {
	App      string       `json:"app_id"`
	Version  int          `json:"app_version"`
	UserData string       `json:"user_data"`
	Tags     []string     `json:"tags"`
	Config   launchConfig `json:"config"`
}

type launchConfig struct {
	Platform string  `json:"platform"`
	Display  display `json:"display"`
}

type display struct {
	Width   int `json:"width"`
	Height  int `json:"height"`
	FPS     int `json:"fps"`
	Density int `json:"density"`
}

// node is a machine of the cluster (section 9).
type node struct {
	Name                 string  `json:"name"`
	StatusCode           int     `json:"status_code"`
	CPUs                 int     `json:"cpus"`
	CPUAllocationRate    float64 `json:"cpu_allocation_rate"`
	Memory               string  `json:"memory"`
	MemoryAllocationRate float64 `json:"memory_allocation_rate"`
	Disk                 string  `json:"disk_size"`
	GPUSlots             int     `json:"gpu_slots"`
	Unschedulable        bool    `json:"unschedulable"`
	Unscheduable         bool    `json:"unscheduable"` // as older AMS spells it
}

const nodeOnline = 4

// parseSize reads "3GB": suffixes are powers of 1024 (section 9). 0 where there is none, or none that can be read.
func parseSize(text string) int64 {
	text = strings.TrimSpace(text)
	shift := 0
	for i, suffix := range []string{"kB", "MB", "GB", "TB"} {
		if number, found := strings.CutSuffix(text, suffix); found {
			text, shift = number, 10*(i+1)
		}
	}
	text = strings.TrimSuffix(text, "B")
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n < 0 || n > (1<<62)>>shift {
		return 0
	}
	return n << shift
}
