// Package webhook delivers events to addresses that operators register: one POST for each event, signed, in order per
// session, again and again until it is taken.
//
// # What a receiver gets
//
// The event in CloudEvents 1.0's JSON form, as everywhere, with the headers of Standard Webhooks 1.0
// (github.com/standard-webhooks/standard-webhooks): webhook-id, the event's id and the same at each attempt;
// webhook-timestamp; webhook-signature, an HMAC-SHA256 of both and the body with the webhook's secret. [Verify] checks it.
// Any answer of 2xx within ten seconds means that the event was taken. Everything else means that it was not, and it comes
// again, with exponential back-off. An event may come twice: when its answer was lost, or the gateway that sent it died.
//
// # What is secret
//
// The secret that signs is: it is derived from the gateways' key, told once, and in no event. The address is not: it is in the
// webhook's event, for as long as that stream is, and operators see it. So one with a user, a password, or a query parameter
// that names a secret (token, api_key, signature, …) is refused. A receiver whose path is its only protection (as the incoming
// webhooks of chat services) is best put behind one that checks the signature and knows that path itself.
//
// # How nothing is lost and order is kept
//
// Each webhook has a durable consumer of SESSIONS. What was delivered is acknowledged there, so neither a restart nor
// kill -9 of all gateways loses anything while the log keeps it. The gateways share the consumer, and JetStream itself
// sees to it that one of them gets its messages at a time: it pins the first (ADR-42, "pinned client"). There is no lock
// and no election of ours. When the pinned gateway goes, another one is pinned. It delivers nothing before it has got
// everything that the one before it had not acknowledged, for what is redelivered comes after what is new; and the one
// before it, if it lives, has stopped by then (see [timing]).
//
// A session's events wait for each other in a lane, sessions do not. A lane that fails is tried later and later. When most
// of all fails, the endpoint is taken to be down: then one attempt at a time is made, with a pause that grows. When a
// session alone goes on failing while others get through, it is parked: a cursor is kept in a bucket, its events are
// acknowledged, and from then on they are read from the log, so that they do not fill the consumer's window for ever. A
// parked session that has caught up goes back to the consumer.
//
// # What it may reach
//
// See [Guard]. Redirects are not followed, proxies are not used, answers are read up to a limit.
package webhook
