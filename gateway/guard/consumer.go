package guard

import (
	"encoding/json"

	"github.com/nats-io/nats.go/jetstream"
)

// consumerConfig is all of a consumer's configuration that the client library knows; what a body has beyond is left
// out, such as what makes a consumer one of the server's own.
type consumerConfig = jetstream.ConsumerConfig

// createRequest is the body of CONSUMER.CREATE.
type createRequest struct {
	Stream string         `json:"stream_name"`
	Config consumerConfig `json:"config"`
	Action string         `json:"action,omitempty"` // create, update, or either
}

// checkMade checks a consumer: that it is the one that the subject names, that messages are pulled from it, since a
// push consumer delivers to any subject; and then what the role says of its name and filters.
func (r rules) checkMade(stream, name string, body []byte, o *outcome) error {
	var q createRequest
	if err := json.Unmarshal(body, &q); err != nil {
		return refusal("the request is not JSON: %v", err)
	}
	c := &q.Config
	for _, n := range []string{c.Name, c.Durable} {
		if n != "" && n != name {
			return refusal("the subject names consumer %s, the request %s", name, n)
		}
	}
	switch {
	case q.Stream != stream:
		return refusal("the subject names stream %s, the request %s", stream, q.Stream)
	case r.pushed != nil && c.DeliverGroup == "" && r.pushed(stream, c.DeliverSubject):
	case c.DeliverSubject != "" || c.DeliverGroup != "" || c.FlowControl || c.IdleHeartbeat != 0:
		return refusal("consumer %s would push: make a pull consumer", name)
	}
	c.Name = name
	if c.FilterSubject != "" {
		c.FilterSubjects = append(c.FilterSubjects, c.FilterSubject)
		c.FilterSubject = ""
	}
	var err error
	if o.session, err = r.made(stream, c); err != nil {
		return err
	}
	o.subject = apiPrefix + "CONSUMER.CREATE." + stream + "." + name
	return write(q, o)
}
