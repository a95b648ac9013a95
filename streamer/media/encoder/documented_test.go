package encoder

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// documented is what is known of GStreamer's elements; see testdata/README.md.
type documented struct {
	Absent struct {
		Elements   []string            `json:"elements"`
		Properties map[string][]string `json:"properties"`
		Values     map[string][]string `json:"values"`
		Only       []string            `json:"in_1.22.0_but_not_in_cache"`
	} `json:"absent_in_1.22.0"`
	Enums    map[string]map[string]string `json:"enums"`
	Elements map[string]element           `json:"elements"`
}

type element struct {
	Plugin     string              `json:"plugin"`
	Sink       []string            `json:"sink_caps"`
	Src        []string            `json:"src_caps"`
	Properties map[string]property `json:"properties"`
}

type property struct {
	Type        string          `json:"type"`
	Min         json.RawMessage `json:"min"`
	Max         json.RawMessage `json:"max"`
	Values      []string        `json:"values"`
	Mutable     bool            `json:"mutable"`
	Conditional bool            `json:"conditional"`
	Writable    *bool           `json:"writable"`
	Construct   bool            `json:"construct_only"`
	Unit        string          `json:"unit"`
}

func load(t testing.TB) documented {
	t.Helper()
	var all documented
	for _, file := range []string{"testdata/gst-hw-encoders.json", "testdata/gst-other-elements.json"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &all), file) // maps are added to
	}
	return all
}

// element finds an element. Those of 1.22 that later versions call otherwise are the later ones without what 1.22 lacks.
func (d documented) element(name string) (element, error) {
	if e, ok := d.Elements[name]; ok {
		return e, nil
	}
	if !slices.Contains(d.Absent.Only, name) {
		return element{}, fmt.Errorf("no element %s is documented", name)
	}
	later := d.Elements[strings.Replace(name, "nvcuda", "nv", 1)]
	e := element{Plugin: later.Plugin, Sink: later.Sink, Src: later.Src, Properties: map[string]property{}}
	for name, p := range later.Properties {
		absent := d.Absent.Values[p.Type]
		p.Values = slices.DeleteFunc(slices.Clone(p.Values), func(v string) bool { return slices.Contains(absent, v) })
		if !slices.Contains(d.Absent.Properties[e.Plugin], name) {
			e.Properties[name] = p
		}
	}
	return e, nil
}

// check compares one property of a row, its placeholders replaced, with what is documented.
func (d documented) check(elementName string, p Property) error {
	e, err := d.element(elementName)
	if err != nil {
		return err
	}
	known, ok := e.Properties[p.Name]
	switch {
	case !ok:
		return fmt.Errorf("%s has no property %s", elementName, p.Name)
	case known.Writable != nil && !*known.Writable, known.Construct:
		return fmt.Errorf("%s.%s cannot be set", elementName, p.Name)
	case known.Conditional && !p.Optional && p.Name != "rate-control":
		// The values of rate-control are those of a driver; without the one wanted the encoder is of no use, and its probe says so.
		return fmt.Errorf("%s.%s is not there on every machine: make it optional", elementName, p.Name)
	}
	return d.checkValue(known, elementName+"."+p.Name, p.Value)
}

func (d documented) checkValue(known property, name, value string) error {
	switch known.Type {
	case "gboolean":
		if value != "true" && value != "false" {
			return fmt.Errorf("%s=%s is no boolean", name, value)
		}
		return nil
	case "gint", "guint", "gint64", "guint64":
		v, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return fmt.Errorf("%s=%s is no integer", name, value)
		}
		low, errLow := strconv.ParseInt(string(known.Min), 10, 64)
		high, errHigh := strconv.ParseInt(string(known.Max), 10, 64)
		if errLow != nil || errHigh != nil || v < low || v > high {
			return fmt.Errorf("%s=%s is not between %s and %s", name, value, known.Min, known.Max)
		}
		return nil
	case "GstStructure":
		if !regexp.MustCompile(`^[a-z]+(,[a-z0-9_]+=[0-9]+)+$`).MatchString(value) {
			return fmt.Errorf("%s=%s is no structure of numbers", name, value)
		}
		return nil
	}
	if !slices.Contains(d.values(known), value) {
		return fmt.Errorf("%s=%s is none of %s %v", name, value, known.Type, known.Values)
	}
	return nil
}

// rateControlOfDriver is an enumeration whose values depend on the GPU: codec, entry point and device are in its name.
var rateControlOfDriver = regexp.MustCompile(`^GstVaEncoderRateControl_([A-Z0-9]+)(_LP)?_renderD128$`)

// values lists an enumeration. The machine of the documentation could do less with its low-power encoder than with the other.
func (d documented) values(known property) []string {
	values := known.Values
	if m := rateControlOfDriver.FindStringSubmatch(known.Type); m != nil && m[2] != "" {
		for nick := range d.Enums[strings.Replace(known.Type, "_LP", "", 1)] {
			values = append(values, nick)
		}
	}
	return values
}

// caps are one alternative of a pad, as `video/x-raw(memory:VAMemory) {NV12,I420} 16-8192 x 16-8192`.
var caps = regexp.MustCompile(`^(video/[\w-]+)(\(memory:\w+\))?(?: \{([\w,]+)\})?`)

// carries tells whether pads of such a kind can carry what the row demands between two elements.
func carries(pad []string, want string) bool {
	kind, fields, _ := strings.Cut(want, ",")
	_, format, _ := strings.Cut(fields, "format=")
	if !strings.HasPrefix(kind, "video/x-raw") {
		format = ""
	}
	for _, alternative := range pad {
		m := caps.FindStringSubmatch(alternative)
		if m != nil && m[1]+m[2] == kind && (format == "" || m[3] == "" || slices.Contains(strings.Split(m[3], ","), format)) {
			return true
		}
	}
	return false
}
