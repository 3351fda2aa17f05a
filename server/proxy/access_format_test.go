package proxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/parser"
)

// combinedLine is the pattern with which programs read Apache's combined format, and two
// more fields.
var combinedLine = regexp.MustCompile(`^(\S+) - - \[([^\]]+)\] "((?:[^"\\]|\\.)*)" (\d{3}) (\d+|-) "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"\n$`)

// parseCombined reads a line back.
func parseCombined(t testing.TB, line string) map[string]string {
	t.Helper()
	m := combinedLine.FindStringSubmatch(line)
	require.NotNil(t, m, "%q", line)
	f := map[string]string{"client": m[1], "time": m[2], "status": m[4], "sent": m[5]}
	for key, text := range map[string]string{"request": m[3], "referer": m[6], "user_agent": m[7], "ja4": m[8], "tls": m[9]} {
		back, err := strconv.Unquote(`"` + text + `"`) // Go has all escapes of Apache
		require.NoError(t, err, "%q", text)
		f[key] = back
	}
	f["method"], f["uri"], _ = strings.Cut(f["request"], " ")
	if i := strings.LastIndexByte(f["uri"], ' '); i >= 0 {
		f["uri"], f["proto"] = f["uri"][:i], f["uri"][i+1:]
	}
	return f
}

func accessForTest() *Access {
	return &Access{
		Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", -3600)), Took: 1234567 * time.Nanosecond,
		Client: netip.MustParseAddr("2001:db8::1"), Method: "GET", Host: "example.com", URI: "/a?b=c", Proto: "HTTP/2.0",
		Status: 200, Sent: 1234, Received: 5, UserAgent: `My "agent" \ é`, Referer: "https://example.com/",
		Route: "api", Event: event.ID{1}, JA4: "t13d", TLS: "curl, pip", Claim: "consistent", Rule: "r", Action: "allow", Tags: []string{"a", "b"},
	}
}

func TestAccessFormats(t *testing.T) {
	x := accessForTest()
	assert.Equal(t, `2001:db8::1 - - [02/Jan/2026:03:04:05 -0100] "GET /a?b=c HTTP/2.0" 200 1234 "https://example.com/" "My \"agent\" \\ \xc3\xa9" "t13d" "curl, pip"`+"\n",
		string(x.appendCombined(nil)))
	noTime := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}
	var b bytes.Buffer
	logAccess(t.Context(), slog.New(slog.NewTextHandler(&b, noTime)), x)
	assert.Equal(t, `level=INFO msg=request client=2001:db8::1 method=GET host=example.com uri="/a?b=c" proto=HTTP/2.0 status=200 sent=1234 received=5 seconds=0.001235 `+
		`user_agent="My \"agent\" \\\\ é" referer=https://example.com/ route=api event=01000000000000000000000000000000 ja4=t13d tls_client="curl, pip" claim=consistent rule=r action=allow tags=a,b`+"\n", b.String())
	b.Reset()
	logAccess(t.Context(), slog.New(slog.NewJSONHandler(&b, noTime)), x)
	assert.JSONEq(t, `{"level":"INFO","msg":"request","client":"2001:db8::1","method":"GET","host":"example.com","uri":"/a?b=c","proto":"HTTP/2.0","status":200,"sent":1234,"received":5,"seconds":0.001235,`+
		`"user_agent":"My \"agent\" \\\\ é","referer":"https://example.com/","route":"api","event":"01000000000000000000000000000000","ja4":"t13d","tls_client":"curl, pip","claim":"consistent","rule":"r","action":"allow","tags":"a,b"}`, b.String())

	x = &Access{Time: x.Time, Method: "GET", URI: "/", Proto: "HTTP/1.1", Status: 444, Upgraded: true, Aborted: true}
	assert.Equal(t, `- - - [02/Jan/2026:03:04:05 -0100] "GET / HTTP/1.1" 444 - "-" "-" "-" "-"`+"\n", string(x.appendCombined(nil)))
	b.Reset()
	logAccess(t.Context(), slog.New(slog.NewTextHandler(&b, noTime)), x)
	assert.Equal(t, "level=INFO msg=request method=GET uri=/ proto=HTTP/1.1 status=444 sent=0 received=0 seconds=0 upgraded=true aborted=true\n", b.String())
}

// TestAccessLinesCannotBeForged has texts of random bytes, among them many that end a field
// or a line. All formats give them back.
func TestAccessLinesCannotBeForged(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const bytesOf = "\"\\\n\r\t\v\b\x00\x1b[]{}=:' -abn\x7f\xc3\xa9\xff"
	text := func() string {
		b := make([]byte, 1+r.IntN(12))
		for i := range b {
			b[i] = bytesOf[r.IntN(len(bytesOf))]
		}
		return "/" + string(b) + "/"
	}
	var b bytes.Buffer
	logJSON, logText := slog.New(slog.NewJSONHandler(&b, nil)), slog.New(slog.NewTextHandler(&b, nil))
	for range 3000 {
		x := accessForTest()
		x.Method, x.URI, x.Referer, x.UserAgent, x.Host, x.TLS = "GET", text(), text(), text(), text(), text()
		line := string(x.appendCombined(nil))
		f := parseCombined(t, line)
		assert.Equal(t, []string{x.URI, x.Referer, x.UserAgent, x.TLS, "200"}, []string{f["uri"], f["referer"], f["user_agent"], f["tls"], f["status"]})
		assert.Regexp(t, `^[ -~]+\n$`, line)

		b.Reset()
		logAccess(t.Context(), logJSON, x)
		var got map[string]any
		require.NoError(t, json.Unmarshal(b.Bytes(), &got))
		assert.Equal(t, 1, bytes.Count(b.Bytes(), []byte("\n")))
		for key, want := range map[string]string{"uri": x.URI, "referer": x.Referer, "user_agent": x.UserAgent, "host": x.Host} {
			back, err := parser.UnescapeText(got[key].(string))
			require.NoError(t, err)
			assert.Equal(t, want, string(back))
		}

		b.Reset()
		logAccess(t.Context(), logText, x)
		assert.Equal(t, 1, bytes.Count(b.Bytes(), []byte("\n")))
		for key, want := range map[string]string{"uri": x.URI, "referer": x.Referer, "user_agent": x.UserAgent, "host": x.Host} {
			_, rest, _ := strings.Cut(b.String(), " "+key+"=")
			quoted, err := strconv.QuotedPrefix(rest)
			if err != nil {
				quoted, _, _ = strings.Cut(rest, " ")
				quoted = strconv.Quote(quoted)
			}
			value, err := strconv.Unquote(quoted)
			require.NoError(t, err)
			back, err := parser.UnescapeText(value)
			require.NoError(t, err)
			assert.Equal(t, want, string(back))
		}
	}
}

// TestAccessLinesAreBounded: a client cannot have lines of any length.
func TestAccessLinesAreBounded(t *testing.T) {
	long := strings.Repeat("\xff", 1<<20)
	x := &Access{Method: long, Host: long, URI: long, UserAgent: long, Referer: long}
	assert.Less(t, len(x.appendCombined(nil)), 100<<10)
	var b bytes.Buffer
	logAccess(t.Context(), slog.New(slog.NewJSONHandler(&b, nil)), x)
	assert.Less(t, b.Len(), 150<<10)
}

func TestAccessFormatNames(t *testing.T) {
	for format, name := range map[AccessFormat]string{AccessText: "text", AccessJSON: "json", AccessCombined: "combined"} {
		text, err := format.MarshalText()
		require.NoError(t, err)
		assert.Equal(t, name, string(text))
		var back AccessFormat
		require.NoError(t, back.UnmarshalText(text))
		assert.Equal(t, format, back)
	}
	var f AccessFormat
	assert.EqualError(t, f.UnmarshalText([]byte("apache")), "must be text, json or combined")
	_, err := AccessFormat(3).MarshalText()
	assert.EqualError(t, err, "no format of access logs has the number 3")
}

// TestAccessLogWritesEachFormat: each line is one call of Write.
func TestAccessLogWritesEachFormat(t *testing.T) {
	for format, pattern := range map[AccessFormat]string{
		AccessText:     `^time=\S+ level=INFO msg=request .*\n$`,
		AccessJSON:     `^\{"time":".*\}\n$`,
		AccessCombined: combinedLine.String(),
	} {
		var w writes
		l := &AccessLog{W: &w, Format: format}
		s := serveAccess(t, l, "", http.NotFoundHandler())
		client, base := s.client(t, 2)
		for range 3 {
			resp, err := client.Get(base)
			require.NoError(t, err)
			resp.Body.Close()
			s.line(t)
		}
		require.NoError(t, s.stop())
		require.Len(t, w, 3)
		for _, line := range w {
			assert.Regexp(t, pattern, line)
			assert.Contains(t, line, "404")
		}
	}
}

type writes []string

func (w *writes) Write(p []byte) (int, error) {
	*w = append(*w, string(p))
	return len(p), fmt.Errorf("the disk is full")
}
