// Package bench measures whole stacks: real X servers, real encoders, a real browser. `task bench` runs it.
//
// The figures are of the machine that they were taken on; compare two figures only when one run took both.
package bench
