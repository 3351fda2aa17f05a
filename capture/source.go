package capture

import (
	"context"
	"io"

	"github.com/google/gopacket"
)

// ReadPackets is [Reader.Read] for the packets of src, such as those of a live
// interface. src may be a pcap.Handle, an afpacket.TPacket or another source of
// gopacket's, and link is its link type.
//
// ReadPackets returns the error of f or of src, but nil for io.EOF. It checks ctx
// before each packet and returns its error. The Stats are those of what was read
// before.
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

// A sourceReader reads packets from a source of gopacket's.
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
