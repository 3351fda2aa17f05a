package event

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

func observation(h *parser.ClientHello) *Observation {
	return &Observation{
		Time:    time.Date(2026, 11, 22, 7, 33, 15, 390309000, time.UTC),
		Src:     netip.MustParseAddrPort("[::ffff:127.0.0.1]:50098"),
		Dst:     netip.MustParseAddrPort("[2001:db8::1]:8443"),
		File:    `a "b" \ ü.pcap`,
		Packet:  4,
		Via:     []string{"vlan", "gre"},
		Index:   1,
		Carrier: Carrier{Records: 1, Segments: 2, Bytes: len(h.Raw)},
		Hello:   h,
	}
}

// reflected returns e as a struct that encoding/json writes: the oracle of
// AppendJSON. The fingerprints stand in it where they stand in an Event.
func reflected(e *Event) any {
	of := reflect.ValueOf(e).Elem()
	var fields []reflect.StructField
	var values []reflect.Value
	for i := range of.NumField() {
		f := of.Type().Field(i)
		switch {
		case f.Name == "Fingerprints":
			for i := range fingerprint.Methods {
				fields = append(fields, reflect.StructField{
					Name: "Fingerprint" + strconv.Itoa(i),
					Type: reflect.TypeFor[string](),
					Tag:  reflect.StructTag(`json:"` + fingerprint.Methods[i].Key + `,omitempty"`),
				})
				values = append(values, reflect.ValueOf(e.Fingerprints[i]))
			}
		case f.IsExported():
			fields, values = append(fields, f), append(values, of.Field(i))
		}
	}
	out := reflect.New(reflect.StructOf(fields)).Elem()
	for i, v := range values {
		out.Field(i).Set(v)
	}
	return out.Interface()
}

func assertSameJSON(t *testing.T, e *Event) {
	t.Helper()
	got, err := e.AppendJSON([]byte("before"))
	require.NoError(t, err)
	got, ok := bytes.CutPrefix(got, []byte("before"))
	require.True(t, ok)
	var want bytes.Buffer
	enc := json.NewEncoder(&want)
	enc.SetEscapeHTML(false)
	require.NoError(t, enc.Encode(reflected(e)))
	assert.Equal(t, want.String(), string(got)+"\n")

	var decoded Event
	require.NoError(t, json.Unmarshal(got, &decoded))
	again, err := decoded.AppendJSON(nil)
	require.NoError(t, err)
	assert.Equal(t, string(got), string(again))
	if e.Hello != nil {
		require.NotNil(t, decoded.Hello)
		assert.Equal(t, e.Hello.Bytes, decoded.Hello.Bytes)
		return // JSON has no names for the elements of lists
	}
	back := Event{SSLv2: &SSLv2{}, Error: "of before"}
	require.NoError(t, json.Unmarshal(got, &back))
	assert.Equal(t, *e, back)
}

func TestAppendJSONEqualsEncodingJSON(t *testing.T) {
	var ob Observer
	for name, h := range hellotest.Real(t) {
		for size := Compact; size <= Detail; size++ {
			o := observation(h)
			if h.Transport == parser.QUIC {
				o.QUIC = &fingerprint.QUICInitial{Version: 1, DCIDLen: 8, FrameTypes: []byte{6, 0, 1}, Initials: 2}
			}
			e := ob.Event(o, size)
			t.Run(name, func(t *testing.T) { assertSameJSON(t, &e) })
		}
	}
}

func TestCompactEvent(t *testing.T) {
	var ob Observer
	e := ob.Event(observation(hellotest.Real(t)["curl-openssl-3.0"]), Compact)
	e.Client = e.Client[:1] // the others depend on the database
	client := string(e.Client[0].AppendJSON(nil))
	assert.Contains(t, client, `"family":"OpenSSL+curl"`)
	got, err := e.AppendJSON(nil)
	require.NoError(t, err)
	assert.Equal(t, `{"time":"2026-11-22T07:33:15.390309Z","id":"b3c52d7b1b01cee51855c3ac9f25b399","file":"a \"b\" \\\\ ü.pcap","packet":4,"transport":"tls","src_ip":"127.0.0.1","src_port":50098,`+
		`"dst_ip":"2001:db8::1","dst_port":8443,"hello_index":1,"sni":"test.example","alpn":["h2","http/1.1"],"version":"1.3",`+
		`"ja3":"0149f47eabf9a20d0893e2a44e5a6323","ja3n":"22441e3edb4a151c17462a438c7a10a5","ja4":"t13d3112h2_e8f1e7e78f70_b26ce05bbdd6","session":"fresh","client":[`+client+`]}`, string(got))
}

func TestFullEventHasEveryFingerprint(t *testing.T) {
	var ob Observer
	for name, h := range hellotest.Real(t) {
		o := observation(h)
		o.HTTP2 = "1:65536|00|0|m,a,s,p"
		in := &fingerprint.Input{Hello: h, HTTP2: o.HTTP2}
		if h.Transport == parser.QUIC {
			o.QUIC = &fingerprint.QUICInitial{Version: 1, DCIDLen: 8}
			in.QUIC = o.QUIC
		}
		for _, size := range []Size{Compact, Full} {
			e := ob.Event(o, size)
			for i := range fingerprint.Methods {
				m := &fingerprint.Methods[i]
				want := m.Of(in)
				if m.Full && size == Compact {
					want = ""
				}
				assert.Equal(t, want, e.Fingerprint(m.Key), "%s of %s", m.Key, name)
			}
			assert.Equal(t, fingerprint.JA3(h), e.JA3(), name)
			assert.Equal(t, fingerprint.JA4(h), e.JA4(), name)
			assert.Equal(t, fingerprint.SessionOf(h).String(), e.Session, name)
		}
		e := ob.Event(o, Full)
		assert.Equal(t, &Carrier{Records: 1, Segments: 2, Bytes: len(h.Raw), Split: true}, e.Carrier, name)
	}
}

func TestFullEventOverQUIC(t *testing.T) {
	h := hellotest.Real(t)["chromium-156-quic"]
	o := observation(h)
	o.QUIC = &fingerprint.QUICInitial{
		Version: 1, DCIDLen: 8, PacketNumber: 1, PacketNumberLen: 1, FrameTypes: []byte{6, 0, 1}, Initials: 2, OutOfOrder: true,
	}
	var ob Observer
	e := ob.Event(o, Full)
	require.Len(t, e.QUIC.TransportParameters, len(h.TransportParameters))
	for i, p := range h.TransportParameters {
		assert.Equal(t, TransportParameter{p.ID, p.Name(), hex.EncodeToString(p.Value)}, e.QUIC.TransportParameters[i])
	}
	assert.Equal(t, o.QUIC, e.QUIC.Initial())
	e.QUIC.TransportParameters = nil
	assert.Equal(t, &QUIC{Version: "0x00000001", DCIDLen: 8, PacketNumber: 1, PacketNumberLen: 1,
		FrameTypes: []int{6, 0, 1}, Initials: 2, OutOfOrder: true}, e.QUIC)
	assert.Nil(t, (&QUIC{Version: "one"}).Initial())
	assert.Nil(t, (*QUIC)(nil).Initial())
}

func TestEventWithoutHello(t *testing.T) {
	var ob Observer
	e := ob.Event(&Observation{Transport: parser.DTLS, Err: errors.New("reading: <broken>"), Received: []byte{0x16, 3}}, Compact)
	assertSameJSON(t, &e)
	got, err := json.Marshal(&e)
	require.NoError(t, err)
	// json.Marshal escapes < and > once more in what MarshalJSON returns.
	assert.Equal(t, "{\"id\":\"9b80600a3587c715407012b29a9a6697\",\"transport\":\"dtls\",\"error\":\"reading: \\u003cbroken\\u003e\",\"received\":\"1603\"}", string(got))
}

func TestHostileText(t *testing.T) {
	sni := []byte("a\r\n\x00\x1b[31m\xff\\\u202e\u2028é\"<b>")
	h := hellotest.Hello(hellotest.Extension(parser.ExtServerName, hellotest.ServerName(sni)))
	var ob Observer
	e := ob.Event(observation(h), Full)
	assertSameJSON(t, &e)
	text, err := e.AppendJSON(nil)
	require.NoError(t, err)
	assert.True(t, json.Valid(text))
	for _, c := range text {
		assert.GreaterOrEqual(t, c, byte(' '))
	}
	back, err := parser.UnescapeText(*e.SNI)
	require.NoError(t, err)
	assert.Equal(t, sni, back)
}

func TestAbsentIsNotEmpty(t *testing.T) {
	var ob Observer
	e := ob.Event(observation(hellotest.Hello(hellotest.Extension(parser.ExtServerName, nil))), Compact)
	require.NotNil(t, e.SNI)
	assert.Empty(t, *e.SNI)
	e = ob.Event(observation(hellotest.Hello()), Compact)
	assert.Nil(t, e.SNI)
	assert.Nil(t, e.ALPN)
}

func TestVersion(t *testing.T) {
	for _, c := range []struct {
		transport parser.Transport
		legacy    parser.Version
		supported []parser.Version
		want      string
	}{
		{parser.TLS, 0x0303, []parser.Version{0x0a0a, 0x0304, 0x0303}, "1.3"},
		{parser.TLS, 0x0303, []parser.Version{0x0302}, "1.1"},
		{parser.TLS, 0x0303, []parser.Version{0x0a0a}, "1.2"},
		{parser.TLS, 0x0301, nil, "1.0"},
		{parser.TLS, 0x0300, nil, "ssl 3.0"},
		{parser.TLS, 0x0303, []parser.Version{0x0304, 0x7f1c}, "0x7f1c"},
		{parser.DTLS, 0xfefd, []parser.Version{0xfefc, 0xfefd, 0x0303}, "1.3"},
		{parser.DTLS, 0xfefd, []parser.Version{0x0303, 0xfefd}, "1.2"},
		{parser.DTLS, 0xfeff, nil, "1.0"},
	} {
		h := &parser.ClientHello{Transport: c.transport, LegacyVersion: c.legacy, SupportedVersions: c.supported}
		assert.Equal(t, c.want, versionText(highestVersion(h)), "%v", c)
	}
}

func TestSSLv2Event(t *testing.T) {
	h, err := parser.Parse([]byte("\x80\x2b\x01\x00\x02\x00\x12\x00\x00\x00\x10" +
		"\x01\x00\x80\x02\x00\x80\x03\x00\x80\x04\x00\x80\x06\x00\x40\x07\x00\xc0" + "0123456789abcdef"))
	require.NoError(t, err)
	var ob Observer
	e := ob.Event(observation(h), Compact)
	assertSameJSON(t, &e)
	assert.Zero(t, e.Fingerprints)
	assert.Equal(t, "hello in SSLv2 format, for which no fingerprint is defined", e.Error)
	assert.Equal(t, []string{"010080", "020080", "030080", "040080", "060040", "0700c0"}, e.SSLv2.CipherSpecs)
	assert.Equal(t, "ssl 2.0", e.Version)
}

func TestCompactEventAllocations(t *testing.T) {
	h := hellotest.Real(t)["chromium-156"]
	o := observation(h)
	var ob Observer
	buf := make([]byte, 0, 4096)
	got := testing.AllocsPerRun(100, func() {
		e := ob.Event(o, Compact)
		buf, _ = e.AppendJSON(buf[:0])
	})
	assert.Equal(t, 6.0, got, "one each for the texts, the SNI's address, the ALPN list and the candidates, and two for the Event and its copy")

	var e Event
	got = testing.AllocsPerRun(100, func() {
		ob.Fill(&e, o, Compact)
		buf, _ = e.AppendJSON(buf[:0])
	})
	assert.Equal(t, 1.0, got, "for the texts")
}

// TestFill: an Event that was filled before ends up like a new one.
func TestFill(t *testing.T) {
	hellos := slices.Collect(maps.Values(hellotest.Real(t)))
	r := rand.New(rand.NewPCG(1, 2))
	var ob Observer
	var e Event
	for range 1000 {
		o := *observation(hellos[r.IntN(len(hellos))])
		switch r.IntN(8) {
		case 0:
			o.Hello = hellotest.Hello()
		case 1:
			o.Hello, o.Err, o.Received = nil, io.EOF, []byte("GET")
		case 2:
			o.HTTP2, o.Request = "2:0|00|0|m,p,s,a", known.Request{UserAgent: "curl/8.0"}
		}
		size := Size(r.IntN(3))
		ob.Fill(&e, &o, size)
		got, err := e.AppendJSON(nil)
		require.NoError(t, err)
		fresh := new(Observer).Event(&o, size)
		want, err := fresh.AppendJSON(nil)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got))
	}
}

func TestSkipClients(t *testing.T) {
	o := observation(hellotest.Real(t)["curl-openssl-3.0"])
	o.Request = known.Request{UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"}
	want := new(Observer).Event(o, Full)
	require.NotEmpty(t, want.Client)
	require.NotNil(t, want.Claim)
	got := (&Observer{SkipClients: true}).Event(o, Full)
	want.Client, want.Tells, want.Claim = nil, nil, nil
	assert.Equal(t, want, got)
}

// TestTreeIsEscaped: the tree of a hello is escaped as encoding/json escapes it.
func TestTreeIsEscaped(t *testing.T) {
	for _, text := range []string{"plain \"text\"", "a<b", "a>b", "a&b", "<a & b>", "a\u2028b", "a\u2029b", "\u2027 \u2030"} {
		e := Event{Transport: "tls", Hello: &parser.Field{Name: "client_hello", Bytes: []byte{1}, Value: text, ValueName: text}}
		want, err := json.Marshal(e.Hello)
		require.NoError(t, err)
		got, err := e.AppendJSON([]byte("<&>"))
		require.NoError(t, err)
		assert.Equal(t, `<&>{"transport":"tls","hello":`+string(want)+"}", string(got))
	}
}

// TestTreeTakesNoMemory: the tree and the bytes of a hello are appended as they are.
func TestTreeTakesNoMemory(t *testing.T) {
	var ob Observer
	e := ob.Event(observation(hellotest.Real(t)["chromium-156"]), Detail)
	buf, err := e.AppendJSON(nil)
	require.NoError(t, err)
	detail := testing.AllocsPerRun(100, func() { e.AppendJSON(buf[:0]) })
	e.Hello, e.Raw = nil, nil
	assert.Equal(t, testing.AllocsPerRun(100, func() { e.AppendJSON(buf[:0]) }), detail)
}

func BenchmarkCompact(b *testing.B) {
	h := hellotest.Real(b)["chromium-156"]
	o := observation(h)
	var ob Observer
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = ob.AppendJSON(buf[:0], o, Compact)
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	for _, size := range []Size{Compact, Full, Detail} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			e := new(Observer).Event(observation(hellotest.Real(b)["chromium-156"]), size)
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				buf, _ = e.AppendJSON(buf[:0])
			}
		})
	}
}

// TestHalfReadHello: a message that was decoded only in part has no fingerprints.
func TestHalfReadHello(t *testing.T) {
	h := hellotest.Real(t)["curl-openssl-3.0"]
	cut := new(parser.ClientHello)
	err := cut.Unmarshal(h.Raw[:200])
	require.ErrorIs(t, err, parser.ErrTruncated)
	o := observation(cut)
	o.Err, o.Received = err, cut.Raw
	var ob Observer
	e := ob.Event(o, Detail)
	assert.Equal(t, "parser: extensions: truncated at byte 200", e.Error)
	assert.Equal(t, hex.EncodeToString(h.Raw[:200]), e.Received)
	assert.Zero(t, e.Fingerprints)
	assert.Empty(t, e.Session)
	assert.Empty(t, e.Client)
	assert.NotNil(t, e.Hello)
}
