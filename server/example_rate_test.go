package server_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/signals"
)

// Allow limits how fast connections come, here from an IPv4 address or IPv6 /64.
func ExampleLimits_allow() {
	rate, err := signals.ParseRate("50/s burst 2")
	if err != nil {
		fmt.Println(err)
		return
	}
	limiter := signals.NewLimiter(rate, signals.DefaultSlots)
	now := func() time.Time { return time.Unix(1_800_000_000, 0) } // usually time.Now
	limits := &server.Limits{Allow: func(client netip.Addr) bool {
		key := client.As16()
		if client.Is4() {
			return limiter.Allow(key[12:], now())
		}
		return limiter.Allow(key[:8], now())
	}}
	for _, client := range []string{"192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::1"} {
		fmt.Println(client, limits.Allow(netip.MustParseAddr(client)))
	}
	// Output:
	// 192.0.2.1 true
	// 192.0.2.1 true
	// 192.0.2.1 false
	// 192.0.2.2 true
	// 2001:db8::1 true
}
