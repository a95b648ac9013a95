package timeline

import (
	"strings"

	"streamstack/events"
)

// kindOrder is the order in which kinds of candidates are listed (RFC 8445, section 5.1.1; the last two are ours: the
// end of candidates of RFC 8838, and whatever does not parse).
var kindOrder = []string{"host", "srflx", "prflx", "relay", "end", "unknown"}

// candidateKind reads the kind from a candidate-attribute (RFC 8839, section 5.1), with or without "a=". It is one of
// kindOrder; an empty line is the end of candidates.
func candidateKind(line string) string {
	line = strings.TrimPrefix(strings.TrimSpace(line), "a=")
	if line == "" || line == "end-of-candidates" {
		return "end"
	}
	// candidate:foundation component transport priority address port typ KIND …
	fields := strings.Fields(strings.TrimPrefix(line, "candidate:"))
	if len(fields) < 8 || fields[6] != "typ" {
		return "unknown"
	}
	for _, k := range kindOrder[:4] {
		if fields[7] == k {
			return k
		}
	}
	return "unknown"
}

// kinds counts candidates by kind.
type kinds map[string]int

func (k kinds) add(e events.Event) {
	var d events.CandidateData
	if e.Decode(&d) != nil {
		k["unknown"]++
		return
	}
	k[candidateKind(d.Candidate)]++
}

// addSDP counts the candidates that a description carries.
func (k kinds) addSDP(sdp string) {
	for line := range strings.Lines(sdp) {
		if strings.HasPrefix(line, "a=candidate:") {
			k[candidateKind(line)]++
		}
	}
}

// usable is how many candidates one could connect to.
func (k kinds) usable() int { return k["host"] + k["srflx"] + k["prflx"] + k["relay"] }

// String lists the counts.
func (k kinds) String() string {
	var parts []string
	for _, kind := range kindOrder {
		switch n := k[kind]; {
		case n == 0:
		case kind == "end":
			parts = append(parts, "end of candidates")
		default:
			parts = append(parts, itoa(n)+" "+kind)
		}
	}
	if parts == nil {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// triedText lists the candidate pairs that were tried; empty where nothing is known of them.
func triedText(list []events.TriedData) string {
	total := 0
	var parts []string
	for _, p := range list {
		total += p.Count
		text := itoa(p.Count) + " " + or(p.Local, "?") + "↔" + or(p.Remote, "?") + " " + p.Protocol
		if p.Answered > 0 {
			text += " (" + itoa(p.Answered) + " answered)"
		}
		parts = append(parts, text)
	}
	if total == 0 {
		return ""
	}
	return plural(total, "pair") + " tried: " + strings.Join(parts, ", ")
}
