package media

/*
#cgo pkg-config: x11
#cgo LDFLAGS: -ldl
extern void media_guard_xlib(void);
*/
import "C"

import (
	"fmt"
	"strings"
	"sync"
)

// Xlib's default is to end the process when a display goes away or refuses a request. Here the session must end and the process
// go on, so xlib.c puts handlers in their place that tell the captures of that display. ximagesrc itself does not notice: it would
// deliver the last picture for ever.

func guardXlib() { C.media_guard_xlib() }

// watchers are the captures to be told, by display. Package state, as Xlib's handlers are state of the process.
var watchers = struct {
	sync.Mutex
	next int
	by   map[string]map[int]func(error)
}{by: map[string]map[int]func(error){}}

// watchDisplay has lost called, possibly more than once and from any thread, when the named display breaks. The returned function
// ends that; lost must not block.
func watchDisplay(name string, lost func(error)) (unwatch func()) {
	key := displayKey(name)
	watchers.Lock()
	defer watchers.Unlock()
	watchers.next++
	id := watchers.next
	if watchers.by[key] == nil {
		watchers.by[key] = map[int]func(error){}
	}
	watchers.by[key][id] = lost
	return func() {
		watchers.Lock()
		defer watchers.Unlock()
		delete(watchers.by[key], id)
		if len(watchers.by[key]) == 0 {
			delete(watchers.by, key)
		}
	}
}

func tellWatchers(display string, err error) {
	watchers.Lock()
	defer watchers.Unlock()
	for _, lost := range watchers.by[displayKey(display)] {
		lost(err)
	}
}

// displayKey drops the screen of a display name, because Xlib reports ":5" as ":5.0".
func displayKey(name string) string {
	host, number, found := cutLast(name, ":")
	if !found {
		return name
	}
	number, _, _ = strings.Cut(number, ".")
	return host + ":" + number
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

//export mediaDisplayGone
func mediaDisplayGone(display *C.char) {
	name := C.GoString(display)
	tellWatchers(name, fmt.Errorf("%w: the connection to %s broke", ErrDisplayLost, name))
}

//export mediaRequestRefused
func mediaRequestRefused(display *C.char, code, request C.uchar) {
	name := C.GoString(display)
	tellWatchers(name, fmt.Errorf("%w: %s refused request %d with error %d (did its size change? close the capture before resizing)",
		ErrDisplayLost, name, int(request), int(code)))
}
