// Xlib ends the process when a display connection breaks or a request is refused. See xlib.go for why and how that is changed.

#define _GNU_SOURCE
#include <X11/Xlib.h>
#include <dlfcn.h>

#include "_cgo_export.h"

// Replaces Xlib's exit(3). Runs in the thread that used the display; the Xlib call then returns as failed.
static void display_gone(Display *display, void *unused) {
	// Xlib takes the lock of XLockDisplay for the thread that it expects to end the process, and no other thread could close the
	// connection. Without a lock held this does nothing.
	XUnlockDisplay(display);
	mediaDisplayGone(XDisplayString(display));
}

// Replaces Xlib's message on standard error; the exit handler above runs after it.
static int io_error(Display *display) { return 0; }

// Replaces Xlib's message and exit(3) for requests that the server refused, such as reading outside a screen that has shrunk.
static int protocol_error(Display *display, XErrorEvent *event) {
	mediaRequestRefused(XDisplayString(display), event->error_code, event->request_code);
	return 0;
}

// XOpenDisplay stands before libX11's in the order of symbol look-up, so that every connection gets the exit handler at birth.
// Xlib has no such setting for the process, and ximagesrc does not show its Display.
Display *XOpenDisplay(const char *name) {
	Display *(*open)(const char *) = (Display * (*)(const char *)) dlsym(RTLD_NEXT, "XOpenDisplay");
	Display *display = open == NULL ? NULL : open(name);
	if (display != NULL) {
		XSetIOErrorExitHandler(display, display_gone, NULL);
	}
	return display;
}

void media_guard_xlib(void) {
	XSetIOErrorHandler(io_error);
	XSetErrorHandler(protocol_error);
}
