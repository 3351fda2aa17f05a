package page

import (
	"strconv"
	"strings"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/quichello"
)

// A carrierData says how a hello came.
type carrierData struct {
	Text string // in how many pieces
	QUIC *event.QUIC
	Via  []string
}

func carrierSection(v *view) any {
	text := carrierText(v.event)
	if text == "" {
		return nil
	}
	return &carrierData{text, v.event.QUIC, v.event.Via}
}

// carrierText says in how many pieces the message came, or nothing if that is
// not known.
func carrierText(e *event.Event) string {
	c := e.Carrier
	if c == nil || c.Records+c.Segments+c.Datagrams == 0 {
		return ""
	}
	var in []string
	for _, p := range []struct {
		n    int
		what string
	}{{c.Records, strings.ToUpper(e.Transport) + " record"}, {c.Segments, "TCP segment"}, {c.Datagrams, "UDP datagram"}} {
		if p.n == 1 {
			in = append(in, "one "+p.what)
		} else if p.n > 1 {
			in = append(in, strconv.Itoa(p.n)+" "+p.what+"s")
		}
	}
	return "A message of " + byteCount(c.Bytes) + ", in " + strings.Join(in, " and ") + "."
}

// quicVersion returns the name of a version of QUIC, and its number.
func quicVersion(number string) string {
	v, err := strconv.ParseUint(number, 0, 32)
	if err != nil {
		return number
	}
	switch quichello.Version(v) {
	case quichello.Version1:
		return "1 (RFC 9000), " + number
	case quichello.Version2:
		return "2 (RFC 9369), " + number
	}
	return number
}

// frameType returns the name of a frame that an Initial packet may have (RFC
// 9000, section 17.2.2), or the type's number.
func frameType(t int) string {
	switch t {
	case 0:
		return "PADDING"
	case 1:
		return "PING"
	case 2, 3:
		return "ACK"
	case 6:
		return "CRYPTO"
	case 0x1c:
		return "CONNECTION_CLOSE"
	}
	return strconv.Itoa(t)
}
