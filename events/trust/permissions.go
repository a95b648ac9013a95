package trust

import (
	"slices"

	"github.com/nats-io/jwt/v2"

	"streamstack/events"
	"streamstack/events/bridge"
)

// What the JetStream API and its answers begin with.
const (
	api  = "$JS.API."
	acks = "$JS.ACK."
	// flow are the answers to a push consumer's flow control; the watch of a bucket is one.
	flow = "$JS.FC."
	// replies are where the server takes the answer to a request out of another account.
	replies = "_R_.>"
)

// Places in a scope's template, which the server fills in from the user's tags.
const (
	thisAgent   = "{{tag(" + tagAgent + ")}}"
	thisSession = "{{tag(" + tagSession + ")}}"
)

// permissions are the table: what the users of a scope may publish and subscribe to.
func (s scope) permissions() jwt.Permissions {
	r := string(s.region)
	switch s.role {
	case Gateway:
		return gatewayPermissions()
	case Agent:
		return allow(
			[]string{
				"sessions." + r + ".*.agent.>", "agents." + r + "." + thisAgent + ".>", heartbeat("agent", r, thisAgent),
				agentGuard(r, thisAgent) + ".>",
			},
			[]string{"live.sessions." + r + ".>", heartbeat("streamer", r, "*"), "agents." + r + "." + thisAgent + ".*", agentInbox(r, thisAgent) + ".>"},
		)
	case Streamer:
		return allow(
			slices.Concat([]string{"sessions." + r + "." + thisSession + ".streamer.>", "quality." + r + "." + thisSession, heartbeat("streamer", r, thisSession)},
				consumer(events.SessionsStream, events.SessionConsumer(thisSession)), bridge.Publishes(s.region, thisSession)),
			append([]string{"live.sessions." + r + "." + thisSession + ".>", streamerInbox(thisSession) + ".>"}, bridge.Subscribes(s.region, thisSession)...),
		)
	case Operator:
		return operatorPermissions()
	default:
		return analystPermissions(s.role)
	}
}

// gatewayPermissions: a gateway makes the streams, and checks for others what they ask of JetStream, so it has the
// whole API but what would remove streams or replace their content. It publishes as nobody but itself and its clients.
func gatewayPermissions() jwt.Permissions {
	p := allow(
		append([]string{
			"sessions.*.*.gateway.>", "sessions.*.*.client.>", "work.>", "deadlines.>", "accounts.>", "webhooks.>", "settings.>", "requests.>",
			"agents.*.*." + string(events.AgentDrain), "agents.*.*." + string(events.AgentResume),
			api + "INFO", api + "STREAM.CREATE.*", api + "STREAM.UPDATE.*", api + "STREAM.INFO.*", api + "STREAM.NAMES", api + "STREAM.LIST",
			api + "STREAM.MSG.GET.*", api + "DIRECT.GET.>", api + "CONSUMER.>", acks + ">", flow + ">",
			// Buckets of its own, for snapshots, webhooks and the archive; objects and snapshots are removed by a purge of
			// their chunks, the archive's entries from the front on.
			"$KV.>", "$O.>", api + "STREAM.PURGE." + ArchiveObjects, api + "STREAM.PURGE." + archiveEntries, api + "STREAM.PURGE.KV_" + events.SnapshotBucket,
			// The guard's own answers, which are refusals.
			roleInbox(Agent) + ".>", roleInbox(Operator) + ".>", replies,
		}, bridge.GatewayPublishes()...), // the bytes of shares
		[]string{">"},
	)
	p.Pub.Deny = jwt.StringList{"$KV." + events.HeartbeatBucket + ".>"}
	return p
}

// ArchiveObjects is the stream of the archive's files. Operators read it, in the one way that the client library reads
// objects: a push consumer, whose flow they control.
const ArchiveObjects = "OBJ_ARCHIVE"

// archiveEntries is the stream of the list of them.
const archiveEntries = "KV_ARCHIVE"

func operatorPermissions() jwt.Permissions {
	return allow(
		[]string{
			"replay.>", roleGuard(Operator) + ".>", flow + ArchiveObjects + ".>",
			api + "INFO", api + "STREAM.INFO.*", api + "STREAM.NAMES", api + "STREAM.LIST", api + "STREAM.MSG.GET.*", api + "DIRECT.GET.>",
			api + "CONSUMER.INFO.*.*", api + "CONSUMER.NAMES.*", api + "CONSUMER.LIST.*",
		},
		// Not the inboxes of others.
		[]string{
			"sessions.>", "live.>", "agents.>", "work.>", "accounts.>", "deadlines.>", "webhooks.>", "settings.>", "requests.>", "quality.>", "replay.>", "$KV.>", "$JS.EVENT.>",
			roleInbox(Operator) + ".>",
		},
	)
}

// analystPermissions are within an account in which there is nothing but what it imports (analyst.go).
func analystPermissions(r Role) jwt.Permissions {
	var pub []string
	for _, c := range analystCalls() {
		pub = append(pub, c.locals(r, "*")...)
	}
	return allow(pub, []string{roleInbox(Analytics) + ".>"})
}

// consumer is what reading through one durable consumer takes.
func consumer(stream, name string) []string {
	return []string{api + "CONSUMER.INFO." + stream + "." + name, api + "CONSUMER.MSG.NEXT." + stream + "." + name, acks + stream + "." + name + ".>"}
}

func heartbeat(kind, region, id string) string {
	return "$KV." + events.HeartbeatBucket + "." + kind + "." + region + "." + id
}

// allow makes permissions of what may be published and subscribed to; all else is refused.
func allow(publish, subscribe []string) jwt.Permissions {
	return jwt.Permissions{Pub: jwt.Permission{Allow: publish}, Sub: jwt.Permission{Allow: subscribe}}
}
