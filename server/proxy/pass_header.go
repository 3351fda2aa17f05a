package proxy

import (
	"net"
	"strings"
	"unicode/utf8"

	"github.com/pires/go-proxyproto"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/headertext"
	"github.com/tlspeek/tlspeek/parser"
)

// A ProxyProtocol is a version of the PROXY protocol, in which a [Pass] tells the server
// behind it who the client is.
type ProxyProtocol uint8

const (
	ProxyV2   ProxyProtocol = iota // version 2, with what is known of the client
	ProxyV1                        // version 1: the addresses alone
	ProxyNone                      // no header
)

// The TLVs of a header. Those from 0xE0 to 0xEF are for everyone's own use.
const (
	tlvALPN      = proxyproto.PP2_TYPE_ALPN
	tlvAuthority = proxyproto.PP2_TYPE_AUTHORITY
	tlvJA3       = proxyproto.PP2Type(0xE3)
	tlvJA4       = proxyproto.PP2Type(0xE4)
	tlvClient    = proxyproto.PP2Type(0xE5)
	tlvTags      = proxyproto.PP2Type(0xE6)
)

// maxTLV bounds the client and the tags, each. With the names that a client chose, a
// header has at most 2 KiB: servers read 4 KiB at least.
const maxTLV = 512

// header returns the header for a connection from client to local, or nil for none. e may
// be nil, and is read only for version 2.
func (v ProxyProtocol) header(client, local net.Addr, e *event.Event) ([]byte, error) {
	switch v {
	case ProxyNone:
		return nil, nil
	case ProxyV1:
		return proxyproto.HeaderProxyFromAddrs(1, tcpAddr(client), tcpAddr(local)).Format()
	}
	h := proxyproto.HeaderProxyFromAddrs(2, tcpAddr(client), tcpAddr(local))
	var room [6]proxyproto.TLV
	if err := h.SetTLVs(appendTLVs(room[:0], e)); err != nil {
		return nil, err
	}
	return h.Format()
}

// tcpAddr returns a if it is that of a TCP connection, and otherwise nil: the names of
// Unix sockets mean nothing to others.
func tcpAddr(a net.Addr) net.Addr {
	if a, ok := a.(*net.TCPAddr); ok {
		return a
	}
	return nil
}

// appendTLVs appends what is known of the client. What is not known is left out.
func appendTLVs(tlvs []proxyproto.TLV, e *event.Event) []proxyproto.TLV {
	if e == nil {
		return tlvs
	}
	add := func(t proxyproto.PP2Type, value string) {
		if value != "" {
			tlvs = append(tlvs, proxyproto.TLV{Type: t, Value: []byte(value)})
		}
	}
	if e.SNI != nil && e.Error == "" {
		add(tlvAuthority, authority(*e.SNI))
	}
	add(tlvALPN, firstProtocol(e.ALPN))
	add(tlvJA3, e.JA3())
	add(tlvJA4, e.JA4())
	add(tlvClient, cutList(headertext.List(headertext.NearestNames(e.Client))))
	add(tlvTags, tagList(e.Tags))
	return tlvs
}

// authority returns the server_name, in the form of parser.AppendText, as the bytes that
// the client sent. It returns "" where those are too long for a name, or are no text.
func authority(name string) string {
	if len(name) > maxName || strings.IndexByte(name, '\\') >= 0 || !utf8.ValidString(name) {
		return ""
	}
	return name
}

// firstProtocol returns the protocol that the client prefers: the first but GREASE. The
// names are in the form of parser.AppendText; all that are in use are printable.
func firstProtocol(names []string) string {
	for _, name := range names {
		escaped := strings.IndexByte(name, '\\') >= 0
		switch {
		case len(name) == 2 && parser.IsGREASEALPN([]byte(name)):
		case escaped && isGREASEText(name):
		case escaped:
			return ""
		default:
			return name
		}
	}
	return ""
}

// isGREASEText reports whether the text stands for the bytes of a GREASE protocol.
func isGREASEText(text string) bool {
	name, err := parser.UnescapeText(text)
	return err == nil && parser.IsGREASEALPN(name)
}

// tagList returns tags as server.Headers has them, as many as there is room for.
func tagList(tags []string) string {
	if len(tags) == 0 {
		return ""
	}
	var b strings.Builder
	for _, tag := range tags {
		text := headertext.List([]string{tag})
		if text == "" {
			continue
		}
		if b.Len()+len(", ")+len(text) > maxTLV {
			break
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(text)
	}
	return b.String()
}

// cutList returns a list with as many elements as there is room for.
func cutList(list string) string {
	if len(list) <= maxTLV {
		return list
	}
	return list[:max(0, strings.LastIndex(list[:maxTLV+1], ", "))]
}
