package event

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

// A Size says how much of a hello an [Event] tells.
type Size uint8

// The sizes of an Event.
const (
	Compact Size = iota // what scan prints and events files hold
	Full                // every fingerprint, and how the hello came
	Detail              // Full, with the bytes of the message
)

// An Observation is what the carrier of a hello knows of it.
type Observation struct {
	Time     time.Time
	Src, Dst netip.AddrPort // zero where unknown
	File     string
	Packet   int64
	Via      []string
	Index    int // 1, or 2 for the hello after a HelloRetryRequest
	Carrier  Carrier
	QUIC     *QUIC // without the transport parameters, which the hello has

	// Hello is nil when there is none, and then Err says why and Seen has
	// the bytes that came. Transport is that of the Hello.
	Hello     *parser.ClientHello
	Transport parser.Transport
	Err       error
	Seen      []byte
}

// An Observer makes Events of Observations, each of them here and nowhere
// else. The zero value is ready. It is not for use by several goroutines at
// once.
type Observer struct {
	buf  []byte // the texts of one Event, which become one string
	ends []int
}

// Event returns what is to be told of o, in the given size. What Detail adds
// aliases the hello, nothing else does.
func (ob *Observer) Event(o *Observation, size Size) Event {
	e := Event{
		Time:       o.Time.UTC(),
		Transport:  o.Transport.String(),
		SrcIP:      o.Src.Addr().Unmap(),
		SrcPort:    o.Src.Port(),
		DstIP:      o.Dst.Addr().Unmap(),
		DstPort:    o.Dst.Port(),
		HelloIndex: o.Index,
	}
	if size >= Full {
		e.File, e.Packet, e.Via = parser.Text([]byte(o.File)), o.Packet, o.Via
		carrier := o.Carrier
		carrier.Split = max(carrier.Records, carrier.Datagrams, carrier.Segments) > 1
		e.Carrier = &carrier
	}
	if o.Err != nil {
		e.Error = parser.Text([]byte(o.Err.Error()))
		e.Seen = hex.EncodeToString(o.Seen)
	}
	h := o.Hello
	if h == nil {
		return e
	}
	e.Transport = h.Transport.String()
	if h.SSLv2 {
		ob.sslv2(&e, h)
	} else {
		ob.fingerprints(&e, h, size)
		if size >= Full {
			e.QUIC = withParameters(o.QUIC, h)
		}
	}
	if size == Detail {
		e.Raw = h.Raw
	}
	return e
}

// fingerprints fills the texts of e, which share one string: a hello costs an
// allocation or two, not one a value.
func (ob *Observer) fingerprints(e *Event, h *parser.ClientHello, size Size) {
	ob.buf, ob.ends = ob.buf[:0], ob.ends[:0]
	add := func(f func([]byte, *parser.ClientHello) []byte) {
		ob.buf = f(ob.buf, h)
		ob.ends = append(ob.ends, len(ob.buf))
	}
	add(appendVersion)
	add(fingerprint.AppendJA3)
	add(fingerprint.AppendJA3N)
	add(fingerprint.AppendJA4)
	if size >= Full {
		add(fingerprint.AppendJA3Full)
		add(fingerprint.AppendJA3NFull)
		add(fingerprint.AppendJA4R)
		add(fingerprint.AppendJA4O)
		add(fingerprint.AppendJA4RO)
	}
	add(func(dst []byte, h *parser.ClientHello) []byte { return parser.AppendText(dst, h.ServerName) })
	for _, p := range h.ALPNProtocols {
		ob.buf = parser.AppendText(ob.buf, p)
		ob.ends = append(ob.ends, len(ob.buf))
	}

	all, i, from := string(ob.buf), 0, 0
	next := func() string {
		s := all[from:ob.ends[i]]
		i, from = i+1, ob.ends[i]
		return s
	}
	e.Version, e.JA3, e.JA3N, e.JA4 = next(), next(), next(), next()
	if size >= Full {
		e.JA3Full, e.JA3NFull, e.JA4R, e.JA4O, e.JA4RO = next(), next(), next(), next(), next()
	}
	sni := next()
	if h.HasExtension(parser.ExtServerName) {
		e.SNI = &sni
	}
	if len(h.ALPNProtocols) > 0 {
		e.ALPN = make([]string, len(h.ALPNProtocols))
		for i := range e.ALPN {
			e.ALPN[i] = next()
		}
	}
}

// appendVersion appends the highest version that h offers, as "1.3".
func appendVersion(dst []byte, h *parser.ClientHello) []byte {
	return append(dst, versionText(highestVersion(h))...)
}

// highestVersion returns the highest version offered, GREASE aside. DTLS
// counts down: its highest version is the lowest number (RFC 9147, section 5.3).
func highestVersion(h *parser.ClientHello) parser.Version {
	var highest parser.Version
	for _, v := range h.SupportedVersions {
		switch {
		case parser.IsGREASE(v):
		case highest == 0, h.Transport == parser.DTLS && isDTLS(v) && (v < highest || !isDTLS(highest)),
			h.Transport != parser.DTLS && v > highest:
			highest = v
		}
	}
	if highest == 0 {
		return h.LegacyVersion
	}
	return highest
}

func isDTLS(v parser.Version) bool { return v>>8 == 0xfe }

func versionText(v parser.Version) string {
	s := v.String()
	for _, name := range []string{"TLS ", "DTLS "} {
		if rest, ok := strings.CutPrefix(s, name); ok {
			return rest
		}
	}
	return strings.ToLower(s)
}

// sslv2 tells of a hello in SSLv2 format, which JA3 and JA4 do not define.
func (ob *Observer) sslv2(e *Event, h *parser.ClientHello) {
	e.Version = versionText(h.LegacyVersion)
	e.Error = "hello in SSLv2 format, for which no fingerprint is defined"
	e.SSLv2 = &SSLv2{
		SessionID: hex.EncodeToString(h.LegacySessionID),
		Challenge: hex.EncodeToString(h.Random),
	}
	for _, c := range h.CipherSpecs {
		e.SSLv2.CipherSpecs = append(e.SSLv2.CipherSpecs, fmt.Sprintf("%06x", uint32(c)))
	}
}

// withParameters returns a copy of q with the transport parameters of h.
func withParameters(q *QUIC, h *parser.ClientHello) *QUIC {
	if q == nil {
		return nil
	}
	c := *q
	for _, p := range h.TransportParameters {
		c.TransportParameters = append(c.TransportParameters, TransportParameter{
			ID: p.ID, Name: p.Name(), Value: hex.EncodeToString(p.Value),
		})
	}
	return &c
}
