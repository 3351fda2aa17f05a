// Package capture finds the TLS ClientHellos in a packet capture: over TCP, QUIC
// and DTLS, on any port, in any wrapping, however they are cut. A million random
// datagrams, and as many random segments, give none.
//
// It reads a capture once, in its order, and keeps state only for the streams
// whose hello is still awaited. Memory is bounded whatever the capture holds.
package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/quichello"
)

// A Hello is one ClientHello of a capture. It, and all that it points to, is
// valid until the function that it was given to returns.
type Hello struct {
	// Time is that of the packet with which the message was whole, in UTC.
	Time time.Time

	// Src and Dst are the innermost addresses: the client's and the server's.
	Src, Dst  netip.AddrPort
	Transport parser.Transport

	// Index is 1, or 2 for the hello after a HelloRetryRequest or a
	// HelloVerifyRequest.
	Index int

	// ClientHello is the decoded message. If Err is not nil, it holds what came
	// before the error.
	ClientHello *parser.ClientHello
	Err         error

	// Packet is the number in the file, from 1, of the packet with which the
	// message was whole.
	Packet int64

	// Encapsulation is what the packet was wrapped in, from the outside in. It
	// is empty for IP right upon the link layer.
	Encapsulation []Layer

	// How the message came: in how many TLS or DTLS records, TCP segments, UDP
	// datagrams. What is not known, or makes no sense, is 0.
	Records, Segments, Datagrams int

	// RecordVersion is the legacy_record_version of the first TLS or DTLS record.
	RecordVersion parser.Version

	// QUIC is nil but for hellos over QUIC.
	QUIC *quichello.Hello

	// Overlap reports that parts of the stream came twice with different bytes.
	// The first copy was taken.
	Overlap bool

	initial event.Initial // memory of an Observation
}

// The limits that hold where a Reader sets none.
const (
	DefaultMaxMemory   = 256 << 20
	DefaultMaxExpanded = 1 << 40
)

// A Reader reads captures. Its zero value is ready, and it holds no state: it
// may read several captures at once.
type Reader struct {
	// MaxMemory is how many bytes of state may be kept, if not 0. Beyond it the
	// oldest is dropped and counted.
	MaxMemory int64

	// MaxExpanded is how many bytes compressed input may expand to, if not 0.
	MaxExpanded int64
}

// An Error says where a capture is damaged. The hellos before are found.
type Error struct {
	Packet int64 // number of the last packet before, from 1
	Offset int64 // in the file as it is after decompression
	Err    error
}

// Error returns the text "capture: after packet 12, at byte 3456: unexpected EOF".
func (e *Error) Error() string {
	return fmt.Sprintf("capture: after packet %d, at byte %d: %v", e.Packet, e.Offset, e.Err)
}

// Unwrap returns the kind of the error.
func (e *Error) Unwrap() error { return e.Err }

// Read calls [Reader.Read] with the default limits.
func Read(ctx context.Context, r io.Reader, f func(*Hello) error) (Stats, error) {
	return new(Reader).Read(ctx, r, f)
}

// Read reads a capture in pcap or pcapng format, also compressed by gzip or
// zstd, and calls f with each hello as soon as it is whole. r may be a pipe that
// is still being written.
//
// The error is an [*Error] if the capture is damaged, else that of f or of ctx.
// The Stats hold for what was read up to then.
func (r *Reader) Read(ctx context.Context, src io.Reader, f func(*Hello) error) (Stats, error) {
	s := newScanner(r, f)
	w := &window{ctx: ctx, r: src, buf: make([]byte, firstBlock)}
	err := s.read(w, orDefault(r.MaxExpanded, DefaultMaxExpanded))
	s.finish()
	return s.stats, err
}

func orDefault(limit, otherwise int64) int64 {
	if limit == 0 {
		return otherwise
	}
	return limit
}

// read reads all packets of a file.
func (s *scanner) read(w *window, maxExpanded int64) error {
	packets, w, done, err := open(w, maxExpanded)
	defer done()
	if err != nil {
		return s.wrapError(w.offset(), err)
	}
	if err = s.readAll(packets); s.err != nil {
		return s.err
	}
	return s.wrapError(w.offset(), err)
}

// readAll reads packets until it cannot, of which it returns the error, or until
// f has failed.
func (s *scanner) readAll(packets packetReader) error {
	pcap, _ := packets.(*pcapReader)
	skips := pcap != nil && pcap.isPlain()
	for s.err == nil {
		if skips {
			s.skipFast(pcap)
		}
		if err := packets.read(&s.packet); err != nil {
			return err
		}
		s.stats.Packets++
		s.stats.Bytes += int64(len(s.packet.data))
		if !skips && s.packet.link == LinkEthernet && s.canSkip(s.packet.data) {
			continue
		}
		s.scan()
	}
	return nil
}

// wrapError makes an error of reading one that says where.
func (s *scanner) wrapError(offset int64, err error) error {
	switch {
	case err == io.EOF && s.stats.Packets+offset > 0:
		return nil
	case err == io.EOF:
		err = ErrEmpty
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return &Error{Packet: s.stats.Packets, Offset: offset, Err: err}
}
