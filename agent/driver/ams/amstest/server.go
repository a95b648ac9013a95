package amstest

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// Server is an AMS. Its methods may be called at the same time.
type Server struct {
	// URL is where it listens: https, loopback.
	URL string
	// Certificate is the server's own.
	Certificate Certificate

	machine Machine
	life    context.Context //nolint:containedctx // it bounds the instances' goroutines, which the test's end joins
	work    sync.WaitGroup

	mu         sync.Mutex
	trusted    map[string]bool // fingerprints
	intercept  func(http.ResponseWriter, *http.Request) bool
	apps       []Application
	nodes      []Node
	instances  map[string]*instance
	operations map[string]*Operation
	sockets    map[*socket]struct{}
	deaf       bool // no event socket is opened
	launches   []Launch
	serial     int
}

// Start starts a server that trusts the clients' certificates, and ends it with the test. machine boots its instances; nil
// for [Idle].
func Start(t testing.TB, machine Machine, clients ...Certificate) *Server {
	t.Helper()
	return StartAs(t, NewCertificate(t, "ams", time.Now().Add(24*time.Hour)), machine, clients...)
}

// StartAs is [Start] with a certificate for the server.
func StartAs(t testing.TB, own Certificate, machine Machine, clients ...Certificate) *Server {
	t.Helper()
	if machine == nil {
		machine = Idle{}
	}
	life, end := context.WithCancel(context.WithoutCancel(t.Context()))
	s := &Server{Certificate: own, machine: machine, life: life, trusted: map[string]bool{}, instances: map[string]*instance{},
		operations: map[string]*Operation{}, sockets: map[*socket]struct{}{}}
	for _, c := range clients {
		s.Trust(c)
	}
	server := httptest.NewUnstartedServer(s.handler())
	// Section 1: TLS 1.3 or newer; any certificate may be shown, the trust store decides.
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{own.pair}, ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	s.URL = server.URL
	t.Cleanup(func() {
		s.Deafen(true)
		end()
		server.CloseClientConnections()
		server.Close()
		s.work.Wait()
	})
	return s
}

// Trust puts a certificate into the trust store.
func (s *Server) Trust(c Certificate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trusted[fingerprint(c.DER)] = true
}

// Distrust takes it out.
func (s *Server) Distrust(c Certificate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.trusted, fingerprint(c.DER))
}

// Intercept has f see each request first; true says that f has dealt with it. nil for none.
func (s *Server) Intercept(f func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.intercept = f
}

func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// isTrusted tells whether a request comes from somebody in the trust store.
func (s *Server) isTrusted(r *http.Request) bool {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trusted[fingerprint(r.TLS.PeerCertificates[0].Raw)]
}

// handler is the API: what anybody may call, and what only trusted clients may (section 1).
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	open := func(pattern string, f http.HandlerFunc) { mux.HandleFunc(pattern, f) }
	guarded := func(pattern string, f http.HandlerFunc) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if !s.isTrusted(r) {
				refuse(w, http.StatusForbidden, "not authorized")
				return
			}
			f(w, r)
		})
	}
	open("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { answer(w, []string{"/1.0"}) })
	open("GET /1.0", s.status)
	open("GET /1.0/{$}", s.status)
	open("GET /1.0/version", func(w http.ResponseWriter, _ *http.Request) { answer(w, map[string]string{"version": "1.30.1-test"}) })
	guarded("GET /1.0/events", s.listen)
	guarded("GET /1.0/operations", s.listOperations)
	guarded("GET /1.0/operations/{id}", s.getOperation)
	guarded("GET /1.0/operations/{id}/wait", s.waitOperation)
	guarded("GET /1.0/applications", s.listApplications)
	guarded("GET /1.0/applications/{id}", s.getApplication)
	guarded("GET /1.0/nodes", s.listNodes)
	guarded("GET /1.0/nodes/{name}", s.getNode)
	guarded("GET /1.0/instances", s.listInstances)
	guarded("POST /1.0/instances", s.createInstance)
	guarded("GET /1.0/instances/{id}", s.getInstance)
	guarded("PATCH /1.0/instances/{id}", s.changeInstance)
	guarded("DELETE /1.0/instances/{id}", s.deleteInstance)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusNotFound, "not found") })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		intercept := s.intercept
		s.mu.Unlock()
		if intercept == nil || !intercept(w, r) {
			mux.ServeHTTP(w, r)
		}
	})
}

// status is section 3.
func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	auth := "untrusted"
	if s.isTrusted(r) {
		auth = "trusted"
	}
	answer(w, map[string]any{
		"api_extensions": []string{"instance_support", "vm_support", "registry", "instance_exec"}, "api_status": "stable", "api_version": "1.0",
		"auth": auth, "auth_methods": []string{"2waySSL"}, "cluster_id": "c0ffee05q1fs739k2ar0", "cluster_name": "test",
	})
}
