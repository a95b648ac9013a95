// Package bench measures whole stacks: real X servers, real encoders, a real browser; and the log on its own server beside
// what the client library does without it. `task bench` runs it.
//
// The figures are of the machine that they were taken on; compare two figures only when one run took both.
package bench
