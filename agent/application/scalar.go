package application

import (
	"fmt"
	"math"
	"regexp"
	"strconv"

	"github.com/goccy/go-yaml/ast"
)

// scalar is the text of a plain value as it was written; numbers and booleans count, so that `env: {DEBUG: 1}` works.
func scalar(node ast.Node) (string, bool) {
	switch v := node.(type) {
	case *ast.StringNode:
		return v.Value, true
	case *ast.LiteralNode:
		return v.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return v.GetToken().Value, true
	}
	return "", false
}

// describe says what stands where something else should.
func describe(node ast.Node) string {
	if text, ok := scalar(node); ok {
		if len(text) > 60 {
			text = text[:60] + "…"
		}
		return strconv.Quote(text)
	}
	switch node.(type) {
	case nil, *ast.NullNode:
		return "nothing"
	case ast.MapNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	}
	return "a YAML " + node.Type().String()
}

// wholeNumber reads a number from 1 to highest.
func wholeNumber(highest int) func(ast.Node, string) (int, error) {
	return func(node ast.Node, field string) (int, error) {
		wrong := refuse(node, field, "must be a whole number from 1 to %d, not %s", highest, describe(node))
		if _, ok := node.(*ast.IntegerNode); !ok {
			return 0, wrong
		}
		n, err := strconv.Atoi(node.GetToken().Value)
		if err != nil || n < 1 || n > highest {
			return 0, wrong
		}
		return n, nil
	}
}

func readBool(node ast.Node, field string) (bool, error) {
	b, ok := node.(*ast.BoolNode)
	if !ok {
		return false, refuse(node, field, "must be true or false, not %s", describe(node))
	}
	return b.Value, nil
}

// maxCPUs is past any machine; it catches a slip of the pen.
const maxCPUs = 4096

func readCPUs(node ast.Node, field string) (float64, error) {
	text, _ := scalar(node)
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n > 0 && n <= maxCPUs) { // also refuses NaN
		return 0, refuse(node, field, "must be a number of cores above 0 and at most %d, such as 1.5, not %s", maxCPUs, describe(node))
	}
	return n, nil
}

var (
	memoryPattern = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)([KMGT]i?B?|B)?$`)
	// units follow IEC 80000-13: KiB and K are 1024 as in Docker and Kubernetes manifests' Ki, KB is 1000.
	units = map[string]float64{
		"": 1, "B": 1,
		"K": 1 << 10, "Ki": 1 << 10, "KiB": 1 << 10, "KB": 1e3,
		"M": 1 << 20, "Mi": 1 << 20, "MiB": 1 << 20, "MB": 1e6,
		"G": 1 << 30, "Gi": 1 << 30, "GiB": 1 << 30, "GB": 1e9,
		"T": 1 << 40, "Ti": 1 << 40, "TiB": 1 << 40, "TB": 1e12,
	}
)

// minMemory is less than any X application needs to start; a limit below it is a forgotten unit.
const minMemory = 1 << 20

// ParseMemory reads a quantity of memory such as 1GiB, 512M or 1.5GB, in bytes.
func ParseMemory(text string) (int64, error) {
	m := memoryPattern.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("must be a quantity such as 512MiB or 1GiB, not %q", text)
	}
	n, err := strconv.ParseFloat(m[1], 64)
	bytes := n * units[m[2]]
	if err != nil || bytes < minMemory || bytes >= math.MaxInt64 {
		return 0, fmt.Errorf("must be a quantity of at least 1MiB, such as 512MiB or 1GiB, not %q", text)
	}
	return int64(bytes), nil
}

func readMemory(node ast.Node, field string) (int64, error) {
	text, ok := scalar(node)
	if !ok {
		return 0, refuse(node, field, "must be a quantity such as 512MiB or 1GiB, not %s", describe(node))
	}
	n, err := ParseMemory(text)
	if err != nil {
		return 0, refuse(node, field, "%v", err)
	}
	return n, nil
}
