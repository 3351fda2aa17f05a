package known

import "strings"

// tellHTTP2Encoding holds how HTTP/2 is written against what Chromium 92, 109, 131, 153
// and 156 did: they send WINDOW_UPDATE right behind SETTINGS, in one piece, put all fields
// into the dynamic table but :path and other pseudo-headers than :authority, and use
// Huffman coding only where it is shorter. It adds nothing to the settings of another
// program.
func tellHTTP2Encoding(dst []Tell, v view) []Tell {
	w, ok := v.http2Wire()
	if !ok {
		return dst
	}
	var d differences
	d.checkFrames(&w)
	d.checkTable(&w)
	d.check(!w.hasValue("H"), "Huffman coding that is not shorter", "only where it is shorter")
	d.check(!w.hasValue("P"), "no Huffman coding where it is shorter", "Huffman coding there")
	d.check(!w.hasKind("-!"), "fields that are not added to the dynamic table", "all added, but for pseudo-headers")
	return d.append(dst)
}

// tellHTTP2Writing holds how HTTP/2 is written against what is known of few versions, or
// what a server can change: Firefox 153 sends the frames that Chromium sends, does not put
// :path into the dynamic table, and always uses Huffman coding. Chromium has a priority in
// HEADERS. It adds nothing to the settings of another program.
func tellHTTP2Writing(dst []Tell, v view) []Tell {
	w, ok := v.http2Wire()
	if !ok {
		return dst
	}
	var d differences
	if v.browser == firefox {
		d.checkFrames(&w)
		d.checkTable(&w)
		d.check(!w.hasValue("pP"), "values without Huffman coding", "Huffman coding of all")
	} else {
		// A server's SETTINGS, which A acknowledges, can ask for no priorities.
		d.check(strings.HasPrefix(w.priority, "1:0:") || strings.Contains(w.frames, "A"), "priority "+w.priority+" in HEADERS", "an exclusive one")
	}
	return d.append(dst)
}

// differences collects what is written in another way.
type differences struct{ found, expected []string }

func (d *differences) check(ok bool, found, expected string) {
	if !ok {
		d.found, d.expected = append(d.found, found), append(d.expected, expected)
	}
}

func (d *differences) checkFrames(w *http2Wire) {
	d.check(strings.HasPrefix(w.frames, "S,W"), "frames "+w.frames, "SETTINGS and WINDOW_UPDATE first")
}

// checkTable looks at the two pseudo-header fields that are not in the static table.
func (d *differences) checkTable(w *http2Wire) {
	path, authority := w.codeOf("p"), w.codeOf("a")
	d.check(path == "" || path == "i" || path[0] == '-', ":path "+path, "not added to the dynamic table")
	d.check(authority == "" || authority == "i" || authority[0] == '+', ":authority "+authority, "added to the dynamic table")
}

// append appends a tell to dst if anything differs.
func (d *differences) append(dst []Tell) []Tell {
	if len(d.found) == 0 {
		return dst
	}
	return append(dst, Tell{Field: "http2_wire", Found: strings.Join(d.found, "; "), Expected: strings.Join(d.expected, "; ")})
}

// http2Wire returns how HTTP/2 is written, if that is known and the settings are not
// those of another program.
func (v view) http2Wire() (w http2Wire, ok bool) {
	if w, ok = cutHTTP2Wire(v.HTTP2Wire); !ok {
		return w, false
	}
	s := stackOf(v.HTTP2)
	return w, s == nil || s.browser == v.browser
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
