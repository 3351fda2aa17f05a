package main

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// An explained is an explanation with what the database of clients adds to a
// fingerprint of which there is only the text.
type explained struct {
	fingerprint.Explanation
	Clients []seenClient `json:"clients,omitempty"` // that were seen to have it
}

// A seenClient is a client of the database, in the versions that were seen.
type seenClient struct {
	Name     string   `json:"name"`
	Versions []string `json:"versions,omitempty"`
}

// addKnown looks for e among the fingerprints of the clients that are known,
// and for its digests among the digests of their hellos: one that is known
// tells what was hashed.
func addKnown(e *explained) error {
	entries, err := known.BuiltinEntries()
	if err != nil {
		return err
	}
	for i := range entries {
		entry := &entries[i]
		has := slices.Contains([]string{entry.JA3, entry.JA4, entry.HTTP2, entry.NPF}, e.Text)
		if h, err := entry.ParseHello(); err == nil && h != nil {
			has = addKnownHello(e, h) || has
		}
		has = addKnownHTTP2(e, entry.HTTP2) || has
		if has {
			e.addClient(entry.Name, entry.Version)
		}
	}
	if len(e.Clients) == 0 && e.Name == "ja4" {
		addDialects(e, entries)
	}
	if len(e.Clients) == 0 {
		e.Notes = append(e.Notes, "No client that is known here has it.")
	}
	return nil
}

// addDialects looks for e among what other tools print for the clients that
// are known, where it is something else than their JA4.
func addDialects(e *explained, entries []known.Entry) {
	for i := range entries {
		h, err := entries[i].ParseHello()
		if err != nil || h == nil {
			continue
		}
		for _, d := range fingerprint.JA4Dialects(h) {
			if d.Text != e.Text {
				continue
			}
			note := fmt.Sprintf("Printed by %s for a hello whose JA4 is %s: %s (%s).", d.Tools, fingerprint.JA4(h), d.Name, d.Why)
			if !slices.Contains(e.Notes, note) {
				e.Notes = append(e.Notes, note)
			}
		}
	}
}

func (e *explained) addClient(name, version string) {
	i := slices.IndexFunc(e.Clients, func(c seenClient) bool { return c.Name == name })
	if i < 0 {
		i = len(e.Clients)
		e.Clients = append(e.Clients, seenClient{Name: name})
	}
	if c := &e.Clients[i]; version != "" && !slices.Contains(c.Versions, version) {
		c.Versions = append(c.Versions, version)
	}
}

// addKnownHello reports whether h has the fingerprint e, and tells the digests
// of e that h has.
func addKnownHello(e *explained, h *parser.ClientHello) bool {
	switch e.Name {
	case "ja3":
		for _, full := range []string{fingerprint.JA3Full(h), fingerprint.JA3NFull(h)} {
			if x, err := fingerprint.Explain(full); err == nil && x.Parts[len(x.Parts)-1].Text == e.Text {
				if e.Parts == nil {
					e.Parts, e.Notes = x.Parts, nil
					tell(&e.Parts[len(e.Parts)-1], full, e.Text)
				}
				return true
			}
		}
	case "ja4":
		_, lists, _ := strings.Cut(fingerprint.JA4R(h), "_")
		tellJA4(e, lists)
		_, lists, _ = strings.Cut(fingerprint.JA4RO(h), "_")
		tellJA4(e, lists)
		return fingerprint.JA4(h) == e.Text || fingerprint.JA4O(h) == e.Text
	case "stable":
		if fingerprint.Stable(h) == e.Text {
			_, lists, _ := strings.Cut(fingerprint.StableFull(h), "_")
			tell(&e.Parts[len(e.Parts)-1], lists, sha256Hex(lists))
			return true
		}
	case "ja3_full":
		return fingerprint.JA3Full(h) == e.Text
	case "ja3n_full":
		return fingerprint.JA3NFull(h) == e.Text
	case "ja4_r":
		return fingerprint.JA4R(h) == e.Text
	case "ja4_ro":
		return fingerprint.JA4RO(h) == e.Text
	case "stable_full":
		return fingerprint.StableFull(h) == e.Text
	case "tlsfp_id":
		return fingerprint.TLSFP(h) == e.Text || fingerprint.TLSFPNorm(h) == e.Text || fingerprint.QUICParamsID(h) == e.Text
	case "npf":
		for _, text := range []string{fingerprint.NPF(h), fingerprint.NPF1(h), fingerprint.NPF2(h), fingerprint.NPFQUIC(h, 1), fingerprint.NPFQUIC1(h, 1)} {
			if text != "" && (text == e.Text || fingerprint.NPFHash(text) == e.Text) {
				return true
			}
		}
	}
	return false
}

// addKnownHTTP2 reports whether e is the MD5 of an HTTP/2 fingerprint, by which
// some tools print it, and then explains that.
func addKnownHTTP2(e *explained, text string) bool {
	sum := md5.Sum([]byte(text))
	if text == "" || hex.EncodeToString(sum[:]) != e.Text {
		return false
	}
	if x, err := fingerprint.Explain(text); err == nil && e.Name == "ja3" {
		e.Name, e.Notes = "http2_hash", nil
		e.Parts = append(x.Parts, fingerprint.Part{Name: "digest", Text: e.Text, Words: "the MD5 of the text", Hashed: text, Digest: e.Text})
	}
	return true
}

// tellJA4 tells the digests of a JA4 that are those of the given lists, as the
// raw form has them.
func tellJA4(e *explained, lists string) {
	suites, extensions, _ := strings.Cut(lists, "_")
	for i := range e.Parts {
		for name, text := range map[string]string{"cipher_suites_digest": suites, "extensions_digest": extensions} {
			if p := &e.Parts[i]; p.Name == name && p.Hashed == "" && text != "" {
				if sum := sha256Hex(text); strings.HasPrefix(sum, p.Text) {
					tell(p, text, sum)
				}
			}
		}
	}
}

func tell(p *fingerprint.Part, hashed, digest string) { p.Hashed, p.Digest = hashed, digest }

func sha256Hex(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
