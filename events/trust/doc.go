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
// Where this says more than the design's table, it is for what the table's roles are asked to do elsewhere in it:
//
//   - An agent is told to drain, and to take work again, by events of the agents' stream: agents.<r>.<id>.drain and .resume are a
//     gateway's to append (a person asks, through REST), and an agent's own, for SIGTERM. It hears its own orders live, and reads
//     its own subjects of AGENTS at its start, for an order given while it was away; no other agent's.
//   - An agent hears the heartbeats of its region's streamers. A streamer that hangs is a process that lives: nothing but its
//     silence tells, and whoever has to end it should not need a gateway to say so.
//   - Credentials of streamers are short, and renewed while a session lives. They go over the connections that both have, on
//     renew.<r>.<session>: the agents of a region publish there, and only this session's streamer subscribes. It is core NATS;
//     no stream has that subject, so no credential comes into a log.
//   - The bytes of a share (`adb`) run between a gateway and the streamer, on subjects with the session in them that no stream
//     has either (package events/bridge).
//   - Gateways append registered webhooks, settings and the requests that idempotency keys name, in streams of their own, as
//     they do accounts.
//
// deployments/nats/testdata/table.txt has them all, for each role, and what the others may not; its test asks a server.
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
// # What a hostile streamer can still do
//
// Where a program has broken out of an instance it has the streamer's credentials, and can append to its session what it
// likes: not as anybody else, not elsewhere, no message longer than the stream takes (twice [events.MaxData]), and only
// until its credentials end. But as many as it likes, and as lifecycle events, which stay for the whole retention: it can
// fill the log's disk, and the server's memory with subjects of its own invention. JetStream has no limit by session or by
// user: a stream's limit by subject ends nothing where subjects can be invented, and the limits of an account and of a stream
// end everybody's appends. What there is: readers page and bound what they hold, `verify` reports such events, an alarm on
// the size of the stream shows it, and deleting the session ends the instance. A hard limit would be a gateway between each
// streamer and the log, which is what this design is without.
//
// # Keys
//
// All seeds are in one file, <data>/secrets/trust.json, mode 0600 ([Authority]). Of each signing key there are at most two: the
// newest signs, the one before is still honoured until the next rotation. [Authority.Rotate] changes the file,
// [Authority.Push] brings the accounts' new JWTs to servers that run. No connection ends by one rotation; at the second,
// those end whose credentials are two keys old, and come back with what they then find.
package trust
