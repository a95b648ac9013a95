// Package instanceapi is the HTTP API of an instance, for programs inside it: HTTP/1.1 on a Unix socket (streamer-config.md, sections 7
// and 9). An application or an add-on asks there whether somebody is watching, bounds the bitrate of the stream, has an RTC event log
// written, and Prometheus scrapes the stream's metrics.
//
//	GET    /1.0/platform                             the settings with their values
//	PATCH  /1.0/platform {"config":{NAME: VALUE}}    change some, all or none
//	DELETE /1.0/platform {"configs":[NAME]}          back to their defaults
//	GET    /1.0/metrics                              Prometheus' text format
//
// Answers are the contract's envelopes; what is wrong with a request is a 400 that says what to do, what this machine cannot do a 500, and
// every other path a 404. (The original's same API has more: location, sensors, camera and so on, which compete with the client. Here
// sensors and location have a socket of their own, package sensors, and the rest does not exist outside Android.)
//
// # Who may
//
// Whoever may open the socket: the instance's own user. There is nothing secret behind it, and nothing that another session would feel.
// What a caller can take up is bounded all the same: connections, sizes and times.
package instanceapi
