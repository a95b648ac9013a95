// Package trust says who may do what on NATS, and makes the keys and credentials that enforce it.
//
// NATS runs in operator mode (decentralised JWT): the server knows the operator's public key and nothing of users. An
// account's JWT holds one signing key per role and region, each with a scope: a template of permissions with places for
// what a user's JWT says of itself, such as {{tag(session)}}. Whoever has such a key can make users within its scope and
// nothing wider; that is how an agent makes credentials for the streamers of its region without asking anybody.
//
//	role                   publishes                                             reads
//	gateway                sessions.*.*.gateway.>, sessions.*.*.client.>,        all
//	                       work.>, deadlines.>, accounts.>, webhooks.>,
//	                       settings.>, requests.>
//	agent of a region      sessions.<r>.*.agent.>, agents.<r>.<id>.>, its        sessions.<r>.>, work.<r>.<app>
//	                       heartbeat key
//	streamer of a session  sessions.<r>.<id>.streamer.>, quality.<r>.<id>, its   live.sessions.<r>.<id>.>, and the past
//	                       heartbeat key                                         through the durable s-<id>
//	analytics              nothing                                               lifecycle, quality and agent events,
//	                                                                             through pull consumers named an-…
//	operator               replay.>                                              all
//
// Nobody may publish on live.>: only a stream's republished message is one, and readers could not tell a forged one.
//
// # What a permission cannot say
//
// A NATS permission is about subjects, and a * stands for a whole token. Much of the JetStream API is decided by what is
// in the request's body: the filter of a Direct Get, the filters of a consumer, and where a push consumer delivers to,
// which may be any subject at all. And no pattern says "consumers named an-…". So who needs such calls does not get
// them. He may publish on guard.<role>.…, where the gateways listen (package gateway/guard), look at the body, and hand
// on to JetStream what the role allows; the answer comes from JetStream itself. The API's prefix is a setting of every
// client library, so that nothing else changes ([Identity.LogOptions]).
//
// Analysts use programs of others, hence the plain API; they are in accounts of their own, ANALYTICS and
// ANALYTICS-SDP, which import $JS.API.… from the guard. That has a second use: in the main account a request may name
// any subject for its answer, and JetStream answers there, which is a way to publish rubbish. Out of an analyst's
// account no answer can go anywhere but back.
//
// For agents, operators and analysts the guard asks for an answer's subject of their own. A streamer calls JetStream
// itself, on its own consumer alone; what it can make JetStream say on other subjects (an acknowledgement, which has no
// envelope) is quarantined by every reader, and no heartbeat. It can also learn the last sequence of a subject that it
// may not read, by an expected sequence that is wrong: a number, which the session's random id keeps apart from other
// sessions, and which the server offers no way to hide.
//
// # Keys
//
// All seeds are in one file, <data>/secrets/trust.json, mode 0600 ([Authority]). Of each signing key there are at most two: the
// newest signs, the one before is still honoured until the next rotation. [Authority.Rotate] changes the file,
// [Authority.Push] brings the accounts' new JWTs to servers that run. No connection ends by one rotation; at the second,
// those end whose credentials are two keys old, and come back with what they then find.
package trust
