package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/quichello"
)

// A Hello is one ClientHello of a capture. It, and all that it refers to, is valid
// until the function that received it returns.
type Hello struct {
	// Time is the time of the packet that completed the message, in UTC.
	Time time.Time

	// Src and Dst are the innermost addresses, which are those of the client and of
	// the server.
	Src, Dst netip.AddrPort

	// SrcMAC and DstMAC are the addresses of client and server where they have no
	// others: with EAP over a local network. Each is zero if it is not known.
	SrcMAC, DstMAC event.MAC

	// Transport is TLS for a hello over TCP, also inside OpenVPN, for one on a stream of
	// SCTP, and for one in EAP.
	Transport parser.Transport

	// Index is 1, or 2 for the hello after a HelloRetryRequest or a
	// HelloVerifyRequest.
	Index int

	// ClientHello is the decoded message. If Err, which is a [*parser.Error], is not
	// nil, it has the fields before the error.
	ClientHello *parser.ClientHello
	Err         error // a [*parser.Error], or nil

	// Packet is the number in the file, from 1, of the packet that completed the
	// message.
	Packet int64

	// Encapsulation has the layers of that packet, from the outside in. It is empty
	// for a packet with one IP header directly on its link layer.
	Encapsulation []Layer

	// Records, Segments and Datagrams are how many TLS or DTLS records, TCP segments
	// and UDP datagrams the message came in. They are 0 where they do not apply or
	// are unknown. Packets of EAP, and over SCTP the chunks of TLS and the messages of
	// DTLS, count as datagrams.
	Records, Segments, Datagrams int

	// RecordVersion is the legacy_record_version of the first TLS or DTLS record, or
	// 0 if it is unknown.
	RecordVersion parser.Version

	// QUIC is nil unless the hello came over QUIC.
	QUIC *quichello.Hello

	// Overlap reports that parts of the stream came twice with different bytes. The
	// first copy was taken. It is also set if another hello came before at the same
	// place, which the server may not have accepted.
	Overlap bool

	// Prefix is how many bytes of the TCP stream came before the first hello, such as
	// STARTTLS. If the capture lacks the SYN of the connection, they are those in the
	// segments that were searched, the first of which is usually that with the hello.
	// Prefix is 0 if a part of these bytes came after the hello.
	Prefix int64

	protocol uint8                    // of IP, where Transport does not tell, or 0
	initial  *fingerprint.QUICInitial // memory of an Observation, or nil
}

// The limits for a Reader that sets none.
const (
	DefaultMaxMemory   = 256 << 20
	DefaultMaxExpanded = 1 << 40
)

// A Reader reads captures. The zero value is ready to use. A Reader has no state and
// may read several captures at once.
type Reader struct {
	// MaxMemory is how many bytes of state to keep, or 0 for DefaultMaxMemory. Beyond
	// that, the oldest state is dropped and counted. It also bounds what decompression
	// may take, to 128 MiB at most. 8 MiB are always allowed.
	MaxMemory int64

	// MaxExpanded is how many bytes compressed input may expand to, or 0 for
	// DefaultMaxExpanded.
	MaxExpanded int64
}

// An Error says where a capture is damaged. The hellos before that are found.
type Error struct {
	Packet int64 // number of the last packet before the damage, or 0
	Offset int64 // in the file, after decompression
	Err    error // [ErrEmpty], [ErrFormat], [io.ErrUnexpectedEOF], or an error of reading or decompressing
}

// Error returns the text "capture: after packet 12, at byte 3456: unexpected EOF: the
// file is cut off". Without anything read it has no place.
func (e *Error) Error() string {
	text := e.Err.Error()
	if e.Err == io.ErrUnexpectedEOF {
		text += ": the file is cut off"
	}
	if e.Packet == 0 && e.Offset == 0 {
		return "capture: " + text
	}
	return fmt.Sprintf("capture: after packet %d, at byte %d: %s", e.Packet, e.Offset, text)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Read calls [Reader.Read] with the default limits.
func Read(ctx context.Context, r io.Reader, f func(*Hello) error) (Stats, error) {
	return new(Reader).Read(ctx, r, f)
}

// Read reads a capture in pcap, pcapng or snoop format, which may be compressed by
// gzip, zstd, xz, bzip2 or lz4, and calls f with each hello as soon as it is complete.
// src may be a pipe that is still being written.
//
// Read returns an [*Error] if the capture is damaged, and otherwise the error of f or
// of ctx. The Stats are those of what was read before.
func (r *Reader) Read(ctx context.Context, src io.Reader, f func(*Hello) error) (Stats, error) {
	s := newScanner(r, f)
	w := &window{ctx: ctx, r: src, buf: make([]byte, firstBlock), maxMemory: r.MaxMemory}
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
	if err == io.EOF {
		err = ErrEmpty
	}
	if err != nil {
		return s.wrapError(w.offset(), err)
	}
	err = s.readAll(packets)
	if ng, ok := packets.(*pcapngReader); ok {
		s.stats.UnknownBlocks = ng.skipped
	}
	if s.err != nil {
		return s.err
	}
	return s.wrapError(w.offset(), err)
}

// readAll reads packets until f fails or no packet can be read, and then returns the
// error of reading.
func (s *scanner) readAll(packets packetReader) error {
	pcap, _ := packets.(*pcapReader)
	if pcap != nil {
		pcap.choose()
	}
	skips := pcap != nil && pcap.isPlain()
	s.earlier.w = windowOf(packets)
	for s.err == nil {
		from := int64(0)
		if skips {
			from = pcap.offset()
			s.skipFast(pcap)
		}
		if err := packets.read(&s.packet); err != nil {
			return err
		}
		s.stats.Packets++
		s.stats.Bytes += int64(len(s.packet.data))
		if skips {
			s.earlier.addRecords(from, pcap.offset(), pcap.link)
		} else {
			s.earlier.addPacket(&s.packet)
			if s.packet.link == LinkEthernet && s.canSkip(s.packet.data) {
				continue
			}
		}
		s.scan()
	}
	return nil
}

// wrapError adds to an error of reading where it happened. The end of a capture is no
// error unless the capture is empty.
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
