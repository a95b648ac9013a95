package amstest

import (
	"encoding/json"
	"net/http"
	"reflect"
)

// answer is a synchronous one (section 2); lists get their size.
func answer(w http.ResponseWriter, metadata any) {
	e := map[string]any{"type": "sync", "status": "Success", "status_code": 200, "metadata": metadata}
	if v := reflect.ValueOf(metadata); v.Kind() == reflect.Slice {
		e["total_size"] = v.Len()
	}
	write(w, http.StatusOK, e)
}

// accept is the answer of a background operation: 202, its address, and what it looks like.
func accept(w http.ResponseWriter, o Operation) {
	url := "/1.0/operations/" + o.ID
	w.Header().Set("Location", url)
	write(w, http.StatusAccepted, map[string]any{"type": "async", "status": "Operation created", "status_code": 100, "operation": url, "metadata": o})
}

func refuse(w http.ResponseWriter, code int, text string) {
	write(w, code, map[string]any{"type": "error", "error": text, "error_code": code, "metadata": struct{}{}})
}

func write(w http.ResponseWriter, code int, e any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(e) //nolint:errchkjson // what is answered can be encoded, and the client may have gone
}

// list answers with the objects, or with their URLs, as the client asks (section 2).
func list[T any](w http.ResponseWriter, r *http.Request, all []T, url func(T) string) {
	if r.URL.Query().Get("recursion") == "1" {
		answer(w, append([]T{}, all...))
		return
	}
	urls := []string{}
	for _, one := range all {
		urls = append(urls, url(one))
	}
	answer(w, urls)
}
