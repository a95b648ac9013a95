package events

import (
	"strconv"
	"strings"
)

// The prefixes of a ce-type, by whose life the event is of.
const (
	typePrefix    = "streamstack.session."
	agentPrefix   = "streamstack.agent."
	accountPrefix = "streamstack.account."
	samplePrefix  = "streamstack.quality."
	webhookPrefix = "streamstack.webhook."
	settingPrefix = "streamstack.setting."
	requestPrefix = "streamstack.request."
)

// schemaPrefix and schemaSuffix surround a type in the URI of its schema. CloudEvents 1.0 wants an absolute URI; which
// gateway will serve it is not known when an event is appended, so there is no host in it, and the path is that of every
// gateway.
const (
	schemaPrefix = "streamstack:/1.0/schemas/"
	schemaSuffix = ".json"
)

// versioned adds a version to a type.
func versioned(stem string, version int) string { return stem + ".v" + strconv.Itoa(version) }

// splitType takes a type and its version apart.
func splitType(t string) (stem string, version int, ok bool) {
	i := strings.LastIndex(t, ".v")
	if i <= 0 {
		return "", 0, false
	}
	v, err := strconv.Atoi(t[i+2:])
	if err != nil || v < 1 {
		return "", 0, false
	}
	return t[:i], v, true
}

// current has the ce-type of each name, for it is asked for with every event that is read.
var current = func() map[Name]string {
	m := make(map[Name]string, len(kinds))
	for n := range kinds {
		m[n] = newestOf(typePrefix, n)
	}
	return m
}()

func newestOf(prefix string, n Name) string {
	return versioned(prefix+string(n), newest(prefix+string(n)))
}

// TypeOf is the ce-type of the newest version of a session's event.
func TypeOf(n Name) string {
	if t, ok := current[n]; ok {
		return t
	}
	return newestOf(typePrefix, n)
}

// AgentTypeOf is the ce-type of the newest version of an agent's event.
func AgentTypeOf(n Name) string { return newestOf(agentPrefix, n) }

// AccountTypeOf is the ce-type of the newest version of an account's event.
func AccountTypeOf(n Name) string { return newestOf(accountPrefix, n) }

// WebhookTypeOf is the ce-type of the newest version of a webhook's event.
func WebhookTypeOf(n Name) string { return newestOf(webhookPrefix, n) }

// SettingTypeOf is the ce-type of the newest version of a setting's event.
func SettingTypeOf(n Name) string { return newestOf(settingPrefix, n) }

// RequestTypeOf is the ce-type of the newest version of a request's event.
func RequestTypeOf(n Name) string { return newestOf(requestPrefix, n) }

// ParseType takes a ce-type apart; ok is false when it is none of a session's event.
func ParseType(t string) (n Name, version int, ok bool) {
	stem, v, ok := splitType(t)
	if !ok {
		return "", 0, false
	}
	rest, found := strings.CutPrefix(stem, typePrefix)
	if !found || rest == "" {
		return "", 0, false
	}
	return Name(rest), v, true
}

// SchemaURI is the value of ce-dataschema for a type that this program knows, and empty for others. Its path is where
// any gateway serves the schema.
func SchemaURI(ceType string) string { return schemaURIs[ceType] }

var schemaURIs = func() map[string]string {
	m := map[string]string{}
	for _, t := range Types() {
		m[t.CEType] = schemaPrefix + t.CEType + schemaSuffix
	}
	return m
}()
