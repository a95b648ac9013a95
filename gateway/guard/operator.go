package guard

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"streamstack/events/trust"
)

// sandboxes are the subjects into which operators replay.
const sandboxes = "replay."

// reads are the calls that change nothing; operators read everything.
var reads = []string{"STREAM.INFO.", "STREAM.MSG.GET.", "DIRECT.GET.", "CONSUMER.INFO.", "CONSUMER.NAMES.", "CONSUMER.LIST."}

// operatorRules: reads everything through consumers that nobody else has, and replays into sandboxes. Objects of the
// archive come through consumers that the client library names as it likes, and that push, to the asker's inbox alone.
func operatorRules(a asker) rules {
	named := func(stream, name string) error {
		if stream != trust.ArchiveObjects && !strings.HasPrefix(name, trust.OperatorConsumers) {
			return refusal("name the consumer %s…, not %s", trust.OperatorConsumers, name)
		}
		return nil
	}
	return rules{
		open: func(call string) bool {
			return call == "INFO" || call == "STREAM.NAMES" || call == "STREAM.LIST" ||
				slices.ContainsFunc(reads, func(p string) bool { return strings.HasPrefix(call, p) })
		},
		used: named,
		kept: func(stream, name string) (string, error) { return "", named(stream, name) },
		made: func(stream string, c *consumerConfig) (string, error) {
			if c.Durable != "" {
				return "", refusal("consumer %s would stay for ever: make it without a durable name", c.Name)
			}
			return "", named(stream, c.Name)
		},
		pushed: func(stream, to string) bool {
			return stream == trust.ArchiveObjects && strings.HasPrefix(to, a.Inbox()+".")
		},
		stream: sandbox,
	}
}

// streamConfig is all of a stream's configuration that the client library knows.
type streamConfig = jetstream.StreamConfig

// sandbox checks a stream into which an operator wants to replay: one that holds what is published on replay.… and
// nothing of other streams, and sends nothing on.
func sandbox(c *streamConfig) error {
	for _, s := range c.Subjects {
		if !strings.HasPrefix(s, sandboxes) {
			return refusal("a sandbox takes subjects under %s>, not %s", sandboxes, s)
		}
	}
	switch {
	case len(c.Subjects) == 0:
		return refusal("a sandbox needs a subject under %s>", sandboxes)
	case c.Mirror != nil || len(c.Sources) > 0 || c.RePublish != nil || c.SubjectTransform != nil || c.AllowMsgSchedules:
		return refusal("a sandbox neither takes from other streams nor sends on")
	}
	return nil
}

func (r rules) checkStream(name string, body []byte, o *outcome) error {
	var c streamConfig
	if err := json.Unmarshal(body, &c); err != nil {
		return refusal("the request is not JSON: %v", err)
	}
	if c.Name != name {
		return refusal("the subject names stream %s, the request %s", name, c.Name)
	}
	if err := r.stream(&c); err != nil {
		return err
	}
	return write(c, o)
}
