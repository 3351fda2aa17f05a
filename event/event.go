package event

import (
	"net/netip"
	"time"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// An Event is one ClientHello as it was observed. Its JSON form leaves out
// what was not sent, was not asked for, or is not defined for the hello.
//
// Text that the client chose (SNI, ALPN, HTTP headers) is in the form of
// [parser.AppendText]: printable, and lossless through [parser.UnescapeText].
type Event struct {
	Time       time.Time  `json:"time,omitzero"`
	File       string     `json:"file,omitempty"`   // the capture it was found in
	Packet     int64      `json:"packet,omitempty"` // of that capture, counted from 1, which completed the hello
	Transport  string     `json:"transport"`        // tls, quic or dtls
	SrcIP      netip.Addr `json:"src_ip,omitzero"`
	SrcPort    uint16     `json:"src_port,omitempty"`
	DstIP      netip.Addr `json:"dst_ip,omitzero"`
	DstPort    uint16     `json:"dst_port,omitempty"`
	Via        []string   `json:"via,omitempty"` // what the packets were wrapped in, outermost first
	HelloIndex int        `json:"hello_index,omitempty"`

	SNI     *string  `json:"sni,omitempty"`  // nil without the extension
	ALPN    []string `json:"alpn,omitempty"` // in the order offered
	Version string   `json:"version,omitempty"`

	// Fingerprints stand in the JSON form among the other keys, each under the
	// key of its method. A compact Event has those whose method is not Full.
	Fingerprints fingerprint.Values `json:"-"`

	Session string   `json:"session,omitempty"` // fresh, ticket, psk or early_data
	Carrier *Carrier `json:"carrier,omitempty"`
	QUIC    *QUIC    `json:"quic,omitempty"`
	SSLv2   *SSLv2   `json:"sslv2,omitempty"`

	Client []known.Candidate `json:"client,omitempty"` // who may have sent it, best first
	Tells  []known.Tell      `json:"tells,omitempty"`  // signs that it is not who it looks like
	Claim  *known.Claim      `json:"claim,omitempty"`  // who it says it is, with a User-Agent

	Error    string `json:"error,omitempty"`    // why there is no fingerprint
	Received string `json:"received,omitempty"` // with Error: the first bytes that came, in hex

	Hello *parser.Field `json:"hello,omitempty"` // detail: the message as a tree
	Raw   []byte        `json:"raw,omitempty"`   // detail: the message, base64

	serverName []byte // set by Observer.AppendJSON instead of the text of SNI
}

// Fingerprint returns the fingerprint with the given key, such as "ja4_r", or the
// empty string where e has none.
func (e *Event) Fingerprint(key string) string { return e.Fingerprints.Get(key) }

// JA3 returns the JA3 fingerprint.
func (e *Event) JA3() string { return e.Fingerprints.Get("ja3") }

// JA4 returns the JA4 fingerprint.
func (e *Event) JA4() string { return e.Fingerprints.Get("ja4") }

// A Carrier says how the message arrived.
type Carrier struct {
	Records   int  `json:"records,omitempty"`   // TLS or DTLS records
	Datagrams int  `json:"datagrams,omitempty"` // UDP
	Segments  int  `json:"segments,omitempty"`  // TCP
	Bytes     int  `json:"bytes,omitempty"`     // of the handshake message
	Split     bool `json:"split"`               // over more than one record, datagram or segment
	Overlap   bool `json:"overlap,omitempty"`   // parts came twice and differ; the first copy was taken
}

// QUIC has what a QUIC client shows besides its hello (RFC 9000, section 17.2).
// Connection ids, token, packet number and frames are those of the first
// Initial packet.
type QUIC struct {
	Version             string               `json:"version"`           // hex, 0x00000001
	DCIDLen             int                  `json:"dcid_len"`          // bytes
	SCIDLen             int                  `json:"scid_len"`          // bytes
	TokenLen            int                  `json:"token_len"`         // bytes
	PacketNumber        uint64               `json:"packet_number"`     //
	PacketNumberLen     int                  `json:"packet_number_len"` // bytes
	FrameTypes          []int                `json:"frame_types"`       // each once, as they come
	Initials            int                  `json:"initials"`          // that the hello lies in
	OutOfOrder          bool                 `json:"out_of_order"`      // CRYPTO frames came out of order, or overlapped
	TransportParameters []TransportParameter `json:"transport_parameters,omitempty"`
}

// A TransportParameter is a QUIC transport parameter (RFC 9000, section 18).
type TransportParameter struct {
	ID    uint64 `json:"id"`
	Name  string `json:"name,omitempty"` // IANA's, or GREASE
	Value string `json:"value"`          // hex
}

// SSLv2 has the fields of a hello in SSLv2 format (RFC 5246, appendix E.2).
type SSLv2 struct {
	CipherSpecs []string `json:"cipher_specs"` // hex
	SessionID   string   `json:"session_id"`   // hex
	Challenge   string   `json:"challenge"`    // hex
}
