package policy

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/signals"
)

func ptr[T any](v T) *T { return &v }

// theEvent is a live Event of a client that claims to be Chrome.
func theEvent() *event.Event {
	e := &event.Event{
		Time:      time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC),
		Transport: "tls",
		SrcIP:     netip.MustParseAddr("192.0.2.7"),
		SrcPort:   50000,
		SNI:       ptr("www.example"),
		ALPN:      []string{"h2", "http/1.1"},
		Version:   "1.3",
		UserAgent: "Mozilla/5.0 Chrome/150.0.0.0",
		Client: []known.Candidate{
			{Name: "curl", Family: "curl", Kind: known.KindTool},
			{Name: "uTLS", Family: "Go", Kind: known.KindImpersonator, Differs: known.FieldExtensions | known.FieldALPN},
			{Name: "net/http", Family: "Go", Kind: known.KindLibrary, Distance: 12},
		},
		Tells:   []known.Tell{{Name: "hybrid-share", Field: "key_share", Found: "x25519", Expected: "both"}},
		Claim:   &known.Claim{Verdict: known.VerdictInconsistent, Program: "Chrome 150", Reasons: []string{"no GREASE"}},
		Carrier: &event.Carrier{Records: 2, Split: true},
		Tags:    []string{"seen"},
	}
	e.Fingerprints.Set("ja3", "cd08e31494f9531f560d64c695473da9")
	e.Fingerprints.Set("ja4", "t13d1516h2_8daaf6152771_e5627efa2ab1")
	return e
}

type setOf map[string]bool

func (s setOf) Contains(v string) bool { return s[v] }

func testEnv(t testing.TB) *Env {
	env, err := NewEnv(EnvOptions{
		Lists: map[string]Set{"bad": setOf{"t13d1516h2_8daaf6152771_e5627efa2ab1": true}, "office": setOf{"192.0.2.7": true}},
		Agg: func(v string) (signals.Values, bool) {
			return signals.Values{Requests: 12, Addresses: 7, H2Ratio: 0.5}, v == "t13d1516h2_8daaf6152771_e5627efa2ab1"
		},
	})
	require.NoError(t, err)
	return env
}

func TestMatch(t *testing.T) {
	env := testEnv(t)
	r := &Request{Method: "GET", Host: "www.example", Path: "/login", Protocol: "HTTP/2.0", Header: http.Header{"Accept": {"a", "b"}}}
	for text, want := range map[string]bool{
		`ja4 == "t13d1516h2_8daaf6152771_e5627efa2ab1"`:                                                             true,
		`sni == "www.example" && event.sni == sni`:                                                                  true,
		`client.exists(c, c.family == "Go") && sni.endsWith(".example")`:                                            true,
		`client.exists(c, c.kind == "impersonator" && c.distance == 0)`:                                             true,
		`client.all(c, c.distance == 0)`:                                                                            false,
		`client.exists_one(c, c.distance > 0)`:                                                                      true,
		`client[0].name == "curl" && client[1].differs == ["extensions", "application_layer_protocol_negotiation"]`: true,
		`size(tells) > 0 && tells[0].name.startsWith("hybrid")`:                                                     true,
		`tells.exists(x, !x.novel && !x.lead)`:                                                                      true,
		`claim.verdict == "inconsistent" && "no GREASE" in claim.reasons`:                                           true,
		`carrier.split && carrier.records == 2 && carrier.segments == 0`:                                            true,
		`"h2" in alpn && !("h3" in alpn)`:                                                                           true,
		`src_port > 49151 && src_port < 65536.5`:                                                                    true,
		`cidr("192.0.2.0/24").containsIP(src_ip) && ip(src_ip).family() == 4`:                                       true,
		`time > timestamp("2026-11-29T00:00:00Z") && time.getHours() == 12`:                                         true,
		`inList("bad", ja4) && !inList("office", "192.0.2.8")`:                                                      true,
		`agg(ja4).addresses == 7 && agg(ja4).h2_ratio >= 0.5 && agg("other").requests == 0`:                         true,
		`request.path.startsWith("/log") && request.header("ACCEPT") == "a, b" && request.header("none") == ""`:     true,
		`"seen" in tags && user_agent.lowerAscii().contains("chrome")`:                                              true,
		`has(event.sni) && has(event.claim) && has(claim.program)`:                                                  true,
		`client == event.client && size(client + client) == 6 && client[0] in client && client != []`:               true,
		`client + tells.map(t, client[0]) == client`:                                                                false,
		`client.filter(c, c.kind == "tool")[0] == client[0]`:                                                        true,
		`client.map(c, c.name) == ["curl", "uTLS", "net/http"]`:                                                     true,
		// What is absent reads as zero.
		`has(event.quic) || has(claim.proxy) || has(quic.version)`: false,
		`quic.version == "" && quic.dcid_len == 0 && size(quic.frame_types) == 0 && !quic.out_of_order && quic.transport_parameters.exists(p, true) == false`: true,
		`http2 == "" && handshake.error == "" && size(via) == 0 && raw == b"" && !address_verified && front_ja4.ja4 == ""`:                                    true,
		`id == "" && dst_ip == "" && settled == "" && size(hello) == 0`:                                                                                       true,
	} {
		x, err := env.Compile(text, AtRequest)
		require.NoError(t, err, text)
		var in Input
		in.Reset(theEvent(), r)
		got, err := x.Match(&in)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
		assert.Equal(t, text, x.String())
	}
}

// TestMatchEmpty: no key of an Event that has nothing makes an expression fail.
func TestMatchEmpty(t *testing.T) {
	env := testEnv(t)
	for key, f := range env.schema.event.fields {
		text := fmt.Sprintf("has(event.%s)", key)
		x, err := env.Compile(text, AtRequest)
		require.NoError(t, err)
		var in Input
		in.Reset(new(event.Event), nil)
		got, err := x.Match(&in)
		require.NoError(t, err)
		assert.False(t, got, key)
		v, ok := in.ResolveName(key)
		require.True(t, ok)
		assert.Equal(t, types.True, v.(ref.Val).Equal(f.zero), key)
	}
}

func TestMatchErrors(t *testing.T) {
	env := testEnv(t)
	for text, want := range map[string]string{
		`client[7].name == "x"`:                             "index out of bounds: 7",
		`cidr("192.0.2.0/24").containsIP(dst_ip)`:           "unable to parse IP",
		`10 / size(via) > 1`:                                "division by zero",
		`hello["type"] == "x"`:                              "no such key",
		`alpn.exists(a, a == "h2") && ip(sni) == ip("::1")`: "ParseAddr",
	} {
		x, err := env.Compile(text, AtRequest)
		require.NoError(t, err, text)
		var in Input
		in.Reset(theEvent(), nil)
		got, err := x.Match(&in)
		assert.ErrorContains(t, err, want, text)
		assert.False(t, got)
	}
}

func TestCompileErrors(t *testing.T) {
	env := testEnv(t)
	for text, want := range map[string]string{
		"":                                "1:1: is empty",
		`ja5 == "x"`:                      "1:1: there is no key ja5: did you mean ja3 or ja4?\n  ja5 == \"x\"\n  ^",
		"sni == '' &&\n  nsi == ''":       "2:3: there is no key nsi: did you mean sni?\n    nsi == ''\n    ^",
		`client.exists(c, c.knid == "x")`: "1:19: there is no field knid: did you mean kind?\n  client.exists(c, c.knid == \"x\")\n                    ^",
		`event.ja5 == "x"`:                "1:6: there is no field ja5: did you mean ja3 or ja4?",
		`ja4 == 3`:                        "1:5: == cannot be applied to string and int",
		`ja4`:                             `1:1: is of type string; a condition is true or false: compare it, as in ja4 == "..."`,
		`tells`:                           "1:1: is of type list(Tell); a condition is true or false: ask whether it has elements, as in size(tells) > 0",
		`sni.endswith("x")`:               "1:13: there is no function endswith: did you mean endsWith?",
		`sni.endsWith(3)`:                 "1:13: endsWith cannot be called as string.(int)",
		`inList("bda", ja4)`:              "1:8: there is no list \"bda\": did you mean bad?",
		`inList(sni, ja4)`:                "1:8: the name of a list must be written out",
		`inList("bad")`:                   "1:7: inList cannot be called as (string)",
		`agg(3).addresses > 1`:            "1:4: agg cannot be called as (int)",
		`agg(ja4).address > 1`:            "1:9: there is no field address: did you mean addresses?",
		`request.paht == ""`:              "1:8: there is no field paht: did you mean path?",
		`sni == `:                         "1:8: the expression ends too early",
		`sni = "x"`:                       "1:5: there is no operator =: write ==",
		`Claim{verdict: "x"} == claim`:    "1:6: there is no key",
		strings.Repeat("x", 1<<20):        "1:1: has 1048576 bytes; an expression may have 65536: for many values, use a list and inList",
		"sni" + strings.Repeat(" + sni", 8000) + " == ''":              "1:1: is nested too deep",
		strings.Repeat("a.b.c?d:e ", 6000):                             "1:1: this is no expression",
		strings.Repeat("(", 1000) + "true" + strings.Repeat(")", 1000): "nested too deep",
	} {
		_, err := env.Compile(text, AtRequest)
		if assert.Error(t, err, text) {
			assert.Contains(t, err.Error(), want)
			var x *ExprError
			assert.ErrorAs(t, err, &x)
		}
	}
	_, err := env.Compile(`claim.verdict == "inconsistent"`, AtHello)
	assert.ErrorContains(t, err, "1:1: claim is not known at the stage hello: write stage: request")
	_, err = env.Compile(`sni == "" || event.http2 == "" || request.path == ""`, AtHello)
	assert.ErrorContains(t, err, "1:19: http2 is not known at the stage hello")
	assert.ErrorContains(t, err, "1:35: request is not known at the stage hello")
	_, err = env.Compile(`ja5 == "" || ja6 == ""`, AtHello)
	assert.ErrorContains(t, err, "ja5")
	assert.ErrorContains(t, err, "ja6")
}

// TestExprErrorLongLine: of a long line, what is around the error is shown.
func TestExprErrorLongLine(t *testing.T) {
	_, err := testEnv(t).Compile(strings.Repeat(`sni == "ü" || `, 1000)+`ja5 == ""`, AtRequest)
	require.Error(t, err)
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, 3)
	assert.Less(t, len([]rune(lines[1])), 120)
	mark := strings.Index(lines[2], "^")
	assert.Equal(t, "ja5", string([]rune(lines[1])[mark:mark+3]))
}

func TestKeys(t *testing.T) {
	env := testEnv(t)
	for _, test := range []struct {
		text             string
		keys             []string
		size             event.Size
		clients, request bool
	}{
		{`sni == ""`, []string{"sni"}, event.Compact, false, false},
		{`event.sni == "" && carrier.split`, []string{"carrier", "sni"}, event.Full, false, false},
		{`client.exists(sni, sni.name == "x")`, []string{"client"}, event.Compact, true, false},
		{`client.exists(event, event.name == "x")`, []string{"client"}, event.Compact, true, false},
		{`sni.endsWith(alpn.map(x, x + version)[0])`, []string{"alpn", "sni", "version"}, event.Compact, false, false},
		{`raw == b""`, []string{"raw"}, event.Detail, false, false},
		{`agg(stable).addresses > 1 || inList("bad", ja4_r)`, []string{"ja4_r", "stable"}, event.Full, false, false},
		{`request.path == ""`, []string{"request"}, event.Compact, false, true},
		{`claim.verdict == ""`, []string{"claim"}, event.Compact, true, true},
		{`true`, nil, event.Compact, false, false},
		{`{"x": sni}["x"] == [ja3][0]`, []string{"ja3", "sni"}, event.Compact, false, false},
	} {
		x, err := env.Compile(test.text, AtRequest)
		require.NoError(t, err, test.text)
		assert.Equal(t, test.keys, x.Keys(), test.text)
		assert.Equal(t, test.size, x.Size(), test.text)
		assert.Equal(t, test.clients, x.NeedsClients(), test.text)
		assert.Equal(t, test.request, x.NeedsRequest(), test.text)
	}
}

// TestStages: each key of a live Event is known to be there at the hello, or not to be.
func TestStages(t *testing.T) {
	atHello := map[string]bool{"address_verified": true, "conn": true, "shared": true, "tags": true}
	for i := range event.Fields {
		f := &event.Fields[i]
		if f.Origin == event.Live {
			assert.NotEqual(t, atHello[f.Key], requestKeys[f.Key], "is %s known at the hello? Say so here or in requestKeys", f.Key)
		}
	}
	_, isKey := newSchema().event.fields[varEvent]
	assert.False(t, isKey)
	_, isKey = newSchema().event.fields[varRequest]
	assert.False(t, isKey)
}

// TestCost: a hello of 64 KiB costs no more than it may, and what can be written in one
// pass over it is answered.
func TestCost(t *testing.T) {
	e := theEvent()
	e.SNI = ptr(strings.Repeat(`\xff`, 64<<10))
	e.ALPN = make([]string, 30_000)
	for i := range e.ALPN {
		e.ALPN[i] = "x"
	}
	r := &Request{Header: http.Header{"X-A": slices.Repeat([]string{strings.Repeat("a", 1000)}, 1000)}}
	env := testEnv(t)
	for text, want := range map[string]error{
		`sni.endsWith(".example") || sni.contains("example") || sni.matches("^[a-z.]*(a|b)$")`: nil,
		`alpn.exists(a, a == "h2" || a == "http/1.1" || a.startsWith("h3"))`:                   nil,
		`inList("bad", sni) || agg(sni).addresses > 3`:                                         nil,
		`"h2" in alpn`: nil,
		`alpn.exists(a, alpn.exists(b, a == b && a == "h2"))`:                  ErrCost,
		`alpn.exists(a, sni.contains(a + a))`:                                  ErrCost,
		`alpn.map(a, sni + a).exists(s, s == "h2")`:                            ErrCost,
		`alpn.exists(a, sni.matches("(x+x+)+y"))`:                              ErrCost,
		`alpn.map(a, alpn).map(a, alpn).exists(s, s == ["h2"])`:                ErrCost,
		`alpn.all(a, alpn == alpn)`:                                            ErrCost,
		`alpn.all(a, !("h2" in alpn))`:                                         ErrCost,
		`alpn.all(a, event == event)`:                                          ErrCost,
		`sni.matches("(.{0,900}a.{0,90}b)")`:                                   ErrCost,
		`sni.replace("f", sni) == ""`:                                          ErrCost,
		`sni.replace("", sni) == ""`:                                           ErrCost,
		`alpn.all(a, sni.indexOf("b") < 0)`:                                    ErrCost,
		`alpn.all(a, !inList("bad", sni))`:                                     ErrCost,
		`alpn.all(a, agg(sni).addresses == 0)`:                                 ErrCost,
		`alpn.all(a, size(sni) > 3)`:                                           ErrCost,
		`alpn.all(a, request.header("x-a") != "")`:                             ErrCost,
		`alpn.join(sni) == ""`:                                                 ErrCost,
		`alpn.join(", ") == "" || sni.replace("f", "", 5) == ""`:               nil,
		`alpn.map(a, a + "!").size() < 3`:                                      nil,
		`alpn.exists(a, a.startsWith("h") && a != "h2" || a.contains("spdy"))`: nil,
		`!alpn.all(a, sni.contains(a))`:                                        ErrCost,
	} {
		x, err := env.Compile(text, AtRequest)
		require.NoError(t, err)
		var in Input
		in.Reset(e, r)
		got, err := x.Match(&in)
		assert.False(t, got)
		assert.True(t, errors.Is(err, want) && (want != nil || err == nil), "%s: %v", text, err)
	}
}

// TestPatterns: a regular expression is checked when the expression is compiled.
func TestPatterns(t *testing.T) {
	env := testEnv(t)
	for text, want := range map[string]string{
		`sni.matches(ja4)`:                  "1:13: the regular expression of matches must be written out\n  sni.matches(ja4)\n              ^",
		`matches(sni, "a" + "b")`:           "1:18: the regular expression of matches must be written out\n  matches(sni, \"a\" + \"b\")\n                   ^",
		`true || sni.matches("[a-")`:        "1:21: is no regular expression: error parsing regexp: missing closing ]: `[a-`\n  true || sni.matches(\"[a-\")\n                      ^",
		`["a"].exists(x, x.matches("(?<"))`: "1:27: is no regular expression: error parsing regexp: invalid or unsupported Perl syntax: `(?<`\n  [\"a\"].exists(x, x.matches(\"(?<\"))\n                            ^",
	} {
		_, err := env.Compile(text, AtHello)
		assert.EqualError(t, err, want)
	}
}

// TestConcurrentMatch: an Expr and an Env are for several goroutines, each with an Input.
func TestConcurrentMatch(t *testing.T) {
	env := testEnv(t)
	x, err := env.Compile(`client.exists(c, c.family != "") && event.sni == sni && sni.matches("^[a-z.]+$") && size(tells) >= 0 && !inList("bad", sni) && agg(ja4).addresses >= 0 && hello.size() >= 0`, AtRequest)
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			var in Input
			for range 200 {
				in.Reset(theEvent(), nil)
				got, err := x.Match(&in)
				if !got || err != nil {
					t.Errorf("%v, %v", got, err)
					return
				}
			}
			_, err := env.Compile(`sni == "x"`, AtHello)
			assert.NoError(t, err)
		})
	}
	wg.Wait()
}
