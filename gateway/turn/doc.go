// Package turn lets a browser reach a streamer that it has no direct path to: it issues the time-limited credentials that
// every create and join answer carries, and it runs the embedded STUN and TURN server (RFC 8489, RFC 8656) of `up`.
//
// Credentials follow the shared-secret scheme of draft-uberti-behave-turn-rest-00, which coturn understands too: a
// deployment may put coturn in place of the embedded server and change nothing but an address.
//
// A relay is a way into the network that it stands in. It therefore forwards to allow-listed networks alone (see
// Config.PeerNetworks), and a user holds a limited number of allocations.
//
// The server is pion's; what this package adds around each of its transports is in guard.go.
package turn
