package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/http3name"
)

// http3Example is what an error shows.
const http3Example = "1:65536;6:262144;7:100;51:1;GREASE|m,a,s,p"

// isHTTP3 matches HTTP/3 fingerprints: settings and pseudo-header fields, with the other
// frames of the control stream between them, or with what fp.impersonate.pro adds of QUIC
// behind them. HTTP/2's have a window and priorities between them.
func isHTTP3(text string) bool {
	fields := strings.Split(text, "|")
	n := len(fields)
	switch {
	case n == 1:
		return false
	case n > 2 && !isPseudoText(fields[1]) && (fields[2] == "0" || strings.Contains(fields[2], ":")):
		return false // a window and priorities
	case n == 2 && isPseudoText(fields[1]) || strings.Contains(fields[0], "GREASE") || slices.Contains(fields, "GREASE"):
		return true
	case isPseudoText(fields[1]):
		return true
	case n == 3:
		return isPseudoText(fields[2]) && fields[2] != ""
	}
	return isPseudoText(fields[n-1])
}

// isPseudoText reports whether text has letters of pseudo-header fields, or nothing.
func isPseudoText(text string) bool { return strings.Trim(text, "masp,") == "" }

// explainHTTP3Text explains an HTTP/3 fingerprint in the format of pingly and
// fp.impersonate.pro, or in one of its relatives.
func explainHTTP3Text(text string) (Explanation, error) {
	fail := func(format string, args ...any) (Explanation, error) {
		return Explanation{}, fmt.Errorf("fingerprint: HTTP/3 %q: %w (one looks like %s)", text, fmt.Errorf(format, args...), http3Example)
	}
	fields := strings.Split(text, "|")
	settings, err := explainHTTP3Settings(fields[0])
	if err != nil {
		return fail("%w", err)
	}
	e := Explanation{Name: "http3", Text: text, Parts: []Part{settings}}
	at := 1
	for at < len(fields) && !isPseudoText(fields[at]) {
		at++
	}
	if at == len(fields) {
		return fail("no pseudo-header fields such as m,a,s,p")
	}
	if at > 1 {
		frames, err := explainHTTP3Frames(fields[1:at])
		if err != nil {
			return fail("%w", err)
		}
		e.Parts = append(e.Parts, frames)
	}
	pseudo, err := explainPseudoHeaders(fields[at])
	if err != nil {
		return fail("%w", err)
	}
	e.Parts = append(e.Parts, pseudo)
	switch more := fields[at+1:]; len(more) {
	case 0:
	case 2:
		e.Parts = append(e.Parts,
			Part{Name: "transport_parameters", Text: more[0], Meaning: "those of QUIC, as fp.impersonate.pro adds them"},
			Part{Name: "connection_id_lengths", Text: more[1], Meaning: "bytes, of the client's connection ID and the one that it chose for the server"})
	default:
		return fail("%d fields between bars behind the pseudo-header fields", len(more))
	}
	e.noteHTTP3()
	return e, nil
}

// noteHTTP3 adds the notes on a text.
func (e *Explanation) noteHTTP3() {
	note := func(format string, args ...any) { e.Notes = append(e.Notes, fmt.Sprintf(format, args...)) }
	note("Its MD5, which others print, is %s.", md5Hex(e.Text))
	if normal := fingerprint.NormalizeHTTP3(e.Text); normal != e.Text {
		note("With the settings in the order of their ids and nothing else of the connection it is %s, with the MD5 %s.", normal, md5Hex(normal))
	}
}

func explainHTTP3Settings(text string) (Part, error) {
	p := Part{Name: "settings", Text: text, Meaning: "an empty SETTINGS frame"}
	if text == "" {
		return p, nil
	}
	grease := 0
	for setting := range strings.SplitSeq(text, ";") {
		if setting == "GREASE" {
			p.Values = append(p.Values, Value{Text: setting})
			grease++
			continue
		}
		id, value, _ := strings.Cut(setting, ":")
		if !isDecimal(id, 62) || !isDecimal(value, 62) {
			return p, fmt.Errorf("the setting %q is neither an id and a value nor GREASE", setting)
		}
		name := cmp.Or(http3name.Setting(id), "unknown")
		if isGREASEHTTP3(id) {
			name = "GREASE"
			grease++
		}
		p.Values = append(p.Values, Value{setting, name})
	}
	p.Meaning = count(len(p.Values), "setting")
	if grease > 0 {
		p.Meaning += fmt.Sprintf(", %d of them GREASE", grease)
	}
	return p, nil
}

func isGREASEHTTP3(id string) bool {
	n, err := strconv.ParseUint(id, 10, 62)
	return err == nil && fingerprint.IsGREASEHTTP3(n)
}

func explainHTTP3Frames(types []string) (Part, error) {
	p := Part{Name: "frames", Text: strings.Join(types, "|"), Meaning: count(len(types), "other frame") + " of the control stream before the first request"}
	for _, typ := range types {
		if typ == "GREASE" {
			p.Values = append(p.Values, Value{Text: typ})
			continue
		}
		if !isDecimal(typ, 62) {
			return p, fmt.Errorf("%q is neither the type of a frame nor an order of pseudo-header fields", typ)
		}
		p.Values = append(p.Values, Value{typ, cmp.Or(http3name.Frame(typ), "unknown")})
	}
	return p, nil
}

// isLikeHTTP3 reports whether e explains the HTTP/3 fingerprint text of a client, in
// another form.
func (e *Explanation) isLikeHTTP3(text string) bool {
	return e.Name == "http3" && text != "" && fingerprint.NormalizeHTTP3(e.Text) == text
}

// matchesHTTP3Hash reports whether e is the MD5 of an HTTP/3 fingerprint, and then makes
// e an explanation of that.
func (e *Explanation) matchesHTTP3Hash(text string) bool {
	if text == "" || md5Hex(text) != e.Text {
		return false
	}
	if x, err := explainHTTP3Text(text); err == nil && e.Name == "ja3" {
		e.Name, e.Notes = "http3_hash", nil
		e.Parts = append(x.Parts, Part{Name: "digest", Text: e.Text, Meaning: "the MD5 of the text", Hashed: text, Digest: e.Text})
	}
	return true
}

// alignHTTP3 makes the explanations of two HTTP/3 fingerprints comparable: all GREASE is
// one value, what only one of them has is dropped, and then the order of the settings,
// which are sorted in the one without other frames, does not count.
func alignHTTP3(a, b *Explanation) {
	if a.Name != "http3" {
		return
	}
	for _, name := range [...]string{"frames", "transport_parameters", "connection_id_lengths"} {
		is := func(p Part) bool { return p.Name == name }
		if slices.ContainsFunc(a.Parts, is) != slices.ContainsFunc(b.Parts, is) {
			a.Parts, b.Parts = slices.DeleteFunc(a.Parts, is), slices.DeleteFunc(b.Parts, is)
			a.sortHTTP3()
			b.sortHTTP3()
		}
	}
	for _, e := range []*Explanation{a, b} {
		for i, v := range e.Parts[0].Values { // the settings
			if v.Name == "GREASE" {
				e.Parts[0].Values[i] = Value{Text: "GREASE"}
			}
		}
	}
}

// sortHTTP3 sorts the settings as NormalizeHTTP3 does.
func (e *Explanation) sortHTTP3() {
	settings, _, _ := strings.Cut(fingerprint.NormalizeHTTP3(e.Text), "|")
	if p, err := explainHTTP3Settings(settings); err == nil {
		e.Parts[0] = p
	}
}
