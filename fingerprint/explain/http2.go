package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/http2setting"
)

// http2Example is what an error shows.
const http2Example = "1:65536;2:0;4:6291456|15663105|0|m,a,s,p"

func isHTTP2(text string) bool { return strings.Contains(text, "|") }

// explainHTTP2Text explains an HTTP/2 fingerprint in Akamai's format, or in one of the
// forms that tools make of it: without the pseudo-header fields, as in Akamai's paper;
// with commas between the settings; with no commas between the pseudo-header fields; with
// GREASE as a word, or without its id.
func explainHTTP2Text(text string) (Explanation, error) {
	fail := func(format string, args ...any) (Explanation, error) {
		return Explanation{}, fmt.Errorf("fingerprint: HTTP/2 %q: %w (one looks like %s)", text, fmt.Errorf(format, args...), http2Example)
	}
	fields := strings.Split(canonicalHTTP2(text), "|")
	if len(fields) != 3 && len(fields) != 4 {
		return fail("%d fields between bars, not 4", len(fields))
	}
	settings, err := explainSettings(fields[0])
	if err != nil {
		return fail("%w", err)
	}
	window := Part{Name: "window_update", Text: fields[1], Meaning: "bytes, added to the window of the connection"}
	switch {
	case fields[1] == "00" || fields[1] == "0":
		window.Meaning = "no WINDOW_UPDATE of the connection"
	case !isDecimal(fields[1], 31):
		return fail("the window update %q is not a number", fields[1])
	}
	priority, err := explainPriorities(fields[2])
	if err != nil {
		return fail("%w", err)
	}
	e := Explanation{Name: "http2", Text: text, Parts: []Part{settings, window, priority}}
	if len(fields) == 4 {
		pseudo, err := explainPseudoHeaders(fields[3])
		if err != nil {
			return fail("%w", err)
		}
		e.Parts = append(e.Parts, pseudo)
	}
	e.noteHTTP2(len(fields))
	return e, nil
}

// noteHTTP2 adds the notes on a text with n fields.
func (e *Explanation) noteHTTP2(n int) {
	note := func(format string, args ...any) { e.Notes = append(e.Notes, fmt.Sprintf(format, args...)) }
	if n == 3 {
		note("It ends with the priorities, as in Akamai's paper. Tools add the order of the pseudo-header fields after another bar.")
	} else {
		note("Its MD5, which others print as akamai_hash, is %s.", md5Hex(e.Text))
	}
	canonical := canonicalHTTP2(e.Text)
	if canonical != e.Text {
		note("With the separators of Akamai's format it is %s.", canonical)
	}
	if normal := fingerprint.NormalizeHTTP2(canonical); normal != canonical {
		note("GREASE is among the settings: its id and its value differ on each connection. Without it, this is %s, with the MD5 %s.", normal, md5Hex(normal))
	}
}

// canonicalHTTP2 returns a text with the separators of Akamai's format.
func canonicalHTTP2(text string) string {
	fields := strings.Split(text, "|")
	fields[0] = strings.ReplaceAll(fields[0], ",", ";")
	if n := len(fields) - 1; n == 3 && len(fields[n]) > 1 && !strings.Contains(fields[n], ",") {
		fields[n] = strings.Join(strings.Split(fields[n], ""), ",")
	}
	return strings.Join(fields, "|")
}

func explainSettings(text string) (Part, error) {
	p := Part{Name: "settings", Text: text, Meaning: "an empty SETTINGS frame"}
	if text == "" {
		return p, nil
	}
	grease := 0
	for setting := range strings.SplitSeq(text, ";") {
		id, value, _ := strings.Cut(setting, ":")
		name := cmp.Or(http2setting.Name(id), "unknown")
		n, err := strconv.ParseUint(id, 10, 16)
		switch {
		case setting == "GREASE", err == nil && isDecimal(value, 32) && fingerprint.IsGREASESetting(uint16(n)):
			name = "GREASE"
			grease++
		case id == "" && isDecimal(value, 32):
			name = "without its id, which tls.peet.ws leaves out if it does not know it: GREASE, as a rule"
		case !isDecimal(id, 16) || !isDecimal(value, 32):
			return p, fmt.Errorf("the setting %q is not an id and a value", setting)
		}
		p.Values = append(p.Values, Value{setting, name})
	}
	p.Meaning = count(len(p.Values), "setting")
	if grease > 0 {
		p.Meaning += fmt.Sprintf(", %d of them GREASE", grease)
	}
	return p, nil
}

func explainPriorities(text string) (Part, error) {
	p := Part{Name: "priority", Text: text, Meaning: "no PRIORITY frame"}
	if text == "0" {
		return p, nil
	}
	for frame := range strings.SplitSeq(text, ",") {
		n := strings.Split(frame, ":")
		if len(n) != 4 || !isDecimal(n[0], 31) || n[1] != "0" && n[1] != "1" || !isDecimal(n[2], 31) || !isDecimal(n[3], 16) {
			return p, fmt.Errorf("the priority %q is not stream:exclusive:dependency:weight", frame)
		}
		p.Values = append(p.Values, Value{frame, fmt.Sprintf("stream %s depends on %s with weight %s", n[0], n[2], n[3])})
	}
	p.Meaning = count(len(p.Values), "PRIORITY frame")
	return p, nil
}

func explainPseudoHeaders(text string) (Part, error) {
	p := Part{Name: "pseudo_headers", Text: text, Meaning: "none"}
	if text == "" {
		return p, nil
	}
	names := map[string]string{"m": ":method", "a": ":authority", "s": ":scheme", "p": ":path"}
	for letter := range strings.SplitSeq(text, ",") {
		if names[letter] == "" {
			return p, fmt.Errorf("the pseudo-header field %q is none of m, a, s and p", letter)
		}
		p.Values = append(p.Values, Value{letter, names[letter]})
	}
	p.Meaning = "the order of the pseudo-header fields in the first request"
	return p, nil
}

// isLikeHTTP2 reports whether e explains the HTTP/2 fingerprint text of a client, in
// another form or with other GREASE.
func (e *Explanation) isLikeHTTP2(text string) bool {
	if e.Name != "http2" || text == "" {
		return false
	}
	own, text := fingerprint.NormalizeHTTP2(canonicalHTTP2(e.Text)), fingerprint.NormalizeHTTP2(text)
	if strings.Count(own, "|") == 2 {
		text = text[:max(0, strings.LastIndexByte(text, '|'))]
	}
	return own == text
}

// alignHTTP2 makes the explanations of two HTTP/2 fingerprints comparable: all GREASE is
// one value, and the pseudo-header fields are dropped if one of them lacks them.
func alignHTTP2(a, b *Explanation) {
	if a.Name != "http2" {
		return
	}
	isPseudo := func(p Part) bool { return p.Name == "pseudo_headers" }
	if slices.ContainsFunc(a.Parts, isPseudo) != slices.ContainsFunc(b.Parts, isPseudo) {
		a.Parts, b.Parts = slices.DeleteFunc(a.Parts, isPseudo), slices.DeleteFunc(b.Parts, isPseudo)
	}
	for _, e := range []*Explanation{a, b} {
		for i, v := range e.Parts[0].Values { // the settings
			if v.Name == "GREASE" {
				e.Parts[0].Values[i] = Value{Text: "GREASE"}
			}
		}
	}
}
