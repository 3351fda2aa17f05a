package explain

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

// A Sample is what is known of one client: its hello, or only fingerprints.
type Sample struct {
	Client, Version string            // its name, and its version or versions
	Input           fingerprint.Input // Hello is nil where it is not known
	Fingerprints    []string          // that were recorded without a hello
}

// A Client is a client that was seen to have a fingerprint.
type Client struct {
	Name     string   `json:"name"`               // of the program
	Versions []string `json:"versions,omitempty"` // in the order of the samples
}

// AddSamples adds to an explanation of a text what samples tell of it: the
// clients that have the fingerprint, the texts of its digests that samples have,
// and which tools print it for a client that has another.
func (e *Explanation) AddSamples(samples iter.Seq[Sample]) {
	for s := range samples {
		has := slices.Contains(s.Fingerprints, e.Text)
		if s.Input.Hello != nil {
			e.addDigestTexts(s.Input.Hello)
		}
		has = e.matches(&s.Input) || e.isLikeHTTP2(s.Input.HTTP2) || has
		if e.isLikeHTTP3(s.Input.HTTP3) || e.matchesHTTP3Hash(s.Input.HTTP3) || e.matchesHTTP3Hash(s.Input.HTTP3Wire) {
			has = true
		}
		if e.matchesHTTP2Hash(s.Input.HTTP2) {
			has = true
		}
		if has {
			e.addClient(s.Client, s.Version)
		}
	}
	switch {
	case e.Name == "ja4" && len(e.Clients) == 0:
		e.addDeviations(samples, len(ja4Deviations))
	case e.Name == "ja4": // an old client may have what a tool prints for a new one
		e.addDeviations(samples, 1)
	case e.Name == "ja3" && len(e.Clients) == 0:
		e.addJA3Deviations(samples)
	}
	if len(e.Clients) == 0 {
		e.Notes = append(e.Notes, "No client that is known here has it.")
	}
}

func (e *Explanation) addClient(name, version string) {
	i := slices.IndexFunc(e.Clients, func(c Client) bool { return c.Name == name })
	if i < 0 {
		i = len(e.Clients)
		e.Clients = append(e.Clients, Client{Name: name})
	}
	if c := &e.Clients[i]; version != "" && !slices.Contains(c.Versions, version) {
		c.Versions = append(c.Versions, version)
	}
}

// matches reports whether in has the fingerprint of e.
func (e *Explanation) matches(in *fingerprint.Input) bool {
	if e.Name == "npf" && in.QUIC == nil && in.Hello != nil && in.Hello.Transport == parser.QUIC {
		// Samples lack the version of QUIC. Nearly all clients use version 1.
		in = &fingerprint.Input{Hello: in.Hello, QUIC: &fingerprint.QUICInitial{Version: 1}}
	}
	for text := range e.candidates(in) {
		if text == e.Text || e.Name == "npf" && fingerprint.NPFHash(text) == e.Text {
			return true
		}
	}
	return false
}

// candidates returns the fingerprints of in that look like that of e.
func (e *Explanation) candidates(in *fingerprint.Input) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range fingerprint.Methods {
			m := &fingerprint.Methods[i]
			form := m.Form
			if form == "" {
				form = m.Key
			}
			if form == e.Name && appliesTo(m, in) {
				if text := m.Of(in); text != "" && !yield(text) {
					return
				}
			}
			for j := range m.Variants {
				if v := &m.Variants[j]; v.Form == e.Name && appliesTo(m, in) {
					if text := v.Of(in); text != "" && !yield(text) {
						return
					}
				}
			}
		}
	}
}

// appliesTo reports whether in has what m needs: a hello, unless m is of HTTP/2 or HTTP/3.
func appliesTo(m *fingerprint.Method, in *fingerprint.Input) bool { return m.Live || in.Hello != nil }

// Counterpart returns the fingerprint of in that can be compared with that of e.
// Where several look like it, as JA3 and JA3N do, it is the one that is equal,
// if one is.
func (e *Explanation) Counterpart(in *fingerprint.Input) (string, error) {
	var list []string
	for text := range e.candidates(in) {
		if e.Name == "npf" {
			if npfFormat(text) != npfFormat(e.Text) {
				continue
			}
			if e.isNPFHash() {
				text = fingerprint.NPFHash(text)
			}
		}
		list = append(list, text)
	}
	switch {
	case len(list) == 0:
		return "", fmt.Errorf("the hello has no fingerprint to compare with %s %q", e.Name, e.Text)
	case slices.Contains(list, e.Text):
		return e.Text, nil
	}
	return list[0], nil
}

// addDigestTexts adds to the digests of e the texts of h that have them.
func (e *Explanation) addDigestTexts(h *parser.ClientHello) {
	switch e.Name {
	case "ja3":
		for _, full := range []string{fingerprint.JA3Full(h), fingerprint.JA3NFull(h)} {
			if e.Parts == nil && full != "" && md5Hex(full) == e.Text {
				*e = Explanation{Name: e.Name, Text: e.Text, Parts: explainJA3Digest(e.Name, full).Parts, Clients: e.Clients}
			}
		}
	case "ja4":
		e.addJA4Texts(fingerprint.JA4R(h))
		e.addJA4Texts(fingerprint.JA4RO(h))
	case "stable":
		if fingerprint.Stable(h) == e.Text {
			e.addStableText(fingerprint.StableFull(h))
		}
	}
}

// addJA4Texts adds to the digests of e those lists of a raw form that have them.
func (e *Explanation) addJA4Texts(raw string) {
	_, lists, _ := strings.Cut(raw, "_")
	suites, extensions, _ := strings.Cut(lists, "_")
	texts := map[string]string{"cipher_suites_digest": suites, "extensions_digest": extensions}
	for i := range e.Parts {
		p := &e.Parts[i]
		text := texts[p.Name]
		if text == "" || p.Hashed != "" {
			continue
		}
		if digest := sha256Hex(text); strings.HasPrefix(digest, p.Text) {
			p.Hashed, p.Digest = text, digest
		}
	}
}

// matchesHTTP2Hash reports whether e is the MD5 of an HTTP/2 fingerprint, as some
// tools print it, and then makes e an explanation of that.
func (e *Explanation) matchesHTTP2Hash(text string) bool {
	if text == "" || md5Hex(text) != e.Text {
		return false
	}
	if x, err := explainHTTP2Text(text); err == nil && e.Name == "ja3" {
		e.Name, e.Notes = "http2_hash", nil
		e.Parts = append(x.Parts, Part{Name: "digest", Text: e.Text, Meaning: "the MD5 of the text", Hashed: text, Digest: e.Text})
	}
	return true
}
