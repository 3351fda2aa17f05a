package page

import (
	"crypto/tls"
	"fmt"
	"strings"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/server"
)

// A handshakeData says who sent what, in which order, and what was negotiated.
type handshakeData struct {
	Facts []fact
	Steps []handshakeStep
}

// A fact is a property of the handshake.
type fact struct{ Name, Value string }

// A handshakeStep is what one side sent without waiting for the other.
type handshakeStep struct {
	Server   bool // sent it
	Messages []string
	Note     string
	At       string // when it came
}

// From returns who sent the step.
func (s *handshakeStep) From() string {
	if s.Server {
		return "server"
	}
	return "client"
}

func handshakeSection(v *view) any {
	if v.state == nil {
		return nil
	}
	return newHandshakeData(v.event, v.state, v.times)
}

// newHandshakeData reconstructs the handshake that began with the hello of e and
// resulted in state.
func newHandshakeData(e *event.Event, state *tls.ConnectionState, t server.Times) *handshakeData {
	h := new(handshakeData)
	h.fact("Version", tls.VersionName(state.Version))
	h.fact("Cipher suite", tls.CipherSuiteName(state.CipherSuite))
	if state.CurveID != 0 {
		h.fact("Key exchange", state.CurveID.String())
	}
	h.fact("ALPN", orText(state.NegotiatedProtocol, "none agreed"))
	h.fact("Session", map[bool]string{false: "new", true: "resumed"}[state.DidResume])
	h.fact("HelloRetryRequest", map[bool]string{false: "not needed", true: "sent"}[state.HelloRetryRequest])

	h.step(false, offerText(e), "ClientHello")
	h.Steps[0].At = after(t.Accepted, t.Hello, "the connection began")
	if state.Version == tls.VersionTLS13 {
		h.tls13(state, t)
	} else {
		h.tls12(state)
	}
	for i := len(h.Steps) - 1; i > 0; i-- {
		if !h.Steps[i].Server {
			// With early data the client's first encrypted record is not its Finished.
			if e.Session != "early_data" {
				h.Steps[i].At = after(latest(t.Hello, t.SecondHello), t.Finished, "its hello: a round trip, and the server's work")
			}
			break
		}
	}
	return h
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// after says how long after from at was, or nothing where that is not known.
func after(from, at time.Time, what string) string {
	if from.IsZero() || at.Before(from) {
		return ""
	}
	return fmt.Sprintf("%.1f ms after %s", float64(at.Sub(from).Microseconds())/1000, what)
}

func (h *handshakeData) fact(name, value string) { h.Facts = append(h.Facts, fact{name, value}) }

func (h *handshakeData) step(server bool, note string, messages ...string) {
	h.Steps = append(h.Steps, handshakeStep{Server: server, Messages: messages, Note: note})
}

// tls13 is the message flow of RFC 8446, section 2.
func (h *handshakeData) tls13(state *tls.ConnectionState, t server.Times) {
	if state.HelloRetryRequest {
		h.step(true, "no key share was of a group that the server has", "HelloRetryRequest")
		h.step(false, "with a share for "+state.CurveID.String(), "ClientHello again")
		h.Steps[2].At = after(t.Hello, t.SecondHello, "the first")
	}
	flight := []string{"ServerHello", "EncryptedExtensions"}
	if !state.DidResume {
		flight = append(flight, "Certificate", "CertificateVerify")
	}
	h.step(true, tls.CipherSuiteName(state.CipherSuite)+", "+state.CurveID.String(), append(flight, "Finished")...)
	h.step(false, "then its requests", "Finished")
}

// tls12 is the message flow of RFC 5246, section 7.3, with tickets of RFC 5077.
func (h *handshakeData) tls12(state *tls.ConnectionState) {
	suite := tls.CipherSuiteName(state.CipherSuite)
	if state.DidResume {
		h.step(true, suite, "ServerHello", "ChangeCipherSpec", "Finished")
		h.step(false, "then its requests", "ChangeCipherSpec", "Finished")
		return
	}
	flight := []string{"ServerHello", "Certificate"}
	if state.CurveID != 0 {
		flight = append(flight, "ServerKeyExchange")
	}
	h.step(true, suite, append(flight, "ServerHelloDone")...)
	h.step(false, "", "ClientKeyExchange", "ChangeCipherSpec", "Finished")
	h.step(true, "then answers", "ChangeCipherSpec", "Finished")
}

// offerText says what the hello offers.
func offerText(e *event.Event) string {
	name := "TLS " // QUIC's handshake is that of TLS
	if e.Transport == "dtls" {
		name = "DTLS "
	}
	parts := []string{"offers " + name + e.Version}
	if len(e.ALPN) > 0 {
		parts = append(parts, "ALPN "+strings.Join(e.ALPN[:min(len(e.ALPN), 4)], ", "))
	}
	switch e.Session {
	case "ticket", "psk", "early_data":
		parts = append(parts, "a session to resume")
	}
	return strings.Join(parts, "; ")
}
