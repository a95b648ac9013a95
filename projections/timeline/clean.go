package timeline

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxSummary is the longest summary, in characters: two lines of a usual terminal.
const maxSummary = 200

// clean makes one printable line of a text that somebody else wrote. Control characters could move the cursor, colour or
// retitle a terminal, and direction marks could turn the text around; they are shown as escapes.
func clean(s string) string {
	if !strings.ContainsFunc(s, unclean) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case r == '\n' || r == '\t' || r == '\r':
			b.WriteByte(' ')
		case !unicode.IsPrint(r):
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		default:
			b.WriteRune(r)
		}
		s = s[size:]
	}
	return b.String()
}

func unclean(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }

// shorten cuts a text to at most maxSummary characters.
func shorten(s string) string {
	if utf8.RuneCountInString(s) <= maxSummary {
		return s
	}
	return string([]rune(s)[:maxSummary-1]) + "…"
}

func itoa(n int) string { return strconv.Itoa(n) }
