package event

import (
	"net/netip"
	"time"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// A Size says how much an [Event] has.
type Size uint8

// The sizes of an Event. Each has what the ones before it have.
const (
	Compact Size = iota // what scan prints and events files hold
	Full                // every fingerprint, and how the hello arrived
	Detail              // the message as a tree and as bytes
)

// An Observation is one hello, or the failure to read one, with what its carrier
// shows. The zero value of a field says that it is not known. An Observer changes
// nothing of it.
type Observation struct {
	ID        ID                       // zero for a digest of the rest: see ID
	Conn      ConnID                   // the connection of a server
	Time      time.Time                // when the hello was complete
	Src, Dst  netip.AddrPort           // of the client and of the server
	Protocol  uint8                    // of IP; 0 for TCP with TLS, and UDP otherwise
	SrcMAC    MAC                      // of the client, where Src is not valid
	DstMAC    MAC                      // of the server, where Dst is not valid
	File      string                   // the capture
	Packet    int64                    // number of the packet that completed the hello, from 1
	Via       []string                 // encapsulations, outermost first
	Index     int                      // 1, or 2 for the hello after a HelloRetryRequest or HelloVerifyRequest
	Carrier   Carrier                  // without Split, which follows from the rest
	QUIC      *fingerprint.QUICInitial // nil over other transports
	HTTP2     string                   // fingerprint in Akamai's format
	HTTP3     string                   // as fingerprint.AppendHTTP3 appends it
	HTTP3Wire string                   // as fingerprint.AppendHTTP3Wire appends it
	Request   known.Request            // what the first HTTP request says of the client

	HTTP2Wire string       // how HTTP/2 is written, as [fingerprint.HTTP2.Wire] returns it
	Settled   Settled      // why no more will be known
	Handshake *Handshake   // its outcome
	Shared    bool         // the connection is that of a trusted proxy, for several clients
	FrontJA4  *FrontJA4    // what a trusted server in front says of its own client
	Tells     []known.Tell // what this and earlier connections of the client show together
	Rule      string       // of a policy, which decided
	Action    string       // what it decided
	Tags      []string     // what rules and the server add

	// Unverified says that a client over QUIC has not shown that it has the address
	// in Src.
	Unverified bool

	// RecordVersion is the legacy_record_version of the first TLS record.
	RecordVersion parser.Version

	// Hello is nil if there is none. Then Transport is set, Err says why there is
	// none, and Received has the first bytes that came instead.
	//
	// A Hello with an Err was decoded up to the error only. Transport counts only
	// where Hello is nil: a hello has its own.
	Hello     *parser.ClientHello
	Transport parser.Transport
	Err       error
	Received  []byte
}
