package signals

import (
	"net/netip"
	"strings"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
)

// A Sample is what a [Table] counts of one request. What is empty is not counted.
type Sample struct {
	JA4, Stable, Client         string // keys
	Addr                        netip.Addr
	UserAgent, Path, ServerName string
	HTTP2, HTTP3                bool
	Tells                       bool

	// Again is set if the request was counted before more was known of it: what the
	// Sample has counts, and the request does not, nor do its tells.
	Again bool
}

// ClientName returns the name of the client that an Event is counted by: that of the
// best candidate as [known.Best] chooses it, or "" if there is none.
func ClientName(e *event.Event) string {
	if best := known.Best(e.Client); best != nil {
		return best.Name
	}
	return ""
}

// SampleOf returns the Sample of a hello, whose Event must be full for its stable form.
// The version of HTTP is that of the ALPN protocol that was chosen, as far as it is
// known; over QUIC it is HTTP/3 if the client offers that.
func SampleOf(e *event.Event) Sample {
	s := Sample{
		JA4:       e.JA4(),
		Stable:    e.Fingerprint("stable"),
		Client:    ClientName(e),
		Addr:      e.SrcIP,
		UserAgent: e.UserAgent,
		Tells:     known.IsEvidence(e.Tells),
	}
	if e.SNI != nil {
		s.ServerName = *e.SNI
	}
	switch {
	case e.Handshake != nil && e.Handshake.ALPN != "":
		s.HTTP2, s.HTTP3 = e.Handshake.ALPN == "h2", e.Handshake.ALPN == "h3"
	case e.Transport == "quic":
		for _, protocol := range e.ALPN {
			s.HTTP3 = s.HTTP3 || protocol == "h3" || strings.HasPrefix(protocol, "h3-")
		}
	}
	return s
}

// ObserveHello counts the hello of a capture, whose Event is full, at its time. The second
// one of a connection does not count.
func (t *Table) ObserveHello(e *event.Event) {
	if e.HelloIndex <= 1 {
		t.Observe(SampleOf(e), e.Time)
	}
}

// A hashed is a Sample with the hashes of its values, 0 for none.
type hashed struct {
	requests, h2, h3, tells uint32
	addr, userAgent         uint64
	path, serverName        uint64
	ja4                     uint64
}

// hashed returns s with the hashes of its values.
func (s secret) hashed(from *Sample) (h hashed) {
	if !from.Again {
		h.requests, h.tells = 1, one(from.Tells)
	}
	h.h2, h.h3 = one(from.HTTP2), one(from.HTTP3 && !from.HTTP2)
	if from.Addr.IsValid() {
		h.addr = s.hashAddr(clientOf(from.Addr))
	}
	h.userAgent, h.path, h.serverName = s.hashText(from.UserAgent), s.hashText(from.Path), s.hashText(from.ServerName)
	h.ja4 = s.hashText(from.JA4)
	return h
}

func one(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// hashText returns the hash of text, or 0 for none.
func (s secret) hashText(text string) uint64 {
	if text == "" {
		return 0
	}
	return s.hash(text)
}
