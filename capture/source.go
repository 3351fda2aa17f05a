package capture

import (
	"context"
	"io"

	"github.com/google/gopacket"
)

// ReadPackets is [Reader.Read] for packets that somebody else reads, such as
// those of a live interface: src may be a pcap.Handle, an afpacket.TPacket, or
// any other source of gopacket's, and link is its LinkType.
//
// The error is that of src, but for io.EOF, or of f, or of ctx, which is looked
// at before each packet.
func (r *Reader) ReadPackets(ctx context.Context, src gopacket.ZeroCopyPacketDataSource, link LinkType, f func(*Hello) error) (Stats, error) {
	s := newScanner(r, f)
	err := s.readAll(&sourceReader{ctx: ctx, src: src, link: link})
	s.finish()
	if s.err != nil {
		return s.stats, s.err
	}
	if err == io.EOF {
		err = nil
	}
	return s.stats, err
}

// A sourceReader reads the packets of a source of gopacket's.
type sourceReader struct {
	ctx    context.Context
	src    gopacket.ZeroCopyPacketDataSource
	link   LinkType
	number int64
}

func (r *sourceReader) read(p *packet) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	data, info, err := r.src.ZeroCopyReadPacketData()
	if err != nil {
		return err
	}
	r.number++
	p.number = r.number
	p.data = data
	p.wire = max(len(data), info.Length)
	p.link = r.link
	p.stamp = stamp{info.Timestamp.Unix(), uint64(info.Timestamp.Nanosecond()), 1e9}
	return nil
}
