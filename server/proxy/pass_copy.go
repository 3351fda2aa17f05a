package proxy

import (
	"io"
	"net"
)

type buffer [bufferSize]byte

func (p *Pass) getBuffer() *buffer {
	if b, ok := p.buffers.Get().(*buffer); ok {
		return b
	}
	return new(buffer)
}

func (p *Pass) putBuffer(b *buffer) { p.buffers.Put(b) }

// copyPlainly carries bytes from src to dst, through memory that is held while src is
// silent. Writing says that it is dst that has failed.
func (h *half) copyPlainly(src, dst net.Conn) (err error, writing bool) {
	b := h.conn.server.getBuffer()
	defer h.conn.server.putBuffer(b)
	for {
		n, err := src.Read(b[:])
		if n > 0 {
			h.bytes.Add(int64(n))
			if _, err := dst.Write(b[:n]); err != nil {
				return err, true
			}
		}
		if err == io.EOF {
			return nil, false
		}
		if err != nil {
			return err, false
		}
	}
}
