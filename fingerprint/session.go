package fingerprint

import "github.com/tlspeek/tlspeek/parser"

// A Session says whether a client offers to resume a session, as far as its
// hello shows it. Most fingerprints of a client differ with it; [Stable] does not.
type Session uint8

// The states of a session. A hello to which several apply has the last of them.
const (
	// SessionFresh: nothing is offered. A session known by its
	// legacy_session_id alone (RFC 5246, section 7.4.1.2) cannot be told from
	// the random one that many clients send, and counts as fresh.
	SessionFresh Session = iota

	// SessionTicket: a ticket in session_ticket (RFC 5077).
	SessionTicket

	// SessionPSK: pre_shared_key (RFC 8446, section 4.2.11), from a session or set
	// up out of band.
	SessionPSK

	// SessionEarlyData: early_data (RFC 8446, section 4.2.10).
	SessionEarlyData
)

// SessionOf returns what h offers.
func SessionOf(h *parser.ClientHello) Session {
	switch {
	case h.HasExtension(parser.ExtEarlyData):
		return SessionEarlyData
	case h.HasExtension(parser.ExtPreSharedKey):
		return SessionPSK
	case len(h.SessionTicket) > 0:
		return SessionTicket
	}
	return SessionFresh
}

// String returns "fresh", "ticket", "psk" or "early_data".
func (s Session) String() string {
	switch s {
	case SessionFresh:
		return "fresh"
	case SessionTicket:
		return "ticket"
	case SessionPSK:
		return "psk"
	case SessionEarlyData:
		return "early_data"
	}
	return "unknown"
}
