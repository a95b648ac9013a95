// Package control speaks the `control` data channel of a session: what the browser client sends (pointer, keyboard, touch,
// gamepad, input method, sensors, location) and what the streamer sends back (camera, microphone, on-screen keyboard, sensors).
//
// The format is that of spec/control-channel.md: one JSON object per text message, {"type": NAME, "data": VALUE}. From the client
// data is an object; towards the client it is a string that itself contains JSON, since the client runs a parser over it.
//
// The package knows nothing of X, of GStreamer or of WebRTC: Parse and the constructors of outgoing messages are pure functions
// and may be called from any goroutine. Everything that arrives is untrusted: values outside of the contract are refused here, so that
// the packages which act on a message find only values that the contract allows.
package control
