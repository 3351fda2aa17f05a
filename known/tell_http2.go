package known

import "strings"

// tellHTTP2Writing holds how HTTP/2 is written against what Chromium 80 to 156 and
// Firefox 153 do: they send WINDOW_UPDATE right behind SETTINGS, and put :authority into
// the dynamic table, but never :path. Chromium uses Huffman coding only where it is
// shorter, has a priority in HEADERS, and puts all other fields into the table; Firefox
// always uses Huffman coding. Few versions are known, and a flag may change it, so it is a
// lead. It adds nothing to the settings of another program.
func tellHTTP2Writing(dst []Tell, v view) []Tell {
	w, ok := cutHTTP2Wire(v.HTTP2Wire)
	if !ok {
		return dst
	}
	if s := stackOf(v.HTTP2); s != nil && s.browser != v.browser {
		return dst
	}
	var found, expected []string
	check := func(ok bool, f, e string) {
		if !ok {
			found, expected = append(found, f), append(expected, e)
		}
	}
	check(strings.HasPrefix(w.frames, "S,W"), "frames "+w.frames, "SETTINGS and WINDOW_UPDATE first")
	path, authority := w.codeOf("p"), w.codeOf("a")
	check(path == "" || path == "i" || path[0] == '-', ":path "+path, "not added to the dynamic table")
	check(authority == "" || authority == "i" || authority[0] == '+', ":authority "+authority, "added to the dynamic table")
	if v.browser == firefox {
		check(!w.hasValue("pP"), "values without Huffman coding", "Huffman coding of all")
	} else {
		check(!w.hasValue("H"), "Huffman coding that is not shorter", "only where it is shorter")
		check(!w.hasValue("P"), "no Huffman coding where it is shorter", "Huffman coding there")
		check(!w.hasKind("-!"), "fields that are not added to the dynamic table", "all added, but for pseudo-headers")
		// A server's SETTINGS, which A acknowledges, can ask for no priorities.
		check(strings.HasPrefix(w.priority, "1:0:") || strings.Contains(w.frames, "A"), "priority "+w.priority+" in HEADERS", "an exclusive one")
	}
	if len(found) > 0 {
		dst = append(dst, Tell{Field: "http2_wire", Found: strings.Join(found, "; "), Expected: strings.Join(expected, "; ")})
	}
	return dst
}

// An http2Wire has the parts of what [fingerprint.HTTP2.Wire] returns.
type http2Wire struct{ frames, priority, pseudo, fields string }

func cutHTTP2Wire(text string) (w http2Wire, ok bool) {
	if text == "" {
		return w, false
	}
	w.frames, text, _ = strings.Cut(text, "|")
	w.priority, text, _ = strings.Cut(text, "|")
	w.pseudo, w.fields, ok = strings.Cut(text, "|")
	return w, ok
}

// codeOf returns how the pseudo-header field with a letter is written, or the empty
// string if there is none.
func (w *http2Wire) codeOf(letter string) string {
	for rest := w.pseudo; rest != ""; {
		var field string
		field, rest, _ = strings.Cut(rest, ",")
		if name, code, _ := strings.Cut(field, "="); name == letter {
			return code
		}
	}
	return ""
}

// hasValue reports whether a value is written in one of some ways.
func (w *http2Wire) hasValue(ways string) bool {
	for _, list := range [...]string{w.pseudo, w.fields} {
		for rest := list; rest != ""; {
			var code string
			code, rest, _ = strings.Cut(rest, ",")
			code, _, _ = strings.Cut(code, "*")
			if _, after, ok := strings.Cut(code, "="); ok {
				code = after
			}
			if len(code) > 1 && strings.Contains(ways, code[len(code)-1:]) {
				return true
			}
		}
	}
	return false
}

// hasKind reports whether a field that is no pseudo-header is a literal of one of some
// kinds.
func (w *http2Wire) hasKind(kinds string) bool { return strings.ContainsAny(w.fields, kinds) }
