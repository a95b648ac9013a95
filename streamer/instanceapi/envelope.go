package instanceapi

import (
	"encoding/json"
	"net/http"
	"strings"
)

// success is the envelope of an answer.
type success struct {
	Type       string `json:"type"`   // sync
	Status     string `json:"status"` // Success
	StatusCode int    `json:"status_code"`
	Metadata   any    `json:"metadata"`
}

// failure is that of an error.
type failure struct {
	Type      string `json:"type"` // error
	Error     string `json:"error"`
	ErrorCode int    `json:"error_code"` // of HTTP
}

// succeed answers with metadata, nil for none.
func succeed(w http.ResponseWriter, metadata any) {
	if metadata == nil {
		metadata = struct{}{}
	}
	reply(w, http.StatusOK, success{"sync", "Success", http.StatusOK, metadata})
}

// fail answers with what is wrong.
func fail(w http.ResponseWriter, code int, text string) {
	reply(w, code, failure{"error", text, code})
}

// refuseMethod answers a method that a path does not have: the contract's errors are 400 and 500.
func refuseMethod(w http.ResponseWriter, r *http.Request, allowed ...string) {
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	fail(w, http.StatusBadRequest, "this path does not take "+cut(r.Method)+": use "+strings.Join(allowed, ", "))
}

func reply(w http.ResponseWriter, code int, envelope any) {
	text, err := json.Marshal(envelope)
	if err != nil { // numbers, texts and booleans: it does not happen
		code, text = http.StatusInternalServerError, []byte(`{"type":"error","error":"no answer could be made","error_code":500}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(text, '\n')) // the caller has gone
}

// maxQuoted is how much of what a caller said is repeated, in bytes.
const maxQuoted = 64

// cut bounds what an error repeats.
func cut(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxQuoted)], "\uFFFD") }
