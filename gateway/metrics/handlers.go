package metrics

import (
	"net/http"
	"strings"
)

// Contract are the handlers that the contract names (gateway-api.md, section 13).
var Contract = []string{
	"get_service_status", "create_new_session", "get_sessions", "get_session", "delete_session", "delete_sessions", "join_session",
	"streaming_websocket_master", "streaming_websocket_slave", "get_applications", "get_regions",
}

// Labels of what has no route of its own.
const (
	other     = "other"
	preflight = "preflight"
)

// handlers are the names of the routes: method, blank, path as echo has it, with plural sessions.
var handlers = map[string]string{
	"GET /1.0/status":       "get_service_status",
	"GET /1.0/applications": "get_applications",
	"GET /1.0/regions":      "get_regions",

	"POST /1.0/sessions":                   "create_new_session",
	"GET /1.0/sessions":                    "get_sessions",
	"DELETE /1.0/sessions":                 "delete_sessions",
	"GET /1.0/sessions/:id":                "get_session",
	"DELETE /1.0/sessions/:id":             "delete_session",
	"POST /1.0/sessions/:id/join":          "join_session",
	"GET /1.0/sessions/:id/sockets/master": "streaming_websocket_master",
	"GET /1.0/sessions/:id/sockets/slave":  "streaming_websocket_slave",
	"GET /1.0/sessions/:id/sockets/viewer": "streaming_websocket_viewer",
	// What the contract has no names for is named as it would.
	"GET /1.0/sessions/:id/sockets/adb": "streaming_websocket_adb",
	"POST /1.0/sessions/:id/share":      "create_share",
	"GET /1.0/sessions/:id/connect":     "connect_session",
	"GET /1.0/shares":                   "get_shares",
	"GET /1.0/shares/:id":               "get_share",
	"PATCH /1.0/shares/:id":             "update_share",
	"DELETE /1.0/shares/:id":            "delete_share",
	"GET /1.0/config":                   "get_config",
	"PATCH /1.0/config":                 "update_config",
	// Ours.
	"GET /1.0/sessions/:id/events":  "get_session_events",
	"GET /1.0/sessions/:id/quality": "get_session_quality",
	"GET /1.0/events":               "get_events",
	"GET /1.0/agents":               "get_agents",
	"GET /1.0/agents/:id":           "get_agent",
	"POST /1.0/agents/:id/drain":    "drain_agent",
	"DELETE /1.0/agents/:id/drain":  "resume_agent",
	"GET /1.0/schemas":              "get_schemas",
	"GET /1.0/schemas/:file":        "get_schemas",
	"GET /1.0/asyncapi.json":        "get_asyncapi",
	"GET /1.0/openapi.json":         "get_openapi",
	"GET /1.0/docs":                 "get_reference",
	"GET /1.0/docs/:file":           "get_reference",
	"GET /metrics":                  "get_metrics",
	"GET /":                         "console",
	"GET /console":                  "console",
	"GET /console/*":                "console",
}

// Handler is the label of a route, given a request's method and the route's path as echo has it. What has no route, whatever
// a client makes up, shares one label.
func Handler(method, path string) string {
	if method == http.MethodOptions {
		return preflight
	}
	if rest, ok := strings.CutPrefix(path, "/1.0/session/"); ok {
		path = "/1.0/sessions/" + rest
	}
	if h, ok := handlers[method+" "+path]; ok {
		return h
	}
	return other
}
