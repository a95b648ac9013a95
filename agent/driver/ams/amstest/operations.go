package amstest

import (
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// Operation is section 4.
type Operation struct {
	ID            string              `json:"id"`
	Class         string              `json:"class"`
	Description   string              `json:"description"`
	CreatedAt     time.Time           `json:"created_at"`
	UpdatedAt     time.Time           `json:"updated_at"`
	Status        string              `json:"status"`
	StatusCode    int                 `json:"status_code"`
	Resources     map[string][]string `json:"resources"`
	Metadata      any                 `json:"metadata"`
	MayCancel     bool                `json:"may_cancel"`
	Err           string              `json:"err"`
	ServerAddress string              `json:"server_address"`

	over chan struct{}
}

// newOperation is one that runs, about an instance.
func (s *Server) newOperation(description, instance string) *Operation {
	now := time.Now().UTC()
	o := &Operation{ID: uuid.NewString(), Class: "task", Description: description, CreatedAt: now, UpdatedAt: now, Status: "Running",
		StatusCode: 103, Resources: map[string][]string{"instances": {instanceURL(instance)}}, ServerAddress: "127.0.0.1", over: make(chan struct{})}
	s.mu.Lock()
	s.operations[o.ID] = o
	copied := *o
	s.mu.Unlock()
	s.publish("operation", copied)
	return o
}

// finish ends an operation, with an error if text is not empty.
func (s *Server) finish(o *Operation, text string) {
	s.mu.Lock()
	o.UpdatedAt, o.Status, o.StatusCode, o.Err = time.Now().UTC(), "Success", 200, text
	if text != "" {
		o.Status, o.StatusCode = "Failure", 400
	}
	copied := *o
	close(o.over)
	s.mu.Unlock()
	s.publish("operation", copied)
}

// ForgetOperations forgets all that are over: how long they can be read is not told (section 4).
func (s *Server) ForgetOperations() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, o := range s.operations {
		if o.StatusCode >= 200 {
			delete(s.operations, id)
		}
	}
}

func (s *Server) listOperations(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	all := []Operation{}
	for _, o := range s.operations {
		if o.StatusCode < 200 {
			all = append(all, *o)
		}
	}
	s.mu.Unlock()
	list(w, r, all, func(o Operation) string { return "/1.0/operations/" + o.ID })
}

func (s *Server) findOperation(id string) (o Operation, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.operations[id]; p != nil {
		return *p, true
	}
	return o, false
}

func (s *Server) getOperation(w http.ResponseWriter, r *http.Request) {
	o, found := s.findOperation(r.PathValue("id"))
	if !found {
		refuse(w, http.StatusNotFound, "operation not found")
		return
	}
	answer(w, o)
}

// waitOperation answers when the operation is over; timeout is in whole seconds, -1 for none.
func (s *Server) waitOperation(w http.ResponseWriter, r *http.Request) {
	o, found := s.findOperation(r.PathValue("id"))
	if !found {
		refuse(w, http.StatusNotFound, "operation not found")
		return
	}
	var late <-chan time.Time
	if text := r.URL.Query().Get("timeout"); text != "" && text != "-1" {
		n, err := strconv.Atoi(text)
		if err != nil {
			refuse(w, http.StatusBadRequest, "argument timeout is invalid")
			return
		}
		late = time.After(time.Duration(n) * time.Second)
	}
	select {
	case <-o.over:
	case <-late:
	case <-r.Context().Done():
		return
	case <-s.life.Done():
		return
	}
	s.getOperation(w, r)
}
