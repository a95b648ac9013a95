package gateway

import (
	"os"
	"runtime/debug"
	"sync"
)

// When many sockets wait, nearly all of the process's memory is theirs, and Go's collector lets as much garbage grow beside
// it as there is in use (GOGC=100). A socket that waits makes next to none, so collecting it sooner costs little: from
// manySockets on a third of that is let grow. Who sets GOGC or GOMEMLIMIT has thought
// about it, and nothing is changed.
const (
	manySockets   = 2000
	fewSockets    = 1000 // and the usual setting comes back: between the two nothing changes to and fro
	thriftPercent = 30
)

// collector is the one of the process: its gateways' sockets are counted together.
var collector thrift

// thrift is how a collector is told. Its zero value is ready.
type thrift struct {
	mu   sync.Mutex
	open int
	// usual is the setting that comes back.
	usual int
	on    bool
}

func (t *thrift) opened() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open++; t.open < manySockets || t.on || os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	t.on, t.usual = true, debug.SetGCPercent(thriftPercent)
}

func (t *thrift) closed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open--; t.open >= fewSockets || !t.on {
		return
	}
	t.on = false
	debug.SetGCPercent(t.usual)
}
