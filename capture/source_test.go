package capture

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
)

// TestReadPackets requires the same hellos from a source as from a file with the same
// packets.
func TestReadPackets(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(hellotest.Dir(), "captures", "*.pcap"))
	require.NoError(t, err)
	require.NotEmpty(t, names)
	ctx := context.Background()
	for _, name := range names {
		file, err := os.ReadFile(name)
		require.NoError(t, err)
		type seen struct {
			time, addrs string
			packet      int64
			message     string
		}
		see := func(to *[]seen) func(*Hello) error {
			return func(h *Hello) error {
				*to = append(*to, seen{h.Time.String(), h.Src.String() + h.Dst.String(), h.Packet, string(h.ClientHello.Raw)})
				return nil
			}
		}
		var want, got []seen
		wantStats, damage := Read(ctx, bytes.NewReader(file), see(&want))
		src, err := pcapgo.NewReader(bytes.NewReader(file))
		require.NoError(t, err, name)
		stats, err := new(Reader).ReadPackets(ctx, src, LinkType(src.LinkType()), see(&got))
		assert.Equal(t, damage != nil, err != nil, "%s: %v", name, err)
		assert.Equal(t, want, got, name)
		assert.Equal(t, wantStats, stats, name)
	}
}

// A failing source returns one packet and then an error.
type failing struct {
	packet []byte
	err    error
}

func (s *failing) ZeroCopyReadPacketData() ([]byte, gopacket.CaptureInfo, error) {
	if s.packet == nil {
		return nil, gopacket.CaptureInfo{}, s.err
	}
	p := s.packet
	s.packet = nil
	return p, gopacket.CaptureInfo{CaptureLength: len(p), Length: len(p)}, nil
}

func TestReadPacketsErrors(t *testing.T) {
	lost, refused := errors.New("interface lost"), errors.New("refused")
	ctx, cancel := context.WithCancel(context.Background())
	hello := side{client4, server4, 1}.data(0, record(realHello(t, "curl-openssl-3.0")))
	pass := func(*Hello) error { return nil }
	for _, c := range []struct {
		src  error
		f    func(*Hello) error
		want error
	}{
		{lost, pass, lost},
		{io.EOF, pass, nil},
		{io.ErrUnexpectedEOF, pass, io.ErrUnexpectedEOF},
		{lost, func(*Hello) error { return refused }, refused},
		{nil, func(*Hello) error { cancel(); return nil }, context.Canceled},
	} {
		stats, err := new(Reader).ReadPackets(ctx, &failing{hello, c.src}, LinkRaw, c.f)
		assert.Equal(t, c.want, err)
		assert.Equal(t, int64(1), stats.Hellos)
	}
}
