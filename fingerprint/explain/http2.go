package explain

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/tlspeek/tlspeek/internal/http2setting"
)

// http2Example is what an error shows.
const http2Example = "1:65536;2:0;4:6291456|15663105|0|m,a,s,p"

func isHTTP2(text string) bool { return strings.Contains(text, "|") }

// explainHTTP2Text explains an HTTP/2 fingerprint in Akamai's format.
func explainHTTP2Text(text string) (Explanation, error) {
	fail := func(format string, args ...any) (Explanation, error) {
		return Explanation{}, fmt.Errorf("fingerprint: HTTP/2 %q: %w (one looks like %s)", text, fmt.Errorf(format, args...), http2Example)
	}
	fields := strings.Split(text, "|")
	if len(fields) != 4 {
		return fail("%d fields between bars, not 4", len(fields))
	}
	settings := Part{Name: "settings", Text: fields[0], Meaning: "an empty SETTINGS frame"}
	if fields[0] != "" {
		for setting := range strings.SplitSeq(fields[0], ";") {
			id, value, _ := strings.Cut(setting, ":")
			if !isDecimal(id, 16) || !isDecimal(value, 32) {
				return fail("the setting %q is not an id and a value", setting)
			}
			settings.Values = append(settings.Values, Value{setting, cmp.Or(http2setting.Name(id), "unknown")})
		}
		settings.Meaning = count(len(settings.Values), "setting")
	}
	window := Part{Name: "window_update", Text: fields[1], Meaning: "bytes, added to the window of the connection"}
	switch {
	case fields[1] == "00" || fields[1] == "0":
		window.Meaning = "no WINDOW_UPDATE of the connection"
	case !isDecimal(fields[1], 31):
		return fail("the window update %q is not a number", fields[1])
	}
	priority := Part{Name: "priority", Text: fields[2], Meaning: "no PRIORITY frame"}
	if fields[2] != "0" {
		for p := range strings.SplitSeq(fields[2], ",") {
			n := strings.Split(p, ":")
			if len(n) != 4 || !isDecimal(n[0], 31) || n[1] != "0" && n[1] != "1" || !isDecimal(n[2], 31) || !isDecimal(n[3], 16) {
				return fail("the priority %q is not stream:exclusive:dependency:weight", p)
			}
			priority.Values = append(priority.Values, Value{p, fmt.Sprintf("stream %s depends on %s with weight %s", n[0], n[2], n[3])})
		}
		priority.Meaning = count(len(priority.Values), "PRIORITY frame")
	}
	pseudo := Part{Name: "pseudo_headers", Text: fields[3], Meaning: "none"}
	if fields[3] != "" {
		names := map[string]string{"m": ":method", "a": ":authority", "s": ":scheme", "p": ":path"}
		for letter := range strings.SplitSeq(fields[3], ",") {
			if names[letter] == "" {
				return fail("the pseudo-header field %q is none of m, a, s and p", letter)
			}
			pseudo.Values = append(pseudo.Values, Value{letter, names[letter]})
		}
		pseudo.Meaning = "the order of the pseudo-header fields in the first request"
	}
	return Explanation{Name: "http2", Text: text, Parts: []Part{settings, window, priority, pseudo},
		Notes: []string{"Its MD5, which others print as akamai_hash, is " + md5Hex(text) + "."}}, nil
}
