package files

import (
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxName is the length of a file's name, in bytes; file systems take 255, and a number may come to it.
	maxName = 200
	// maxExtension is how much of a long name's end is kept, in bytes.
	maxExtension = 20
)

// plainName makes one visible component of whatever a page calls a file: no folder, nothing that cannot be seen, no hidden file.
func plainName(name string) string {
	name = strings.ToValidUTF8(name, "_")
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) { // control characters, and those that turn the direction of text
			return '_'
		}
		return r
	}, name)
	name = strings.TrimLeft(name, " ")
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "-") {
		name = "_" + name[1:] // neither hidden nor an option of some program
	}
	// Dots and spaces at the end are what some systems take away.
	if name = strings.TrimRight(shorten(strings.TrimRight(name, ". ")), ". "); strings.Trim(name, "_") == "" {
		return "file"
	}
	return name
}

// shorten cuts a name to maxName bytes, before its extension.
func shorten(name string) string {
	if len(name) <= maxName {
		return name
	}
	extension := path.Ext(name)
	if len(extension) > maxExtension {
		extension = ""
	}
	return cut(name, maxName-len(extension)) + extension
}

// cut takes at most n bytes of whole characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// numbered is the n-th name for a file; the first is the name itself.
func numbered(name string, n int) string {
	if n == 0 {
		return name
	}
	extension := path.Ext(name)
	return fmt.Sprintf("%s (%d)%s", strings.TrimSuffix(name, extension), n, extension)
}
