package proxy_test

import (
	"errors"
	"log"
	"net"
	"net/http"

	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/proxy"
)

// A Pass leaves TLS to nginx, and tells it who the clients are. In nginx, "listen
// 127.0.0.1:8443 ssl proxy_protocol" reads that, and $proxy_protocol_tlv_0xE4 is the JA4.
func ExamplePass() {
	ln, err := net.Listen("tcp", ":443")
	if err != nil {
		log.Fatal(err)
	}
	p := &proxy.Pass{
		Routes: []proxy.PassRoute{
			{Name: "mail.example", To: "unix:/run/mail.sock"},
			{To: "127.0.0.1:8443"},
		},
		Done: func(c *proxy.PassedConn) {
			log.Print(c.Client, c.ServerName, c.To, c.Event.JA4(), c.Sent, c.Received, c.Err)
		},
	}
	if err := p.Serve(&server.Listener{Listener: ln}); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}
