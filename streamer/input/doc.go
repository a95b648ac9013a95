// Package input plays the client's mouse and keyboard on an X display, through the XTEST extension.
//
// A Device belongs to one display. One goroutine owns its X connection; Handle and ReleaseAll hand that goroutine commands through a
// bounded queue. What the goroutine does with a message is decided by a state machine without X in it (state): it knows which keys and
// buttons are down, and so guarantees that whatever went down comes up again.
//
// Keys are injected by key code: Linux' number plus 8, which is right for a server with evdev key codes. An Xorg without input devices
// starts with others (arrow keys and the like differ); `setxkbmap -rules evdev -model pc105 -layout us` sets them.
package input
