package capture_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/tlspeek/tlspeek/capture"
)

func ExampleRead() {
	f, err := os.Open("../testdata/captures/curl-qinq.pcap")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	stats, err := capture.Read(context.Background(), f, func(h *capture.Hello) error {
		fmt.Printf("%s > %s, %s, packet %d in %v\n", h.Src, h.Dst, h.ClientHello.ServerName, h.Packet, h.Encapsulation)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(stats.Packets, "packets,", stats.Hellos, "hello")
	// Output:
	// 127.0.0.1:50100 > 127.0.0.1:8443, test.example, packet 4 in [vlan 10 vlan 100]
	// 25 packets, 1 hello
}
