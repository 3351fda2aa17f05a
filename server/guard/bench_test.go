package guard_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/policy"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/guard"
)

// tenRules are rules of the usual kinds, none of which decides about a browser or Go, so
// that all are asked.
const tenRules = `
lists:
  bad: {values: [t13d1516h2_8daaf6152771_000000000000, t13d1516h2_8daaf6152771_111111111111]}
  office: {values: [192.0.2.0/24, 2001:db8::/32]}
rules:
  - {name: office, when: 'inList("office", src_ip)', do: allow}
  - {name: bad, when: 'inList("bad", ja4)', do: deny}
  - {name: strangers, when: 'sni != "" && !sni.endsWith(".example") && sni != "localhost"', do: close}
  - {name: old, when: 'version == "1.1" || version == "1.0"', do: deny}
  - {name: impersonators, when: 'tells.exists(t, !t.novel && !t.lead) || client.exists(c, c.kind == "impersonator" && c.distance == 0)', do: tag}
  - {name: scanners, when: 'client.exists(c, c.family == "ZGrab")', do: tarpit}
  - {name: flood, when: 'true', do: limit, by: [ja4, sni], rate: 1000000/s, stage: request}
  - {name: liars, when: 'claim.verdict == "inconsistent" && claim.proxy == ""', do: deny, mode: count}
  - {name: admin, when: 'request.path.startsWith("/admin") && !inList("office", src_ip)', do: deny}
  - {name: curl, when: 'user_agent.startsWith("curl/") && request.method == "POST"', do: deny}
`

// judged calls f with a request and its connection, while the server serves it.
func judged(t testing.TB, f func(c server.Client, r *http.Request)) {
	l := &server.Listener{Listener: servertest.Listen(t)}
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { f(server.ClientOf(r.Context()), r) })
	stop := servertest.Serve(t, &server.Server{Handler: h, TLSConfig: servertest.Config(t)}, l, 0)
	client := servertest.HTTPClient(true)
	_, _, _, err := get(client, "https://"+l.Addr().String())
	assert.NoError(t, err)
	client.CloseIdleConnections()
	assert.NoError(t, stop())
}

// BenchmarkTenRules measures what a Guard with ten rules costs a connection with one
// request, besides its Event.
func BenchmarkTenRules(b *testing.B) {
	g := always(b, tenRules)
	judged(b, func(c server.Client, r *http.Request) {
		b.ReportAllocs()
		for b.Loop() {
			g.Decide(c)
			g.DecideRequest(c, r)
		}
	})
}

// BenchmarkWithoutAPolicy measures what a Guard costs that has none.
func BenchmarkWithoutAPolicy(b *testing.B) {
	g := &guard.Guard{Policy: func() *policy.Policy { return nil }}
	judged(b, func(c server.Client, r *http.Request) {
		b.ReportAllocs()
		for b.Loop() {
			g.Decide(c)
			g.DecideRequest(c, r)
		}
	})
}
