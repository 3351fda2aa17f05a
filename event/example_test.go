package event_test

import (
	"encoding/hex"
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/parser"
)

// A hello that some other program has captured becomes the Event that scan and
// serve write.
func ExampleObserver() {
	msg, err := hex.DecodeString("010000900303000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0000061301130213030100006100000011" +
		"000f00000c746573742e6578616d706c65002b0003020304000a00040002001d000d000600040403080400100005000302683200330026" +
		"0024001d00202020202020202020202020202020202020202020202020202020202020202020")
	if err != nil {
		log.Fatal(err)
	}
	hello, err := parser.Parse(msg)
	if err != nil {
		log.Fatal(err)
	}
	var ob event.Observer
	e := ob.Event(&event.Observation{
		Time:  time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC),
		Src:   netip.MustParseAddrPort("192.0.2.1:50000"),
		Dst:   netip.MustParseAddrPort("192.0.2.2:443"),
		Hello: hello,
	}, event.Compact)
	e.Client = nil // depends on who is known
	line, err := e.AppendJSON(nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", line)
	// Output:
	// {"time":"2026-11-22T12:00:00Z","id":"b03daffafcac03df8d54d066d84ab029","transport":"tls","src_ip":"192.0.2.1","src_port":50000,"dst_ip":"192.0.2.2","dst_port":443,"sni":"test.example","alpn":["h2"],"version":"1.3","ja3":"03c07a1797d9831243cf28df6cfdfdb2","ja3n":"79041b11f242ef7c8796419e727ab9f0","ja4":"t13d0306h2_55b375c5d22e_e12c865f31a5","session":"fresh"}
}
