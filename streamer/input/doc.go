// Package input plays the client's mouse, fingers, keyboard and text on an X display: keys and text through the XTEST extension, mouse and
// fingers through devices of Xorg's inputtest driver (package inputtest) where the display has them. Without them the mouse goes through
// XTEST too, and the first finger is the mouse.
//
// A Device belongs to one display. One goroutine owns its X connection; Handle and ReleaseAll hand that goroutine commands through a
// bounded queue. What the goroutine does with a message is decided by a state machine without X in it (state): it knows which keys and
// buttons are down, and so guarantees that whatever went down comes up again.
//
// Text that an input method gives is typed: a character that is on a key by that key, any other by a key that has none of its own and gets
// that character for the time being. What is still being composed is typed too, and deleted again when it changes.
//
// Keys are injected by key code: Linux' number plus 8, which is right for a server with evdev key codes. An Xorg without input devices
// starts with others (arrow keys and the like differ); `setxkbmap -rules evdev -model pc105 -layout us` sets them.
package input
