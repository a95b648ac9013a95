// Package token makes and checks the gateway's credentials: API tokens of accounts, tokens for one role's socket of one
// session, and tokens of shares.
//
// They are macaroons (Birgisson et al., "Macaroons: Cookies with Contextual Caveats for
// Decentralized Authorization in the Cloud", NDSS 2014) in the v2 binary format, in unpadded URL-safe base64 (RFC 4648, section 5). A macaroon's holder can
// add caveats and so narrow what it is good for, but cannot take one away; a caveat that this package does not know
// makes the token invalid, so that a token narrowed by a later version is never taken for a wider one.
//
// All kinds are signed with keys of their own, derived from the root key, so that one is never taken for another.
//
// A token proves what was issued, not that it still stands: the caller compares Claims.ID with what the accounts
// projection knows, SocketClaims.Peer with the session's current negotiation, and ShareClaims.Share with its shares.
package token
