// Package command is the streamer as a process of its own: the command `streamstack streamer`, which an agent's driver
// starts beside the application. It finds the display and the sound in its environment, reads its way into the log from
// its standard input, and puts GStreamer and XTEST into [streamer.Streamer].
package command
