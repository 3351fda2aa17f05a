package capture

import (
	"bytes"
	"context"
	"testing"
)

// BenchmarkRead reads a capture that, like most, is mainly data: one connection in
// fifty has a hello.
func BenchmarkRead(b *testing.B) {
	hello := record(realHello(b, "chromium-156"))
	var packets [][]byte
	for i := range 1000 {
		client := side{addrPort(client4, i), server4, uint32(i)}
		server := side{server4, addrPort(client4, i), uint32(i)}
		packets = append(packets, ipFrame(client.syn()))
		if i%50 == 0 {
			packets = append(packets, ipFrame(client.data(0, hello[:1000])), ipFrame(client.data(1000, hello[1000:])))
		}
		for j := range 20 {
			packets = append(packets, ipFrame(server.data(1000*j, make([]byte, 1000))), ipFrame(client.data(len(hello), nil)))
		}
	}
	file := pcapOf(LinkEthernet, packets...)
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Read(context.Background(), bytes.NewReader(file), func(*Hello) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(packets)), "ns/packet")
}
