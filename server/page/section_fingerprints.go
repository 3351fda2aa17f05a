package page

import (
	"slices"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/fingerprint/explain"
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
	explain.Explanation
}

// fingerprintRows returns the fingerprints of e, whose hello is h.
func fingerprintRows(e *event.Event, h *parser.ClientHello) []fingerprintRow {
	readings := make(map[string]explain.Explanation)
	for _, x := range explain.Hello(h, e.QUIC.Initial()) {
		readings[x.Name] = x
	}
	for _, key := range [...]string{"http2", "http3", "http3_wire"} {
		if x, err := explain.Text(e.Fingerprint(key)); err == nil {
			x.Name = key // those of HTTP/3 have one form
			readings[key] = x
		}
	}
	var list []fingerprintRow
	for i, m := range fingerprint.MethodsInOrder(slices.Concat(majorFingerprints, minorFingerprints)...) {
		value := e.Fingerprint(m.Key)
		if value == "" || m.Digest != "" { // the reading of a digest has its text
			continue
		}
		list = append(list, fingerprintRow{m.Title, m.Summary, value, i >= len(majorFingerprints), readings[m.Key]})
	}
	return list
}

// majorFingerprints are those that the page shows at once, in its order.
// minorFingerprints begin those that it shows when the reader asks for more, which
// are all others.
var (
	majorFingerprints = []string{"ja4", "ja3", "ja3n", "http2", "http3", "quic_header_id", "quic_params_id", "stable"}
	minorFingerprints = []string{"ja4_o", "tlsfp_id", "tlsfp_norm_id"}
)

// maxValues is how many values of a part have a name: the text has them all.
const maxValues = 100

// few returns the first of the values.
func few(values []explain.Value) []explain.Value { return values[:min(len(values), maxValues)] }

// Readable reports whether f has parts or notes to read.
func (f *fingerprintRow) Readable() bool { return len(f.Parts)+len(f.Deviations)+len(f.Notes) > 0 }
