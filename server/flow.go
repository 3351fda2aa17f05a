package server

import (
	"net/netip"
	"slices"
	"time"

	"github.com/tlspeek/tlspeek/internal/lru"
	"github.com/tlspeek/tlspeek/quichello"
)

// Bounds on what a tap keeps and does for one port of a client. A browser sends a
// hello of 2 KB in two Initials, sends it again after a Retry, and opens one
// connection from a port. Some programs open many from one port.
const (
	maxFlowAge       = 10 * time.Second // without a new connection; a handshake is over or lost by then
	maxFlowHellos    = 32               // complete ones from which no connection has come
	maxFlowMessages  = 64 << 10         // bytes of these; the latest is kept in any case
	maxFlowAssembled = 96 << 10         // bytes that the Assembler holds; quic-go accepts no hello over 16 KB
	maxFlowIssued    = 64               // connection IDs of the server that were sent to it

	// flowWork is in the unit of workOf. An Initial of a new connection costs 3 to
	// 7, so that a port has about a hundred connections at once, and ten a second
	// after that. It starts anew when a client has shown its address.
	flowWork = 512
)

// maxTapBytes bounds what is kept of all flows. One with a complete hello takes 4 KB.
const maxTapBytes = 16 << 20

// maxWork bounds, in the unit of workOf, what a second of Initials may cost that
// come from clients which have not shown their address: about a tenth of a
// processor. It applies to Initials with a token and without one separately,
// because a flood of Initials without a token has honest clients come back with
// one.
const maxWork = 30_000

// firstWork is what a port may cost although all clients together have reached maxWork:
// enough for the rest of a hello whose first part was read.
const firstWork = 16

// workOf returns the cost of key derivations and attempts to open a packet. The
// unit is that of an attempt, 1 to 3 microseconds.
func workOf(derivations, attempts int) int { return 2*derivations + attempts }

// Sizes of what is kept besides messages. TestFlowSizes compares them with the
// memory that flows take.
const (
	flowSize  = 1 << 10
	helloSize = 1 << 10
)

// A flow is what a client sends from one port. A hello during which the port changes is in
// two flows and not found: unlike a capture, a tap does not look for the rest of it by
// connection ID, so that nobody can add to what another client has sent.
type flow struct {
	node      lru.Node[flow]
	client    netip.AddrPort
	begun     time.Time // the latest connection
	assembler quichello.Assembler
	hellos    []*flowHello // oldest first
	loose     int          // number of hellos from which no connection has come
	messages  int          // bytes of these
	waiting   []*quicConn  // with a proved address, and without a hello
	issued    []issuedID   // oldest first
	work      workBudget   // of the flow
	spent     [2]int       // of the budgets of all flows
}

// A flowHello is a hello of a connection whose handshake is not finished, or from
// which no connection has come.
type flowHello struct {
	*quicHellos
	id   quichello.ConnectionID // that the client chose first
	conn *quicConn              // nil if there is none
}

// An issuedID is a connection ID that the server has chosen, and sent to a client in
// a packet with a long header. A client that uses it has received that packet (RFC
// 9000, section 8.1), unless it has guessed 64 bits.
type issuedID struct {
	id     quichello.ConnectionID
	client quichello.ConnectionID // that the client chose
	used   bool
}

// serverIDLen is the length of the connection IDs that the server chooses.
const serverIDLen = 8

// begins reports whether f has not cost more than a client that opens a connection.
func (f *flow) begins() bool { return f.spent[0]+f.spent[1] < firstWork }

// size returns about how many bytes of memory f takes.
func (f *flow) size() int {
	n := flowSize + f.assembler.Buffered() + cap(f.issued)*48
	for _, h := range f.hellos {
		n += helloSize + h.messageSize()
	}
	return n
}

// find returns the hello of the connection that began with id, or nil.
func (f *flow) find(id quichello.ConnectionID) *flowHello {
	for _, h := range slices.Backward(f.hellos) {
		if h.id == id {
			return h
		}
	}
	return nil
}

// add adds the first hello of a connection, and drops others if there is no room.
func (f *flow) add(h *flowHello) (dropped []*quicHellos) {
	f.hellos = append(f.hellos, h)
	if h.conn != nil {
		return nil
	}
	f.loose++
	f.messages += h.messageSize()
	f.hellos = slices.DeleteFunc(f.hellos, func(old *flowHello) bool {
		if old == h || old.conn != nil || f.loose <= maxFlowHellos && f.messages <= maxFlowMessages && h.first.time.Sub(old.first.time) <= maxFlowAge {
			return false
		}
		f.tie(old)
		dropped = append(dropped, old.quicHellos)
		return true
	})
	return dropped
}

// tie has h no longer count as one from which no connection has come.
func (f *flow) tie(h *flowHello) {
	f.loose--
	f.messages -= h.messageSize()
}

// give gives c the hello h.
func (f *flow) give(h *flowHello, c *quicConn) {
	f.tie(h)
	h.conn = c
	c.setHellos(h.quicHellos)
}

// onlyWithToken returns the hello that came with a token and from which no connection
// has come, if there is exactly one.
func (f *flow) onlyWithToken() (only *flowHello) {
	for _, h := range f.hellos {
		if h.conn != nil || h.first.TokenLen == 0 {
			continue
		}
		if only != nil {
			return nil
		}
		only = h
	}
	return only
}

// issue records that the server has sent id to the client.
func (f *flow) issue(id quichello.ConnectionID, client quichello.ConnectionID) {
	if f.issuedTo(id) != nil {
		return
	}
	if len(f.issued) == maxFlowIssued {
		f.issued = slices.Delete(f.issued, 0, 1)
	}
	f.issued = append(f.issued, issuedID{id: id, client: client})
}

// issuedTo returns what is known of the connection ID id, or nil if it was not sent
// to the client.
func (f *flow) issuedTo(id quichello.ConnectionID) *issuedID {
	for i := range f.issued {
		if f.issued[i].id == id {
			return &f.issued[i]
		}
	}
	return nil
}

// hasAnswered reports whether the client that chose an ID has used one of the server's.
func (f *flow) hasAnswered(client quichello.ConnectionID) bool {
	return slices.ContainsFunc(f.issued, func(i issuedID) bool { return i.used && i.client == client })
}

// A workBudget allows a burst of work, and as much again each period. The zero value is
// unspent.
type workBudget struct {
	until time.Time // all is unspent again
}

func (b *workBudget) allows(now time.Time, period time.Duration) bool {
	return b.until.Sub(now) < period
}

// spend takes work of a burst out of b. It may take more than there is.
func (b *workBudget) spend(now time.Time, work, burst int, period time.Duration) {
	if b.until.Before(now) {
		b.until = now
	}
	b.until = b.until.Add(period * time.Duration(work) / time.Duration(burst))
}
