package server

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/jsonw"
)

// maxHeaderJSON is how many bytes the field with the Event may have. Backends take
// fields of 8 KB, or have that much room for all. Events of browsers take 2 KB.
const maxHeaderJSON = 6 << 10

// noneTooLong stands in the JSON of an Event that is longer.
const noneTooLong = "event over limit"

// json returns the compact Event as one line of JSON in ASCII.
func (p *passedEvent) json() string {
	reason, _ := strings.CutPrefix(p.none, "none; ")
	if p.none == noneUnknown || p.event.Transport == "" {
		return string(append(noneKey.Quoted([]byte("{"), reason), '}'))
	}
	e := p.event.Compact()
	text := asciiJSON(&e, reason)
	if len(text) <= maxHeaderJSON {
		return text
	}
	short := event.Event{
		Time: e.Time, ID: e.ID, Transport: e.Transport, HelloIndex: e.HelloIndex,
		SrcIP: e.SrcIP, SrcPort: e.SrcPort, DstIP: e.DstIP, DstPort: e.DstPort,
		AddressVerified: e.AddressVerified, Version: e.Version, Session: e.Session,
		Claim: e.Claim, Settled: e.Settled, Rule: e.Rule, Action: e.Action, Tags: e.Tags,
	}
	short.Fingerprints.Set("ja3", e.JA3())
	short.Fingerprints.Set("ja4", e.JA4())
	if text = asciiJSON(&short, noneTooLong); len(text) <= maxHeaderJSON {
		return text
	}
	short.Tags, short.Rule = nil, "" // of a policy that has very long ones
	return asciiJSON(&short, noneTooLong)
}

const noneKey = jsonw.Key(`,"none":`)

// asciiJSON returns e as JSON in printable ASCII, with the key none before the others
// if a reason is given.
func asciiJSON(e *event.Event, reason string) string {
	dst, err := e.AppendJSON(make([]byte, 0, 2<<10))
	if err != nil { // no Event of an Observer causes one
		return string(append(noneKey.Quoted([]byte("{"), "error"), '}'))
	}
	begin := []byte{'{'}
	if reason != "" {
		begin = noneKey.Quoted(begin, reason)
		if len(dst) > len("{}") {
			begin = append(begin, ',')
		}
	}
	if isASCII(dst) {
		return string(begin) + string(dst[1:])
	}
	return string(appendASCII(begin, dst[1:]))
}

func isASCII(text []byte) bool {
	for _, c := range text {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// appendASCII appends text, which is JSON, with what is not printable ASCII as \uXXXX.
// It stands in strings alone.
func appendASCII(dst, text []byte) []byte {
	for len(text) > 0 {
		if c := text[0]; ' ' <= c && c <= '~' {
			dst, text = append(dst, c), text[1:]
			continue
		}
		r, n := utf8.DecodeRune(text)
		text = text[n:]
		if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
			dst = appendUnicode(appendUnicode(dst, high), low)
		} else {
			dst = appendUnicode(dst, r)
		}
	}
	return dst
}

func appendUnicode(dst []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}
