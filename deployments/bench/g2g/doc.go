// Package g2g measures from glass to glass: how old a picture is when a browser shows it, how smooth the pictures are, how
// long an input takes until it is seen, and what all that costs.
//
// The application is clockcode, which paints the wall clock into its picture. The browser is a real Chromium on the same
// machine, so that both ends read the same clock. [Watch] starts a session and opens it in the console; [Viewer.Start] and
// [Viewer.Stop] record what is shown in between, [Viewer.Press] makes inputs, and a [Recording] has the figures.
//
// # Why the figures can be trusted
//
// The time is taken just before the one X request that paints it, and read from the luma of the decoded frame, with a check
// byte and a margin between black and white: a torn or blurred frame is invalid and not fast. The time of the frame is
// taken in requestVideoFrameCallback before anything is read. clockcode paints 61 frames a second: two clocks of 60 would
// keep the phase that they started with, and the result would be off by up to a frame for the whole run.
//
// They leave out what comes after the callback (7 to 9 ms with a compositor in software, measured from outside), and they
// are for a loopback and a browser without a GPU: they compare streamers, and do not predict what somebody far away sees.
package g2g
