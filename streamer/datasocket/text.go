package datasocket

import "unicode/utf8"

// cutText tells how much of data is to be sent, and whether as a string: all of it, but for the beginning of a character at the
// end of what is otherwise text.
func cutText(data []byte) (out []byte, text bool) {
	if utf8.Valid(data) {
		return data, true
	}
	for i := len(data) - 1; i >= 0 && i > len(data)-utf8.UTFMax; i-- {
		if !utf8.RuneStart(data[i]) {
			continue
		}
		if !utf8.FullRune(data[i:]) && utf8.Valid(data[:i]) {
			return data[:i], true
		}
		break
	}
	return data, false
}
