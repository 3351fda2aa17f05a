package event

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

// highestVersion returns the highest version offered that is not GREASE. DTLS
// counts down: its highest version has the lowest number (RFC 9147, section 5.3).
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

// versionText returns a version as an Event has it: "1.3", "ssl 3.0", "0x7f1c".
func versionText(v parser.Version) string {
	s := v.String()
	for _, name := range []string{"TLS ", "DTLS "} {
		if rest, ok := strings.CutPrefix(s, name); ok {
			return rest
		}
	}
	return strings.ToLower(s)
}

// renderSSLv2 fills e for a hello in SSLv2 format.
func renderSSLv2(e *Event, h *parser.ClientHello) {
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

// renderQUIC returns q and the transport parameters of h.
func renderQUIC(q *fingerprint.QUICInitial, h *parser.ClientHello) *QUIC {
	e := &QUIC{
		Version:         fmt.Sprintf("0x%08x", q.Version),
		DCIDLen:         q.DCIDLen,
		SCIDLen:         q.SCIDLen,
		TokenLen:        q.TokenLen,
		PacketNumber:    q.PacketNumber,
		PacketNumberLen: q.PacketNumberLen,
		FrameTypes:      make([]int, len(q.FrameTypes)),
		Initials:        q.Initials,
		OutOfOrder:      q.OutOfOrder,
	}
	for i, t := range q.FrameTypes {
		e.FrameTypes[i] = int(t)
	}
	for _, p := range h.TransportParameters {
		e.TransportParameters = append(e.TransportParameters, TransportParameter{
			ID: p.ID, Name: p.Name(), Value: hex.EncodeToString(p.Value),
		})
	}
	return e
}

// Initial returns the packet that q describes, or nil if q is nil or its version
// is not a number.
func (q *QUIC) Initial() *fingerprint.QUICInitial {
	if q == nil {
		return nil
	}
	version, err := strconv.ParseUint(q.Version, 0, 32)
	if err != nil {
		return nil
	}
	i := &fingerprint.QUICInitial{
		Version:         uint32(version),
		DCIDLen:         q.DCIDLen,
		SCIDLen:         q.SCIDLen,
		TokenLen:        q.TokenLen,
		PacketNumber:    q.PacketNumber,
		PacketNumberLen: q.PacketNumberLen,
		FrameTypes:      make([]byte, len(q.FrameTypes)),
		Initials:        q.Initials,
		OutOfOrder:      q.OutOfOrder,
	}
	for n, t := range q.FrameTypes {
		i.FrameTypes[n] = byte(t)
	}
	return i
}
