package guard_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/policy"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/guard"
)

// TestMain runs the tests, which must leave no goroutine.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// load returns the policy that text has.
func load(t testing.TB, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Load(fstest.MapFS{"policy.yaml": {Data: []byte(text)}}, "policy.yaml", policy.LoadOptions{Certificates: []string{"other"}})
	require.NoError(t, err)
	return p
}

// always returns a Guard with the policy that text has.
func always(t testing.TB, text string) *guard.Guard {
	p := load(t, text)
	return &guard.Guard{Policy: func() *policy.Policy { return p }}
}

// A guarded is a server with a Guard, over all versions of HTTP.
type guarded struct {
	tcp, udp string // addresses

	mu      sync.Mutex
	settled []event.Event
	stop    func() error
	calls   atomic.Int64 // of the handler
}

// serve has g guard a handler that answers with rule, action and tags.
func serve(t testing.TB, g *guard.Guard) *guarded {
	s := new(guarded)
	udp := servertest.UDP(t)
	l := &server.Listener{Listener: servertest.Listen(t), Settled: func(_ *event.Observation, e *event.Event) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.settled = append(s.settled, *e)
	}}
	g.Attach(l)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.calls.Add(1)
		e, _ := server.EventOf(r, event.Compact)
		fmt.Fprint(w, e.Rule, " ", e.Action, " ", strings.Join(e.Tags, ","))
	})
	lines := func(ctx context.Context, conn net.Conn) error {
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err == nil {
			_, err = io.WriteString(conn, line)
		}
		return err
	}
	s.stop = servertest.Serve(t, &server.Server{Handler: g.Handler(h), Lines: lines, TLSConfig: servertest.Config(t), UDP: []*net.UDPConn{udp}}, l, 10*time.Second)
	s.tcp, s.udp = l.Addr().String(), udp.LocalAddr().String()
	return s
}

// events returns the settled Events once there are n.
func (s *guarded) events(t testing.TB, n int) []event.Event {
	t.Helper()
	all := func() []event.Event {
		s.mu.Lock()
		defer s.mu.Unlock()
		return append([]event.Event(nil), s.settled...)
	}
	require.Eventually(t, func() bool { return len(all()) >= n }, 20*time.Second, time.Millisecond)
	return all()
}

// versions are those of HTTP.
var versions = []string{"HTTP/1.1", "HTTP/2.0", "HTTP/3.0"}

// client returns a client of one version of HTTP, and the address of s for it.
func (s *guarded) client(t testing.TB, version string) (c *http.Client, url string) {
	if version == "HTTP/3.0" {
		transport := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"}}
		t.Cleanup(func() { transport.Close() })
		return &http.Client{Transport: transport}, "https://" + s.udp
	}
	c = servertest.HTTPClient(version == "HTTP/2.0")
	t.Cleanup(c.CloseIdleConnections)
	return c, "https://" + s.tcp
}

// get sends a request, and returns status, body and header of the answer.
func get(c *http.Client, url string) (status int, body string, header http.Header, err error) {
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		return 0, "", nil, err
	}
	r.Header.Set("User-Agent", "agent/1")
	res, err := c.Do(r)
	if err != nil {
		return 0, "", nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), res.Header, err
}

// reference matches what an answer refers to.
var reference = regexp.MustCompile(`reference: [0-9a-f]{32}`)

// TestActions tries each action at both stages, over each version of HTTP. What is refused
// reaches no handler, and the Event has what was decided.
func TestActions(t *testing.T) {
	for _, version := range versions {
		for _, stage := range []string{"hello", "request"} {
			for do, c := range map[string]struct {
				options string
				hello   bool // passes the hello stage
				status  int  // at the request stage; 0 if there is no answer
				body    string
			}{
				"allow":  {"", true, 200, "rule allow "},
				"tag":    {", tags: [a, b]", true, 200, "rule tag a,b"},
				"deny":   {"", false, 403, "forbidden\nreference: ID\n"},
				"close":  {"", false, 0, ""},
				"limit":  {", rate: 1/h", true, 200, "  "},
				"tarpit": {", hold: 1ms", false, 403, "forbidden\nreference: ID\n"},
			} {
				t.Run(strings.Join([]string{version, stage, do}, " "), func(t *testing.T) {
					g := always(t, fmt.Sprintf("rules: [{name: rule, when: 'transport != \"\"', do: %s%s, stage: %s}]", do, c.options, stage))
					s := serve(t, g)
					client, url := s.client(t, version)
					status, body, header, err := get(client, url)
					if stage == "hello" && !c.hello || c.status == 0 {
						assert.Error(t, err)
						assert.Zero(t, s.calls.Load())
					} else {
						require.NoError(t, err)
						assert.Equal(t, c.status, status)
						assert.Equal(t, c.body, reference.ReplaceAllString(body, "reference: ID"))
						if status == 403 {
							assert.Contains(t, body, s.events(t, 1)[0].ID.String())
							assert.Equal(t, []string{"text/plain; charset=utf-8", "nosniff", "no-store"},
								[]string{header.Get("Content-Type"), header.Get("X-Content-Type-Options"), header.Get("Cache-Control")})
						}
						assert.Equal(t, c.status == 200, s.calls.Load() == 1)
					}
					client.CloseIdleConnections()
					e := s.events(t, 1)[0]
					if do == "limit" { // not reached
						assert.Empty(t, e.Rule)
					} else {
						assert.Equal(t, []string{"rule", do}, []string{e.Rule, e.Action})
					}
					require.NoError(t, s.stop())
					now, refused := g.Tarpits()
					assert.Zero(t, now)
					assert.Zero(t, refused)
				})
			}
		}
	}
}

// TestLimits: what is over a rate is answered with 429 and the time to come back, or closed
// at the hello.
func TestLimits(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			s := serve(t, always(t, "rules: [{name: few, when: 'true', do: limit, by: [src_ip], rate: 2/h, stage: request}]"))
			client, url := s.client(t, version)
			for i := range 4 {
				status, body, header, err := get(client, url)
				require.NoError(t, err)
				if i < 2 {
					assert.Equal(t, 200, status)
					assert.Equal(t, "  ", body)
					continue
				}
				assert.Equal(t, 429, status)
				assert.Regexp(t, `^[1-9]\d{2,3}$`, header.Get("Retry-After"))
				assert.Equal(t, "no-store", header.Get("Cache-Control"))
				assert.Regexp(t, `^too many requests: try again in \d+ s\nreference: `+s.events(t, 1)[0].ID.String()+`\n$`, body)
			}
			assert.Empty(t, s.events(t, 1)[0].Rule) // the first was not over it
			assert.EqualValues(t, 2, s.calls.Load())
			require.NoError(t, s.stop())

			s = serve(t, always(t, "rules: [{name: few, when: 'true', do: limit, rate: 1/h, stage: hello}]"))
			for i := range 2 {
				client, url := s.client(t, version)
				_, _, _, err := get(client, url)
				assert.Equal(t, i == 0, err == nil, "%v", err)
				client.CloseIdleConnections()
			}
			events := s.events(t, 2)
			assert.Equal(t, []string{"", "few"}, []string{events[0].Rule, events[1].Rule})
			require.NoError(t, s.stop())
		})
	}
}

// TestSecondHelloIsNotAskedAbout: a connection with a HelloRetryRequest takes one of a
// limit, as others do.
func TestSecondHelloIsNotAskedAbout(t *testing.T) {
	g := always(t, "rules: [{name: few, when: 'true', do: limit, rate: 1/h burst 2, stage: hello}]")
	l := &server.Listener{Listener: servertest.Listen(t)}
	g.Attach(l)
	config := servertest.Config(t)
	config.CurvePreferences = []tls.CurveID{tls.CurveP521}
	stop := servertest.Serve(t, &server.Server{Handler: http.NotFoundHandler(), TLSConfig: config}, l, time.Second)
	for i := range 3 {
		conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		assert.Equal(t, i < 2, err == nil, "%v", err)
		if err == nil {
			conn.Close()
		}
	}
	require.NoError(t, stop())
}

// TestNothingIsDoneInADryRun: whoever asks for the dry run, the policy, the Guard or a rule,
// all pass, and the Event says what would be.
func TestNothingIsDoneInADryRun(t *testing.T) {
	for _, stage := range []string{"hello", "request"} {
		for _, do := range []string{"deny", "close", "tarpit", "limit, rate: 1/h", "config, certificate: other"} {
			if stage == "request" && strings.HasPrefix(do, "config") {
				continue
			}
			for _, mode := range []string{"rule", "guard"} {
				t.Run(strings.Join([]string{stage, do, mode}, " "), func(t *testing.T) {
					text := fmt.Sprintf("rules: [{name: rule, when: 'true', do: %s, stage: %s", do, stage)
					if mode == "rule" {
						text += ", mode: count"
					}
					g := always(t, text+"}]")
					g.DryRun = mode == "guard"
					g.Config = func(*policy.Policy, string) *tls.Config { panic("asked") }
					s := serve(t, g)
					name, _, _ := strings.Cut(do, ",")
					for i := range 2 {
						client, url := s.client(t, "HTTP/1.1")
						status, body, _, err := get(client, url)
						require.NoError(t, err)
						assert.Equal(t, 200, status)
						client.CloseIdleConnections()
						if name != "limit" || i == 1 { // is over it
							assert.Equal(t, "rule count would-"+name, body)
						}
					}
					e := s.events(t, 2)[1]
					assert.Equal(t, []any{"rule", "count", []string{"would-" + name}}, []any{e.Rule, e.Action, e.Tags})
					require.NoError(t, s.stop())
				})
			}
		}
	}
}

// TestBothStages: what the rules say of the hello is what those of the request begin with.
func TestBothStages(t *testing.T) {
	s := serve(t, always(t, `
rules:
  - {name: go, when: 'client.exists(c, c.family == "Go")', do: tag, tags: [go], stage: hello}
  - {name: admin, when: 'request.path == "/admin" && "go" in tags && user_agent == "agent/1"', do: deny}
  - {name: post, when: 'request.method == "POST" && request.host == "127.0.0.1" && request.query == "q=1"', do: tag}
`))
	client, url := s.client(t, "HTTP/2.0")
	status, _, _, err := get(client, url+"/admin")
	require.NoError(t, err)
	assert.Equal(t, 403, status)
	_, body, _, err := get(client, url)
	require.NoError(t, err)
	assert.Equal(t, "go tag go", body)
	res, err := client.Post(url+"/?q=1", "", nil)
	require.NoError(t, err)
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	res.Body.Close()
	assert.Equal(t, "post tag go,post", strings.TrimSuffix(string(b), ",agents-differ"))
	e := s.events(t, 1)[0]
	assert.Equal(t, []any{"admin", "deny", []string{"go"}}, []any{e.Rule, e.Action, e.Tags})
	require.NoError(t, s.stop())
}

// TestConfig: a rule chooses another certificate, over TCP and QUIC. A name that nobody
// knows leaves the server's own.
func TestConfig(t *testing.T) {
	for _, known := range []bool{true, false} {
		for _, version := range versions {
			g := always(t, "rules: [{name: rule, when: 'sni == \"localhost\"', do: config, certificate: other}]")
			other := servertest.Config(t)
			verified := make(chan struct{}, 1)
			other.VerifyConnection = func(tls.ConnectionState) error {
				verified <- struct{}{}
				return nil
			}
			g.Config = func(p *policy.Policy, name string) *tls.Config {
				assert.Same(t, g.Policy(), p)
				assert.Equal(t, "other", name)
				if !known {
					return nil
				}
				return other
			}
			s := serve(t, g)
			client, url := s.client(t, version)
			if transport, ok := client.Transport.(*http.Transport); ok {
				transport.TLSClientConfig.ServerName = "localhost"
			}
			_, body, _, err := get(client, url)
			require.NoError(t, err)
			assert.Equal(t, "rule config ", body)
			assert.Equal(t, known, len(verified) == 1)
			alpn := map[string]string{"HTTP/2.0": "h2", "HTTP/3.0": "h3"}[version] // the server's own
			assert.Equal(t, alpn, s.events(t, 1)[0].Handshake.ALPN)
			client.CloseIdleConnections()
			require.NoError(t, s.stop())
		}
	}
}

// TestLines: a client that has no HTTP is asked about with its first line, and is closed for
// whatever the request would be refused for.
func TestLines(t *testing.T) {
	for do, answered := range map[string]bool{"allow": true, "tag": true, "deny": false, "close": false, "tarpit, hold: 1ms": false} {
		g := always(t, fmt.Sprintf("rules: [{name: rule, when: 'request.path == \"\"', do: %s, stage: request}]", do))
		s := serve(t, g)
		conn, err := tls.Dial("tcp", s.tcp, &tls.Config{InsecureSkipVerify: true})
		require.NoError(t, err)
		_, err = io.WriteString(conn, "line\n")
		require.NoError(t, err)
		answer, _ := io.ReadAll(conn)
		assert.Equal(t, answered, string(answer) == "line\n", "%s: %q", do, answer)
		conn.Close()
		e := s.events(t, 1)[0]
		name, _, _ := strings.Cut(do, ",")
		assert.Equal(t, []any{"rule", name, event.SettledLine}, []any{e.Rule, e.Action, e.Settled})
		require.NoError(t, s.stop())
		now, _ := g.Tarpits()
		assert.Zero(t, now)
	}
}

// TestWithoutAPolicy: all pass, and so do requests that nothing is known of.
func TestWithoutAPolicy(t *testing.T) {
	g := &guard.Guard{Policy: func() *policy.Policy { return nil }}
	s := serve(t, g)
	for _, version := range versions {
		client, url := s.client(t, version)
		_, body, _, err := get(client, url)
		require.NoError(t, err)
		assert.Equal(t, "  ", body)
		client.CloseIdleConnections()
	}
	require.NoError(t, s.stop())

	g = always(t, "rules: [{name: rule, when: 'true', do: deny, stage: request}]")
	plain := &http.Server{Handler: g.Handler(http.NotFoundHandler())}
	ln := servertest.Listen(t)
	go plain.Serve(ln)
	defer plain.Close()
	client := servertest.HTTPClient(false)
	defer client.CloseIdleConnections()
	status, _, _, err := get(client, "http://"+ln.Addr().String())
	require.NoError(t, err)
	assert.Equal(t, 404, status)
}

// TestErrorsDoNotMatch: a rule whose condition fails harms nobody.
func TestErrorsDoNotMatch(t *testing.T) {
	g := always(t, "rules: [{name: rule, when: 'ip(user_agent).family() == 4', do: deny}]")
	s := serve(t, g)
	client, url := s.client(t, "HTTP/2.0")
	status, body, _, err := get(client, url)
	require.NoError(t, err)
	assert.Equal(t, 200, status)
	assert.Equal(t, "  ", body)
	for r := range g.Policy().Rules() {
		assert.EqualValues(t, 1, r.Counts().Errors)
	}
	client.CloseIdleConnections()
	require.NoError(t, s.stop())
}

// TestGeneralOptions: "OPTIONS *", which net/http answers itself, is decided about, too.
func TestGeneralOptions(t *testing.T) {
	s := serve(t, always(t, "rules: [{name: evil, when: 'request.header(\"x-evil\") != \"\"', do: deny}]"))
	for header, want := range map[string]string{"": "HTTP/1.1 200 OK\r\n", "X-Evil: 1\r\n": "HTTP/1.1 403 Forbidden\r\n"} {
		conn, err := tls.Dial("tcp", s.tcp, &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"})
		require.NoError(t, err)
		_, err = io.WriteString(conn, "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+header+"\r\n")
		require.NoError(t, err)
		answer, err := io.ReadAll(conn)
		require.NoError(t, err)
		assert.True(t, strings.HasPrefix(string(answer), want), string(answer))
		require.NoError(t, conn.Close())
	}
	assert.Zero(t, s.calls.Load())
}
