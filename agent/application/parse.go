package application

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// fieldError is one refusal: where, which field, why.
type fieldError struct {
	line  int
	field string
	why   string
}

func (e *fieldError) Error() string { return fmt.Sprintf("%d: %s: %s", e.line, e.field, e.why) }

func refuse(node ast.Node, field, format string, args ...any) error {
	return &fieldError{lineOf(node), field, fmt.Sprintf(format, args...)}
}

// lineOf is the line a value starts on. A block mapping's own token is its first colon, which is on the same line.
func lineOf(node ast.Node) int {
	if node == nil || node.GetToken() == nil {
		return 1
	}
	return node.GetToken().Position.Line
}

// Parse reads the documents of one file, shown by that name in errors. It accepts exactly the fields of spec/cli.md, and adb.
func Parse(file string, content []byte) ([]Application, error) {
	found, err := parse(file, content)
	if err != nil {
		return nil, err
	}
	applications := make([]Application, len(found))
	for i, a := range found {
		applications[i] = a.Application
	}
	return applications, nil
}

func parse(file string, content []byte) ([]located, error) {
	tree, err := parser.ParseBytes(content, 0)
	if err != nil {
		line, message := 1, err.Error()
		if at := yaml.Error(nil); errors.As(err, &at) {
			message = at.GetMessage()
			if token := at.GetToken(); token != nil && token.Position != nil {
				line = token.Position.Line
			}
		}
		message, _, _ = strings.Cut(message, "\n")
		return nil, fmt.Errorf("application: %s:%d: not YAML: %s", file, line, message)
	}
	var found []located
	for _, document := range tree.Docs {
		if isEmpty(document.Body) {
			continue
		}
		a, err := decode(document.Body)
		if err != nil {
			return nil, fmt.Errorf("application: %s:%w", file, err)
		}
		found = append(found, located{a, file, lineOf(document.Body)})
	}
	return found, nil
}

// isEmpty is true for a document without content, such as what stands before a leading "---".
func isEmpty(body ast.Node) bool {
	switch body.(type) {
	case nil, *ast.NullNode, *ast.CommentGroupNode:
		return true
	}
	return false
}

// decode reads one document.
func decode(body ast.Node) (Application, error) {
	a := Application{Version: 1, Screen: defaultScreen, Audio: true}
	seen, err := eachField(body, "", map[string]func(ast.Node, string) error{
		"name":    into(&a.Name, readName),
		"version": into(&a.Version, wholeNumber(maxVersion)),
		"command": into(&a.Command, readCommand),
		"env":     into(&a.Env, readEnv),
		"screen":  into(&a.Screen, readScreen),
		"audio":   into(&a.Audio, readBool),
		"limits":  into(&a.Limits, readLimits),
		"adb":     into(&a.ADB, readADB),
	})
	if err != nil {
		return a, err
	}
	for _, required := range []string{"name", "command"} {
		if !slices.Contains(seen, required) {
			return a, refuse(body, required, "is missing; an application needs name and command")
		}
	}
	return a, nil
}

// eachField calls the reader of every field that is there, in the file's order, and tells which were.
func eachField(node ast.Node, parent string, readers map[string]func(ast.Node, string) error) ([]string, error) {
	allowed := make([]string, 0, len(readers))
	for name := range readers {
		allowed = append(allowed, name)
	}
	slices.Sort(allowed)
	mapping, ok := node.(ast.MapNode)
	if !ok {
		return nil, refuse(node, or(parent, "document"), "must be a mapping with the fields %s, not %s",
			strings.Join(allowed, ", "), describe(node))
	}
	var seen []string
	for entry := mapping.MapRange(); entry.Next(); {
		name := entry.Key().GetToken().Value
		field := join(parent, name)
		read, known := readers[name]
		if !known {
			return nil, refuse(entry.Key(), field, "is not a field; allowed are %s", strings.Join(allowed, ", "))
		}
		if err := read(entry.Value(), field); err != nil {
			return nil, err
		}
		seen = append(seen, name)
	}
	return seen, nil
}

// join names a field within another; a name that is no plain word is quoted, so that a message stays one line.
func join(parent, name string) string {
	if !plainPattern.MatchString(name) {
		name = strconv.Quote(name)
	}
	if parent == "" {
		return name
	}
	return parent + "." + name
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func into[T any](target *T, read func(ast.Node, string) (T, error)) func(ast.Node, string) error {
	return func(node ast.Node, field string) (err error) {
		*target, err = read(node, field)
		return err
	}
}

func readName(node ast.Node, field string) (string, error) {
	name, ok := scalar(node)
	if !ok || !ValidName(name) {
		return "", refuse(node, field, "must be 1 to 63 of a-z, 0-9 and - (not first), not %s", describe(node))
	}
	return name, nil
}

func readCommand(node ast.Node, field string) ([]string, error) {
	list, ok := node.(*ast.SequenceNode)
	if !ok || len(list.Values) == 0 {
		return nil, refuse(node, field, "must be a list of arguments such as [xterm, -bg, black] (there is no shell), not %s", describe(node))
	}
	var command []string
	for i, value := range list.Values {
		argument, ok := scalar(value)
		if !ok || strings.ContainsRune(argument, 0) || i == 0 && argument == "" {
			return nil, refuse(value, fmt.Sprintf("%s[%d]", field, i), "must be text, not %s", describe(value))
		}
		command = append(command, argument)
	}
	return command, nil
}

var (
	plainPattern    = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)
	variablePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// reserved are the variables that tie an application to its own display and sound; the driver sets them.
var reserved = []string{"DISPLAY", "XAUTHORITY", "PULSE_SERVER", "XDG_RUNTIME_DIR", "HOME"}

func readEnv(node ast.Node, field string) (map[string]string, error) {
	mapping, ok := node.(ast.MapNode)
	if !ok {
		return nil, refuse(node, field, "must be a mapping such as {LANG: C.UTF-8}, not %s", describe(node))
	}
	env := make(map[string]string)
	for entry := mapping.MapRange(); entry.Next(); {
		name := entry.Key().GetToken().Value
		within := join(field, name)
		if !variablePattern.MatchString(name) {
			return nil, refuse(entry.Key(), within, "is no name for a variable; letters, digits and _ are allowed")
		}
		if slices.Contains(reserved, name) || strings.HasPrefix(name, "STREAMSTACK_") {
			return nil, refuse(entry.Key(), within, "is set by streamstack itself; %s and STREAMSTACK_* cannot be given", strings.Join(reserved, ", "))
		}
		value, ok := scalar(entry.Value())
		if !ok || strings.ContainsRune(value, 0) {
			return nil, refuse(entry.Value(), within, "must be text, not %s", describe(entry.Value()))
		}
		env[name] = value
	}
	return env, nil
}

func readScreen(node ast.Node, field string) (Screen, error) {
	s := defaultScreen
	if _, err := eachField(node, field, map[string]func(ast.Node, string) error{
		"width":  into(&s.Width, wholeNumber(MaxSide)),
		"height": into(&s.Height, wholeNumber(MaxSide)),
		"fps":    into(&s.FPS, wholeNumber(MaxFPS)),
	}); err != nil {
		return s, err
	}
	if err := s.Validate(); err != nil {
		return s, refuse(node, field, "%v", err)
	}
	return s, nil
}

func readLimits(node ast.Node, field string) (Limits, error) {
	var l Limits
	_, err := eachField(node, field, map[string]func(ast.Node, string) error{
		"memory": into(&l.Memory, readMemory),
		"cpus":   into(&l.CPUs, readCPUs),
	})
	return l, err
}

// maxPort is the highest of TCP.
const maxPort = 65535

func readADB(node ast.Node, field string) (ADB, error) {
	var adb ADB
	seen, err := eachField(node, field, map[string]func(ast.Node, string) error{"port": into(&adb.Port, wholeNumber(maxPort))})
	if err == nil && len(seen) == 0 {
		err = refuse(node, field, "needs the port that shares lead to, such as {port: 5555}")
	}
	return adb, err
}
