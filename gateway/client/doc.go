// Package client is a Go client of the gateway: of its REST API ([Client]) and of the local admin socket on which API
// tokens are made ([Admin]). The commands `session` and `account` are built on it, and so are the end-to-end tests.
//
// It never follows a redirect, which would take the token elsewhere, and never tries twice: what to do about an error is
// the caller's to decide.
package client
