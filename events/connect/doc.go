// Package connect is how a command finds a stack that runs, and how a component reaches NATS.
//
// A running `streamstack up` writes its addresses and a token into DIR/endpoints.json ([Endpoints]); every other command
// finds them through the flag --data, or is told where to go by --nats and --creds ([NATSFlags], [Open]). Components
// connect with [Dial], so that all of them reconnect, time out and log alike.
//
// The small means that all commands share (names of environment variables, wrong usage, exit statuses) are here too.
package connect
