package events

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// texts are the corners of the grammar; validJSON must agree with encoding/json on each, and on all their prefixes.
var texts = []string{
	``, ` `, `{}`, `[]`, ` { } `, `[ ]`, `null`, `true`, `false`, `nul`, `truefalse`, `{}{}`, `[1,2,]`, `[,1]`, `{"a":1,}`, `{"a"}`, `{a:1}`, `{"a":}`,
	`0`, `-0`, `-`, `01`, `1.`, `.5`, `1.5`, `1e5`, `1E+5`, `1e-`, `1e`, `-1.25e-10`, `+1`, `0x1`, `NaN`,
	`""`, `"a`, `"\u00e9"`, `"\u00g0"`, `"\x"`, `"\`, `"\"`, `"\\"`, `"tab	"`, "\"\x7f\"", "\"\xff\xfe\"", `"/\/\b\f\n\r\t"`,
	`{"peer":"p","sdp":"v=0\r\no=- 46 2 IN IP4 127.0.0.1\r\na=fmtp:102 level-asymmetry-allowed=1\r\n"}`,
	`{"a":[{"b":null},[[]],"x",-1.5e+7,true],"a":false}`, "\ufeff{}", "{}\x00", "\v{}",
	strings.Repeat("[", 5) + strings.Repeat("]", 5), `"12345678` + "\x1f" + `"`, `"1234567é8"`, "\"1234567!\x21\x22",
}

func TestValidJSONAgreesWithTheStandardLibrary(t *testing.T) {
	for _, text := range texts {
		for n := range len(text) + 1 {
			if got, want := validJSON([]byte(text[:n])), json.Valid([]byte(text[:n])); got != want {
				t.Errorf("%q: %v, encoding/json says %v", text[:n], got, want)
			}
		}
	}
	for _, depth := range []int{maxNesting - 1, maxNesting, maxNesting + 1} {
		text := []byte(strings.Repeat(`{"a":[`, depth/2) + "0" + strings.Repeat(`]}`, depth/2))
		if got, want := validJSON(text), json.Valid(text); got != want {
			t.Errorf("nested %d deep: %v, encoding/json says %v", depth, got, want)
		}
	}
}

// Eight bytes at once: each byte value at each place of a word, beside the three that matter.
func TestValidJSONSeesEveryByteOfAString(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.SliceOfN(rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte("\"\\\x1f\x20\x21\x22\x23\x5b\x5c\x5d\x80\xa2\xdc"))), 0, 40).Draw(t, "body")
		text := append(append([]byte{'"'}, body...), '"')
		if got, want := validJSON(text), json.Valid(text); got != want {
			t.Fatalf("%q: %v, encoding/json says %v", text, got, want)
		}
	})
}

func FuzzValidJSON(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, want := validJSON(text), json.Valid(text); got != want {
			t.Fatalf("%q: %v, encoding/json says %v", text, got, want)
		}
	})
}

func BenchmarkValidJSON(b *testing.B) {
	text, err := json.Marshal(SDPData{Peer: "p", SDP: strings.Repeat("a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1\r\n", 60)})
	if err != nil {
		b.Fatal(err)
	}
	for name, valid := range map[string]func([]byte) bool{"ours": validJSON, "encoding/json": json.Valid} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				valid(text)
			}
		})
	}
}
