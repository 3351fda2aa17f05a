package page

import (
	"strconv"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

// A fingerprintsData is the fingerprints of a hello.
type fingerprintsData struct {
	Mine         bool
	Fingerprints []fingerprintRow
}

func fingerprintsSection(v *view) any {
	if v.message == nil || v.message.SSLv2 {
		return nil
	}
	rows := fingerprintRows(v.event, v.message)
	if len(rows) == 0 {
		return nil
	}
	return &fingerprintsData{v.mine, rows}
}

// A fingerprintRow is one fingerprint and how to read it.
type fingerprintRow struct {
	Name  string
	What  string // it is, in a few words
	Value string
	Minor bool // shown only when the reader asks for more
	fingerprint.Explanation
}

// fingerprintRows returns the fingerprints of e, whose hello is h.
func fingerprintRows(e *event.Event, h *parser.ClientHello) []fingerprintRow {
	readings := make(map[string]fingerprint.Explanation)
	for _, x := range fingerprint.ExplainHello(h, initialOf(e.QUIC)) {
		readings[x.Name] = x
	}
	if x, err := fingerprint.Explain(e.HTTP2); err == nil {
		readings["http2"] = x
	}
	var list []fingerprintRow
	for _, f := range []struct {
		name, what, value, reading string
		minor                      bool
	}{
		{"JA4", "lists sorted: a permuted order does not change it", e.JA4, "ja4", false},
		{"JA3", "five lists as they were sent, MD5", e.JA3, "ja3", false},
		{"JA3N", "JA3 with its extensions sorted", e.JA3N, "ja3n", false},
		{"HTTP/2", "settings, window, priorities, header order; Akamai's format", e.HTTP2, "http2", false},
		{"QUIC header", "the first Initial packet; tlsfingerprint.io", e.QUICHeaderID, "quic_header_id", false},
		{"QUIC parameters", "the transport parameters; tlsfingerprint.io", e.QUICParamsID, "quic_params_id", false},
		{"Stable", "the same for a new and a resumed session; tlspeek's own", e.Stable, "stable", false},
		{"JA4_o", "JA4 in the order of the wire", e.JA4O, "ja4_o", true},
		{"tlsfingerprint.io", "in the order of the wire", e.TLSFPID, "tlsfp_id", true},
		{"tlsfingerprint.io, normalised", "extensions sorted", e.TLSFPNormID, "tlsfp_norm_id", true},
		{"NPF", "Cisco's network protocol fingerprinting", e.NPF, "npf", true},
	} {
		if f.value != "" {
			list = append(list, fingerprintRow{f.name, f.what, f.value, f.minor, readings[f.reading]})
		}
	}
	return list
}

// maxValues is how many values of a part have a name: the text has them all.
const maxValues = 100

// few returns the first of the values.
func few(values []fingerprint.Value) []fingerprint.Value { return values[:min(len(values), maxValues)] }

// Readable reports whether f has parts or notes to read.
func (f *fingerprintRow) Readable() bool { return len(f.Parts)+len(f.Dialects)+len(f.Notes) > 0 }

// initialOf returns what q says of the first Initial packet, or nil.
func initialOf(q *event.QUIC) *fingerprint.QUICInitial {
	if q == nil {
		return nil
	}
	version, err := strconv.ParseUint(q.Version, 0, 32)
	if err != nil {
		return nil
	}
	i := &fingerprint.QUICInitial{
		Version: uint32(version), DCIDLen: q.DCIDLen, SCIDLen: q.SCIDLen,
		PacketNumberLen: q.PacketNumberLen, Token: q.TokenLen > 0,
	}
	for _, t := range q.FrameTypes {
		i.FrameTypes = append(i.FrameTypes, byte(t))
	}
	return i
}
