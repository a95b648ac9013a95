// Package testcard is the built-in application `testcard`: a picture that moves all the time, shows what input it got, and can be read
// by a program. People look at it to check their set-up, tests and benchmarks measure with it.
//
// It is a plain X client: one window over the whole screen, which follows the screen's size and takes the keyboard's focus, since no
// window manager runs. Everything is drawn into a pixmap and reaches the window in a single request, so that a captured frame is never
// half of one and half of the next. A 440 Hz tone goes to PulseAudio through pacat.
//
// What is where, and in which colour, is known without a display: Layout, KeyColour, ClickColour, and Code.Decode for the numbers that
// each frame carries as black and white blocks.
package testcard
