package server

import (
	"strconv"
	"strings"
)

// dictionary returns all values as a dictionary of RFC 9651.
func (p *passedEvent) dictionary() string {
	d := make(dictionary, 0, 512)
	if reason, ok := strings.CutPrefix(p.none, "none; "); ok {
		d.key("none")
		d.text(reason)
	}
	d.fingerprint("ja4", p.ja4)
	d.fingerprint("ja3", p.ja3)
	d.fingerprint("http2", p.http2)
	d.fingerprint("http3", p.event.Fingerprint("http3"))
	if p.none == "" {
		d.fingerprint("stable", p.event.Fingerprint("stable"))
		p.addClient(&d)
		d.key("tells")
		d.list(tellNames(p.event.Tells), d.tokenOrText)
		if claim := p.event.Claim; claim != nil {
			d.key("claim")
			d = append(d, claim.Verdict.String()...)
			if claim.Proxy != "" {
				d = append(d, ";proxy="...)
				d.text(claim.Proxy)
			}
		}
	}
	if len(p.event.Tags) > 0 {
		d.key("tags")
		d.list(p.event.Tags, d.text)
	}
	if p.event.Rule != "" {
		d.key("rule")
		d.text(p.event.Rule)
	}
	if p.event.Action != "" {
		d.key("action")
		d.tokenOrText(p.event.Action)
	}
	return string(d)
}

// addClient adds the nearest clients to d, with their distance unless it is 0.
func (p *passedEvent) addClient(d *dictionary) {
	names := nearestNames(p.event.Client)
	if len(names) == 0 {
		return
	}
	d.key("client")
	if len(names) == 1 {
		d.text(names[0])
	} else {
		d.list(names, d.text)
	}
	if distance := p.event.Client[0].Distance; distance > 0 {
		*d = strconv.AppendInt(append(*d, ";distance="...), int64(distance), 10)
	}
}

// A dictionary is one of RFC 9651, which is being written.
type dictionary []byte

// key begins a member.
func (d *dictionary) key(name string) {
	if len(*d) > 0 {
		*d = append(*d, ", "...)
	}
	*d = append(append(*d, name...), '=')
}

// fingerprint adds a member with a text, unless that is empty or says why there is none.
func (d *dictionary) fingerprint(key, value string) {
	if value != "" && !isNone(value) {
		d.key(key)
		d.text(value)
	}
}

// text adds a string.
func (d *dictionary) text(s string) {
	b := append(*d, '"')
	s = asciiText(s)
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	*d = append(b, '"')
}

// tokenOrText adds name as a token, or as a string if it is not one.
func (d *dictionary) tokenOrText(name string) {
	if !isToken(name) {
		d.text(name)
		return
	}
	*d = append(*d, name...)
}

// list adds an inner list.
func (d *dictionary) list(items []string, add func(string)) {
	*d = append(*d, '(')
	for i, item := range items {
		if i > 0 {
			*d = append(*d, ' ')
		}
		add(item)
	}
	*d = append(*d, ')')
}

// isToken reports whether name is a token of RFC 9651.
func isToken(name string) bool {
	for i := range len(name) {
		c := name[i] | 0x20
		letter := 'a' <= c && c <= 'z'
		if !letter && (i == 0 || !('0' <= name[i] && name[i] <= '9' || strings.IndexByte("-_.:/", name[i]) >= 0)) {
			return false
		}
	}
	return name != ""
}
