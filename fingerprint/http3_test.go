package fingerprint_test

import (
	"crypto/md5"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2/hpack"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/varint"
)

// frame3 returns a frame of HTTP/3.
func frame3(typ uint64, payload ...byte) []byte {
	return append(varint.Append(varint.Append(nil, typ), uint64(len(payload))), payload...)
}

// settings3 returns a SETTINGS frame of HTTP/3 of pairs of id and value.
func settings3(pairs ...uint64) []byte {
	var payload []byte
	for _, n := range pairs {
		payload = varint.Append(payload, n)
	}
	return frame3(4, payload...)
}

// controlStream returns a control stream that begins with these frames.
func controlStream(frames ...[]byte) []byte { return append([]byte{0}, join(frames...)...) }

// literal3 returns a field line without references, in Huffman's code or not.
func literal3(huffman bool, name, value string) []byte {
	text := func(first byte, bits uint, s string) (b []byte) {
		if huffman {
			first |= 1 << bits
			s = string(hpack.AppendHuffmanString(nil, s))
		}
		if limit := 1<<bits - 1; len(s) >= limit {
			b = append(b, first|byte(limit))
			n := len(s) - limit
			for ; n >= 128; n >>= 7 {
				b = append(b, byte(n)|0x80)
			}
			return append(append(b, byte(n)), s...)
		}
		return append(append(b, first|byte(len(s))), s...)
	}
	return append(text(0x20, 3, name), text(0, 7, value)...)
}

// header3 returns a HEADERS frame with pseudo-header fields, by letter, of the static
// table, and then others.
func header3(pseudo string, others ...[]byte) []byte {
	fields := []byte{0, 0} // nothing of the dynamic table
	for _, c := range pseudo {
		switch c {
		case 'm':
			fields = append(fields, 0xc0|17) // :method GET
		case 's':
			fields = append(fields, 0xc0|23) // :scheme https
		case 'p':
			fields = append(fields, 0xc0|1) // :path /
		case 'a':
			fields = append(fields, 0x50, 1, 'x') // :authority, by its name
		case 'x':
			fields = append(fields, literal3(true, ":protocol", "websocket")...)
		}
	}
	return frame3(1, append(fields, join(others...)...)...)
}

// read3 reads a control stream and a request stream, all of each at once.
func read3(t *testing.T, control, request []byte) (c fingerprint.HTTP3Control, r fingerprint.HTTP3Request) {
	_, err := c.Parse(control)
	require.NoError(t, err)
	_, err = r.Parse(request)
	require.NoError(t, err)
	return c, r
}

func md5Text(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

func TestHTTP3(t *testing.T) {
	grease, priority := frame3(0x21+0x1f*1000, 1, 2, 3), frame3(0xf0700, 0, 'u', '=', '1')
	for name, c := range map[string]struct {
		control, request []byte
		text, wire       string
		hash             string // of one of them, as others print it
	}{
		"Chromium": {
			controlStream(settings3(1, 65536, 6, 262144, 7, 100, 51, 1, 0x21+0x1f*0x12345678, 0xabcdef), grease, priority), header3("masp"),
			"1:65536;6:262144;7:100;51:1;GREASE|m,a,s,p", "1:65536;6:262144;7:100;51:1;GREASE|GREASE|984832|m,a,s,p", "e1d11ee6f2f4c7b1f11bfaaf4dbbc211",
		},
		"Chromium, as browserleaks.com prints it": {
			controlStream(settings3(1, 65536, 6, 262144, 7, 100, 51, 1, 0x21+0x1f*0x12345678, 0), grease, priority), header3("masp"),
			"1:65536;6:262144;7:100;51:1;GREASE|m,a,s,p", "1:65536;6:262144;7:100;51:1;GREASE|GREASE|984832|m,a,s,p", "ba909fc3dc419ea5c5b26c6323ac1879",
		},
		"Firefox": {
			controlStream(settings3(1, 65536, 7, 20, 727725890, 0, 16765559, 1, 51, 1, 8, 1)), header3("msap"),
			"1:65536;7:20;8:1;51:1;16765559:1;727725890:0|m,s,a,p", "1:65536;7:20;727725890:0;16765559:1;51:1;8:1|m,s,a,p", "32b52289d7beca6748608aadb7b91846",
		},
		"no settings":       {controlStream(settings3()), header3("p"), "|p", "|p", ""},
		"GREASE first":      {controlStream(settings3(33, 7, 6, 1, 64, 2, 1, 0)), header3("ps"), "1:0;6:1;GREASE;GREASE|p,s", "GREASE;6:1;GREASE;1:0|p,s", ""},
		"large values":      {controlStream(settings3(1<<62-1, 1<<62-1)), header3("m"), "4611686018427387903:4611686018427387903|m", "4611686018427387903:4611686018427387903|m", ""},
		"a frame before":    {controlStream(grease, settings3(1, 0)), join(grease, frame3(0xf0703), header3("am")), "1:0|a,m", "1:0|GREASE|a,m", ""},
		"MAX_PUSH_ID":       {controlStream(settings3(1, 0), frame3(0xd, 1)), header3("ma"), "1:0|m,a", "1:0|13|m,a", ""},
		"WebSocket":         {controlStream(settings3(8, 1)), header3("mxsap"), "8:1|m,s,a,p", "8:1|m,s,a,p", ""},
		"half a frame":      {controlStream(settings3(1, 0), grease[:len(grease)-1]), header3("ma"), "1:0|m,a", "1:0|GREASE|m,a", ""},
		"after the request": {controlStream(settings3(1, 0)), join(header3("ma"), frame3(0, 'x')), "1:0|m,a", "1:0|m,a", ""},
	} {
		t.Run(name, func(t *testing.T) {
			control, request := read3(t, c.control, c.request)
			text, wire := string(fingerprint.AppendHTTP3([]byte("> "), &control, &request)), string(fingerprint.AppendHTTP3Wire([]byte("> "), &control, &request))
			assert.Equal(t, "> "+c.text, text)
			assert.Equal(t, "> "+c.wire, wire)
			if c.hash != "" {
				assert.Contains(t, []string{md5Text(c.text), md5Text(c.wire)}, c.hash)
			}
			buf := make([]byte, 0, 4096)
			assert.Zero(t, testing.AllocsPerRun(100, func() {
				fingerprint.AppendHTTP3(buf, &control, &request)
				fingerprint.AppendHTTP3Wire(buf, &control, &request)
			}))
		})
	}
}

// TestHTTP3NeedsBoth: one stream alone has no fingerprint.
func TestHTTP3NeedsBoth(t *testing.T) {
	c, r := read3(t, controlStream(settings3(1, 0)), header3("m"))
	for _, text := range [][]byte{
		fingerprint.AppendHTTP3(nil, new(fingerprint.HTTP3Control), &r),
		fingerprint.AppendHTTP3Wire(nil, new(fingerprint.HTTP3Control), &r),
		fingerprint.AppendHTTP3(nil, &c, new(fingerprint.HTTP3Request)),
		fingerprint.AppendHTTP3Wire(nil, &c, new(fingerprint.HTTP3Request)),
	} {
		assert.Empty(t, text)
	}
}

func TestHTTP3Request(t *testing.T) {
	long := strings.Repeat("x", 600)
	_, r := read3(t, controlStream(settings3()), header3("masp",
		literal3(true, "sec-ch-ua", `"Chromium";v="156"`), literal3(false, "sec-ch-ua-platform", `"Linux"`),
		literal3(true, "user-agent", long), literal3(false, "user-agent", "second"), []byte{0xc0 | 29, 0xff, 98 - 63}))
	assert.True(t, r.Done() && r.Whole())
	assert.Equal(t, ":method,:authority,:scheme,:path,sec-ch-ua,sec-ch-ua-platform,user-agent,user-agent,accept,x-frame-options", strings.Join(r.Names(), ","))
	assert.Equal(t, long[:fingerprint.MaxHTTP2Field], r.UserAgent())
	brands, platform := r.ClientHints()
	assert.Equal(t, `"Chromium";v="156"`, brands)
	assert.Equal(t, `"Linux"`, platform)
}

// TestHTTP3RequestIsCut: of a long header the beginning is read.
func TestHTTP3RequestIsCut(t *testing.T) {
	request := header3("masp", literal3(false, "user-agent", "first"), literal3(false, "cookie", strings.Repeat("x", 10_000)))
	var r fingerprint.HTTP3Request
	needed, err := r.Parse(request[:20])
	require.NoError(t, err)
	assert.Equal(t, fingerprint.MaxHTTP3Request, needed)
	_, err = r.Parse(request)
	require.NoError(t, err)
	assert.True(t, r.Done())
	assert.False(t, r.Whole())
	assert.Equal(t, ":method,:authority,:scheme,:path,user-agent", strings.Join(r.Names(), ","))
	assert.Equal(t, "first", r.UserAgent())

	many := header3("m", []byte(strings.Repeat("\xd1", 1000)))
	_, err = r.Parse(many)
	require.NoError(t, err)
	assert.Len(t, r.Names(), 128)
}

func TestHTTP3Errors(t *testing.T) {
	unknown := frame3(0x40, make([]byte, 10)...)
	for name, c := range map[string]struct {
		stream  []byte
		request bool
		want    string
	}{
		"another stream":             {[]byte{2}, false, "fingerprint: stream type: malformed HTTP/3 frame"},
		"no SETTINGS":                {controlStream(frame3(0xd, 1)), false, "fingerprint: control stream: malformed HTTP/3 frame"},
		"SETTINGS twice":             {controlStream(settings3(1, 0), settings3(1, 0)), false, "fingerprint: control stream: malformed HTTP/3 frame"},
		"DATA":                       {controlStream(settings3(), frame3(0)), false, "fingerprint: control stream: malformed HTTP/3 frame"},
		"HEADERS":                    {controlStream(header3("m")), false, "fingerprint: control stream: malformed HTTP/3 frame"},
		"a frame of HTTP/2":          {controlStream(settings3(), frame3(6)), false, "fingerprint: control stream: malformed HTTP/3 frame"},
		"a setting twice":            {controlStream(settings3(6, 2, 1, 0, 6, 1)), false, "fingerprint: SETTINGS: malformed HTTP/3 frame"},
		"half a setting":             {controlStream(frame3(4, 1)), false, "fingerprint: SETTINGS: malformed HTTP/3 frame"},
		"half an integer":            {controlStream(frame3(4, 1, 0x40)), false, "fingerprint: SETTINGS: malformed HTTP/3 frame"},
		"long SETTINGS":              {controlStream(varint.Append([]byte{4}, 1<<40)), false, "fingerprint: control stream: too much before the first HTTP/3 request"},
		"many settings":              {controlStream(settings3(manySettings()...)), false, "fingerprint: SETTINGS: too much before the first HTTP/3 request"},
		"many frames":                {controlStream(settings3(), join(unknown, unknown, unknown), join(unknown, unknown, unknown), join(unknown, unknown, unknown)), false, "fingerprint: control stream: too much before the first HTTP/3 request"},
		"a long frame":               {controlStream(settings3(), varint.Append([]byte{0x40, 0x40}, 5000)), false, "fingerprint: control stream: too much before the first HTTP/3 request"},
		"DATA first":                 {frame3(0, 'x'), true, "fingerprint: request stream: malformed HTTP/3 frame"},
		"SETTINGS on a request":      {settings3(1, 0), true, "fingerprint: request stream: malformed HTTP/3 frame"},
		"a long frame first":         {varint.Append([]byte{0x40, 0x40}, 5000), true, "fingerprint: request stream: too much before the first HTTP/3 request"},
		"many frames first":          {join(unknown, unknown, unknown, unknown, unknown, unknown, unknown, unknown, unknown, header3("m")), true, "fingerprint: request stream: too much before the first HTTP/3 request"},
		"empty header":               {frame3(1), true, "fingerprint: header: malformed HTTP/3 frame: field section ends within a field"},
		"half a prefix":              {frame3(1, 0), true, "fingerprint: header: malformed HTTP/3 frame: field section ends within a field"},
		"dynamic table":              {frame3(1, 2, 0, 0x80), true, "fingerprint: header: malformed HTTP/3 frame: field of the dynamic table"},
		"dynamic field":              {frame3(1, 0, 0, 0x80), true, "fingerprint: header: malformed HTTP/3 frame: field of the dynamic table"},
		"dynamic name":               {frame3(1, 0, 0, 0x40, 0), true, "fingerprint: header: malformed HTTP/3 frame: field of the dynamic table"},
		"index after the base":       {frame3(1, 0, 0, 0x10), true, "fingerprint: header: malformed HTTP/3 frame: field of the dynamic table"},
		"beyond the static table":    {frame3(1, 0, 0, 0xff, 99-63), true, "fingerprint: header: malformed HTTP/3 frame: malformed name or value"},
		"half an index":              {frame3(1, 0, 0, 0xff), true, "fingerprint: header: malformed HTTP/3 frame: field section ends within a field"},
		"an index without end":       {frame3(1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0), true, "fingerprint: header: malformed HTTP/3 frame: field section ends within a field"},
		"no name":                    {frame3(1, 0, 0, 0x20, 0), true, "fingerprint: header: malformed HTTP/3 frame: malformed name or value"},
		"half a name":                {frame3(1, 0, 0, 0x22, 'x'), true, "fingerprint: header: malformed HTTP/3 frame: field section ends within a field"},
		"no value":                   {frame3(1, 0, 0, 0x21, 'x'), true, "fingerprint: header: malformed HTTP/3 frame: field section ends within a field"},
		"a code that does not exist": {frame3(1, 0, 0, 0x2b, 0xff, 0xff, 0xff, 0), true, "fingerprint: header: malformed HTTP/3 frame: malformed name or value"},
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			if c.request {
				var r fingerprint.HTTP3Request
				_, err = r.Parse(c.stream)
				assert.False(t, r.Done() || r.Whole())
				assert.Empty(t, r.Names())
			} else {
				_, err = new(fingerprint.HTTP3Control).Parse(c.stream)
			}
			assert.EqualError(t, err, c.want)
		})
	}
}

// manySettings returns the pairs of 100 settings.
func manySettings() (pairs []uint64) {
	for id := range uint64(100) {
		pairs = append(pairs, 1000+id, 1)
	}
	return pairs
}

// TestHTTP3InPieces: streams that come byte by byte have the same fingerprint, and what
// is said to be needed is.
func TestHTTP3InPieces(t *testing.T) {
	control := controlStream(frame3(0x21, 1, 2), settings3(6, 262144, 1<<40, 1<<50, 7, 100), frame3(0xf0700, 0, 'u'))
	request := join(frame3(0x40, 1, 2, 3), header3("masp", literal3(true, "user-agent", "test")))
	whole, header := read3(t, control, request)
	want := string(fingerprint.AppendHTTP3Wire(nil, &whole, &header))

	var c fingerprint.HTTP3Control
	for n, needed := 0, 1; n < len(control); n++ {
		if n == needed {
			last := needed
			var err error
			needed, err = c.Parse(control[:n])
			require.NoError(t, err)
			require.Greater(t, needed, last)
		} else {
			_, err := c.Parse(control[:n])
			require.NoError(t, err)
		}
	}
	_, err := c.Parse(control)
	require.NoError(t, err)
	var r fingerprint.HTTP3Request
	steps := 0
	for needed := 1; !r.Done(); steps++ {
		require.LessOrEqual(t, needed, len(request))
		needed, err = r.Parse(request[:needed])
		require.NoError(t, err)
	}
	assert.Less(t, steps, 12)
	assert.Equal(t, want, string(fingerprint.AppendHTTP3Wire(nil, &c, &r)))
}

func TestIsGREASEHTTP3(t *testing.T) {
	for _, id := range []uint64{0x21, 0x40, 0x21 + 0x1f*0xffffffff} {
		assert.True(t, fingerprint.IsGREASEHTTP3(id), id)
	}
	for _, id := range []uint64{0, 1, 2, 6, 7, 8, 0x20, 0x22, 51, 0xf0700, 16765559, 727725890} {
		assert.False(t, fingerprint.IsGREASEHTTP3(id), id)
	}
}

// FuzzHTTP3 reads two streams at once and step by step: what is known is the same, and
// bounded.
func FuzzHTTP3(f *testing.F) {
	f.Add(controlStream(settings3(1, 65536, 6, 262144, 7, 100, 51, 1, 33, 5), frame3(0x40), frame3(0xf0700, 0)), header3("masp", literal3(true, "user-agent", "test")))
	f.Add(controlStream(settings3()), join(frame3(0x21, 1), header3("msap", literal3(false, "cookie", strings.Repeat("x", 5000)))))
	f.Add([]byte{0x40, 0, 4, 0x80}, []byte{1, 0x44, 0, 0, 0})
	f.Fuzz(func(t *testing.T, control, request []byte) {
		var c, steps fingerprint.HTTP3Control
		_, err := c.Parse(control)
		var stepsErr error
		for n, needed := 0, 1; stepsErr == nil && n < needed && needed <= len(control); {
			n = needed
			if needed, stepsErr = steps.Parse(control[:n]); stepsErr == nil {
				require.LessOrEqual(t, needed, fingerprint.MaxHTTP3Control)
			}
		}
		if err == nil {
			require.NoError(t, stepsErr)
		}
		var r, inSteps fingerprint.HTTP3Request
		_, err = r.Parse(request)
		for n, needed := 0, 1; !inSteps.Done() && n < needed && needed <= len(request); {
			n = needed
			var stepErr error
			if needed, stepErr = inSteps.Parse(request[:n]); stepErr != nil {
				require.EqualError(t, err, stepErr.Error())
				break
			}
			require.LessOrEqual(t, needed, fingerprint.MaxHTTP3Request)
		}
		require.Equal(t, r, inSteps)
		require.Equal(t, err == nil && r.Done(), r.Done())
		text := fingerprint.AppendHTTP3(nil, &c, &r)
		require.Equal(t, len(text) > 0, c.Seen() && r.Done())
		require.Less(t, len(text), 12<<10)
		require.Equal(t, string(text), fingerprint.NormalizeHTTP3(string(fingerprint.AppendHTTP3Wire(nil, &c, &r))))
		require.LessOrEqual(t, len(r.Names()), 128)
	})
}
