package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// A pcapFile is a capture of IP packets that a test makes.
type pcapFile struct {
	bytes.Buffer
	seconds int // of the last packet
}

// newPcapFile returns a file whose packets begin after the given time.
func newPcapFile(seconds int) *pcapFile {
	f := &pcapFile{seconds: seconds}
	for _, v := range []uint32{0xa1b2c3d4, 2 | 4<<16, 0, 0, 65535, 101} { // raw IP
		_ = binary.Write(f, binary.LittleEndian, v)
	}
	return f
}

// hello adds a hello that a client has sent in one segment.
func (f *pcapFile) hello(client byte, port uint16, message []byte) {
	payload := append([]byte{22, 3, 1, byte(len(message) >> 8), byte(len(message))}, message...)
	packet := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0, 192, 0, 2, client, 198, 51, 100, 1,
		byte(port >> 8), byte(port), 1, 187, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 255, 255, 0, 0, 0, 0}
	packet = append(packet, payload...)
	binary.BigEndian.PutUint16(packet[2:], uint16(len(packet)))
	f.seconds++
	for _, v := range []int{f.seconds, 0, len(packet), len(packet)} {
		_ = binary.Write(f, binary.LittleEndian, uint32(v))
	}
	f.Write(packet)
}

// A helloMaker makes hellos of Chromium's, each with random bytes of its own.
type helloMaker struct {
	t     *testing.T
	hello *parser.ClientHello
	rand  *rand.Rand
}

// frozen returns a hello with the order and the GREASE values of the others.
func (m *helloMaker) frozen() []byte {
	return hellotest.Redraw(m.rand, m.hello)
}

// genuine returns a hello with its extensions in another order, and other values of
// GREASE.
func (m *helloMaker) genuine() []byte {
	h := m.hello.Clone()
	inner := h.Extensions[1 : len(h.Extensions)-1]
	m.rand.Shuffle(len(inner), func(i, j int) { inner[i], inner[j] = inner[j], inner[i] })
	h = hellotest.Rebuild(m.t, h, h.CipherSuites, h.Extensions)
	require.NoError(m.t, h.Unmarshal(hellotest.Regrease(m.rand, h)))
	return hellotest.Redraw(m.rand, h)
}

// captures writes files in which some clients are genuine and others are not, and
// returns their folder and how many tells of each name there are.
func captures(t *testing.T) (dir string, orders, values int) {
	dir = t.TempDir()
	m := &helloMaker{t, hellotest.Real(t)["chromium-156"], rand.New(rand.NewPCG(1, 2))}
	for n := range 12 {
		f := newPcapFile(1000 * n)
		port := uint16(1024)
		sent := 0
		for range 30 {
			for client := range byte(5) {
				f.hello(client, port, m.genuine())
				port++
			}
			if m.rand.IntN(3) > 0 { // behind the same address as a genuine client
				h := m.frozen()
				f.hello(100+byte(n), port, h)
				f.hello(100+byte(n), port, h)      // sent again
				f.hello(200+byte(n), port, h)      // on the other side of a NAT
				f.hello(100+byte(n), port+5000, h) // and that on a mirrored port
				f.hello(100+byte(n), port+1, m.genuine())
				port += 2
				if sent++; sent > 1 {
					orders += 2
				}
				if sent > 2 {
					values += 2
				}
			}
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.pcap", n)), f.Bytes(), 0o600))
	}
	return dir, orders, values
}

func scanned(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := scanCommand()
	cmd.SetArgs(append([]string{"-q"}, args...))
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	require.NoError(t, cmd.Execute(), stderr.String())
	return stdout.String()
}

// TestTellsOfSeveralConnections: only hellos that repeat what is drawn at random have
// these tells, and what is said of each hello depends neither on how many files are read
// at once, nor on filters, nor on the form of the output.
func TestTellsOfSeveralConnections(t *testing.T) {
	dir, orders, values := captures(t)
	one := scanned(t, "-j", "1", dir)
	require.Greater(t, values, 100)
	for name, n := range map[string]int{"frozen-order": orders, "frozen-grease": values} {
		assert.Equal(t, n, strings.Count(one, `"name":"`+name+`"`), name)
	}
	var frozen []string
	for line := range strings.Lines(one) {
		if strings.Contains(line, "frozen-") {
			assert.Regexp(t, `"src_ip":"192\.0\.2\.(1|2)\d\d"`, line)
			frozen = append(frozen, line)
		}
	}
	assert.Len(t, frozen, orders)

	for _, args := range [][]string{
		{}, {"--full"}, {"--csv", "--fields", "src_port,tells.name"}, {"--top", "tells.name"}, {"--unique=tells.name"},
	} {
		args = append(args, dir)
		want := scanned(t, append(args, "-j", "1")...)
		assert.Contains(t, want, "frozen-order", args)
		for range 3 {
			assert.Equal(t, want, scanned(t, append(args, "-j", "8")...), args)
		}
	}
	filtered := scanned(t, "--host", "192.0.2.103", dir)
	assert.NotEmpty(t, filtered)
	for line := range strings.Lines(filtered) {
		assert.Contains(t, one, line)
	}
	assert.NotContains(t, scanned(t, "--top", "ja4", dir), "frozen")
}
