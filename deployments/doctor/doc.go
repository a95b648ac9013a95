// Package doctor is `streamstack doctor`: what this machine can do, with the reason for every "no".
//
// Each finding comes from the code that depends on it where there is such code (the probe of the encoders, the driver's own list of
// what it needs, the client of NATS), so that the doctor and the stack cannot differ. What is required for a session to work and is
// not there makes the exit status 1; a GPU that is missing does not, for software encodes too.
package doctor
