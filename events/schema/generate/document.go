package main

// The parts of an AsyncAPI 3.0 document that this one has (https://www.asyncapi.com/docs/reference/specification/v3.0.0).

// object is a JSON object of which only this program knows the members.
type object = map[string]any

type document struct {
	AsyncAPI    string               `json:"asyncapi"`
	Info        info                 `json:"info"`
	ContentType string               `json:"defaultContentType"`
	Servers     map[string]server    `json:"servers"`
	Channels    map[string]channel   `json:"channels"`
	Operations  map[string]operation `json:"operations"`
	Components  components           `json:"components"`
}

type info struct {
	Title       string `json:"title"`
	Version     string `json:"version"`
	Description string `json:"description"`
}

type server struct {
	Host        string `json:"host"`
	Protocol    string `json:"protocol"`
	Description string `json:"description"`
	// Variables are what {…} stands for in the host.
	Variables map[string]variable `json:"variables"`
}

type variable struct {
	Default     string `json:"default"`
	Description string `json:"description"`
}

type channel struct {
	Address     string               `json:"address"`
	Title       string               `json:"title"`
	Description string               `json:"description"`
	Parameters  map[string]parameter `json:"parameters"`
	Messages    map[string]reference `json:"messages"`
	// Stream is JetStream's, empty where a channel's messages are not stored.
	Stream string `json:"x-jetstream-stream,omitempty"`
}

type parameter struct {
	Description string   `json:"description"`
	Enum        []string `json:"enum,omitempty"`
}

type operation struct {
	Action      string      `json:"action"`
	Channel     reference   `json:"channel"`
	Title       string      `json:"title"`
	Description string      `json:"description"`
	Messages    []reference `json:"messages"`
}

type reference struct {
	Ref string `json:"$ref"`
}

type components struct {
	Messages map[string]message `json:"messages"`
	Traits   map[string]trait   `json:"messageTraits"`
}

type message struct {
	Name        string      `json:"name"`
	Title       string      `json:"title"`
	Summary     string      `json:"summary,omitempty"`
	ContentType string      `json:"contentType,omitempty"`
	Traits      []reference `json:"traits,omitempty"`
	Headers     object      `json:"headers,omitempty"`
	Payload     any         `json:"payload,omitempty"`
	// Subjects take in this message, and nothing else, as filters of a consumer.
	Subjects []string `json:"x-nats-subjects,omitempty"`
}

type trait struct {
	Headers object `json:"headers"`
}

// payload refers to one of the schemas beside the document.
type payload struct {
	Format string    `json:"schemaFormat"`
	Schema reference `json:"schema"`
}
