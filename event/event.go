package event

import (
	"net/netip"
	"time"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// An Event is one ClientHello as it was observed. Its JSON form leaves out
// what was not sent, was not asked for, or is not defined for the hello. Fields
// marked full or detail are set in that [Size] and above, all others in each.
//
// Text that the client chose (SNI, ALPN, HTTP headers) is in the form of
// [parser.AppendText]: printable, and lossless through [parser.UnescapeText].
type Event struct {
	Time       time.Time  `json:"time,omitzero"`         // when the hello was complete, in UTC
	ID         ID         `json:"id,omitzero"`           // of the Event
	File       string     `json:"file,omitempty"`        // the capture it was found in
	Packet     int64      `json:"packet,omitempty"`      // the number in File, from 1, of the packet that completed the hello
	Transport  string     `json:"transport"`             // "tls", "quic" or "dtls"
	SrcIP      netip.Addr `json:"src_ip,omitzero"`       // of the client; an IPv4 address is never in IPv6 form
	SrcPort    uint16     `json:"src_port,omitempty"`    // of the client
	DstIP      netip.Addr `json:"dst_ip,omitzero"`       // of the server, in the form of SrcIP
	DstPort    uint16     `json:"dst_port,omitempty"`    // of the server
	SrcMAC     MAC        `json:"src_mac,omitzero"`      // of the client, where it has no other address: with EAP over a local network
	DstMAC     MAC        `json:"dst_mac,omitzero"`      // of the server, in the same way
	Via        []string   `json:"via,omitempty"`         // full: the encapsulations of the packet, outermost first
	HelloIndex int        `json:"hello_index,omitempty"` // 1, or 2 for the hello after a HelloRetryRequest or HelloVerifyRequest
	Conn       ConnID     `json:"conn,omitzero"`         // full: the same for both hellos of a connection
	Shared     bool       `json:"shared,omitempty"`      // full: the connection is that of a trusted proxy, for several clients

	// CommunityID is Corelight's hash of the flow, version 1 with seed 0. Full.
	CommunityID string `json:"community_id,omitempty"`

	// AddressVerified is false if a client over QUIC has not shown that it has the
	// address in SrcIP, which anybody can forge, and otherwise nil.
	AddressVerified *bool `json:"address_verified,omitempty"`

	SNI     *string  `json:"sni,omitempty"`     // server_name; nil without the extension, empty for one without a name
	ALPN    []string `json:"alpn,omitempty"`    // protocols in the order offered
	Version string   `json:"version,omitempty"` // the highest offered: "1.3", "ssl 3.0", or "0x7f1c" if it has no name

	// Full: the lists of the hello in wire order, by IANA's names. "GREASE (0a0a)" and
	// "unknown (1234)" stand for values without one.
	CipherSuites        []string `json:"cipher_suites,omitempty"`
	Extensions          []string `json:"extensions,omitempty"`
	SupportedGroups     []string `json:"supported_groups,omitempty"`
	SignatureAlgorithms []string `json:"signature_algorithms,omitempty"`
	SupportedVersions   []string `json:"supported_versions,omitempty"`
	ECPointFormats      []string `json:"ec_point_formats,omitempty"`
	KeyShareGroups      []string `json:"key_share_groups,omitempty"`

	// Fingerprints stand in the JSON form among the other keys, each under the
	// key of its method. A compact Event has those whose method is not Full.
	Fingerprints fingerprint.Values `json:"-"`

	Session string   `json:"session,omitempty"` // what the client offers to resume with: "fresh", "ticket", "psk" or "early_data"
	Carrier *Carrier `json:"carrier,omitempty"` // full: how the message arrived
	QUIC    *QUIC    `json:"quic,omitempty"`    // full: the first Initial packet; nil over other transports
	SSLv2   *SSLv2   `json:"sslv2,omitempty"`   // nil unless the hello is in SSLv2 format

	HTTP2Wire string     `json:"http2_wire,omitempty"` // full: how HTTP/2 is written, as [fingerprint.HTTP2.Wire] returns it
	UserAgent string     `json:"user_agent,omitempty"` // of the first request
	Handshake *Handshake `json:"handshake,omitempty"`  // full: its outcome; nil if that is not known
	FrontJA4  *FrontJA4  `json:"front_ja4,omitempty"`  // full: what a trusted server in front says of its own client

	Client []known.Candidate `json:"client,omitempty"` // clients that may have sent it, best first
	Tells  []known.Tell      `json:"tells,omitempty"`  // signs that it imitates another client
	Claim  *known.Claim      `json:"claim,omitempty"`  // its User-Agent, checked; nil without one; a compact Event has verdict and proxy alone

	Settled Settled  `json:"settled,omitzero"` // why no more will be known
	Rule    string   `json:"rule,omitempty"`   // of a policy, which decided
	Action  string   `json:"action,omitempty"` // what it decided
	Tags    []string `json:"tags,omitempty"`   // what rules and the server add

	Error    string `json:"error,omitempty"`    // why there is no fingerprint
	Received string `json:"received,omitempty"` // with Error: the first bytes that came, in hex

	Hello *parser.Field `json:"hello,omitempty"` // detail: the message as a tree
	Raw   []byte        `json:"raw,omitempty"`   // detail: the handshake message with its header; base64 in JSON

	line *lineCache // of the Observer if AppendJSON of that made the Event, which then has no text for SNI
}

// Fingerprint returns the fingerprint with the given key, such as "ja4_r", or the
// empty string where e has none.
func (e *Event) Fingerprint(key string) string { return e.Fingerprints.Get(key) }

// Compact returns e as [Observer.Event] makes it in size [Compact]. It shares memory
// with e.
func (e *Event) Compact() (c Event) {
	c = *e
	c.Via, c.Carrier, c.QUIC = nil, nil, nil
	c.Conn, c.Shared, c.CommunityID, c.Handshake, c.FrontJA4 = ConnID{}, false, "", nil, nil
	c.HTTP2Wire = ""
	c.CipherSuites, c.Extensions, c.SupportedGroups, c.SignatureAlgorithms = nil, nil, nil, nil
	c.SupportedVersions, c.ECPointFormats, c.KeyShareGroups = nil, nil, nil
	for i := range fingerprint.Methods {
		if fingerprint.Methods[i].Full {
			c.Fingerprints[i] = ""
		}
	}
	if e.Claim != nil {
		c.Claim = &known.Claim{Verdict: e.Claim.Verdict, Proxy: e.Claim.Proxy}
	}
	c.Hello, c.Raw = nil, nil
	return c
}

// JA3 returns the JA3 fingerprint, or the empty string where e has none.
func (e *Event) JA3() string { return e.Fingerprints.Get("ja3") }

// JA4 returns the JA4 fingerprint, or the empty string where e has none.
func (e *Event) JA4() string { return e.Fingerprints.Get("ja4") }

// A Carrier says how the message arrived. A count is 0 where it does not apply or is
// not known.
type Carrier struct {
	Records   int  `json:"records,omitempty"`   // TLS or DTLS records
	Datagrams int  `json:"datagrams,omitempty"` // UDP, or packets of EAP, or chunks or messages of SCTP
	Segments  int  `json:"segments,omitempty"`  // TCP
	Bytes     int  `json:"bytes,omitempty"`     // of the handshake message, its header included
	Split     bool `json:"split"`               // over more than one record, datagram or segment
	Overlap   bool `json:"overlap,omitempty"`   // parts came twice and differ; the first copy was taken

	// Prefix is how many bytes of the TCP stream came before the first hello, such as
	// STARTTLS: without the SYN of the connection, those in the same segment.
	Prefix int64 `json:"prefix,omitempty"`
}

// QUIC has what a QUIC client shows besides its hello (RFC 9000, section 17.2).
// Connection IDs, token, packet number and frames are those of the first
// Initial packet.
type QUIC struct {
	Version             string               `json:"version"`                        // in hex: "0x00000001"
	DCIDLen             int                  `json:"dcid_len"`                       // bytes
	SCIDLen             int                  `json:"scid_len"`                       // bytes
	TokenLen            int                  `json:"token_len"`                      // bytes
	PacketNumber        uint64               `json:"packet_number"`                  // lowest one seen
	PacketNumberLen     int                  `json:"packet_number_len"`              // bytes on the wire, 1 to 4
	FrameTypes          []int                `json:"frame_types"`                    // each once, in order of appearance
	Initials            int                  `json:"initials"`                       // packets that carried the hello
	OutOfOrder          bool                 `json:"out_of_order"`                   // CRYPTO frames came out of order, or overlapped
	TransportParameters []TransportParameter `json:"transport_parameters,omitempty"` // in wire order
}

// A TransportParameter is a QUIC transport parameter (RFC 9000, section 18).
type TransportParameter struct {
	ID    uint64 `json:"id"`             // as sent
	Name  string `json:"name,omitempty"` // IANA's, or GREASE
	Value string `json:"value"`          // hex
}

// SSLv2 has the fields of a hello in SSLv2 format (RFC 5246, appendix E.2).
type SSLv2 struct {
	CipherSpecs []string `json:"cipher_specs"` // in wire order, six hex digits each
	SessionID   string   `json:"session_id"`   // hex
	Challenge   string   `json:"challenge"`    // hex
}
