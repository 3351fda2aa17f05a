package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

const smallHello = "0100002f0303000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f000002130101000004002b0000"

// TestQuestion reads each form of each key.
func TestQuestion(t *testing.T) {
	const agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
	for line, want := range map[string]known.Request{
		`"headers": null`:                                                       {},
		`"headers": "a,B, c"`:                                                   {Headers: "a,b,c"},
		`"headers": ["a", "B"]`:                                                 {Headers: "a,b"},
		`"headers": [["a", "b", "c"], ["d"]]`:                                   {Headers: "a,b,c"},
		`"headers": [[["a", "x"], ["user-agent", "curl/8"]]]`:                   {Headers: "a,user-agent", UserAgent: "curl/8"},
		`"headers": [":method", ":path: /a:b", "User-Agent: curl/8"]`:           {Headers: ":method,:path,user-agent", UserAgent: "curl/8"},
		`"headers": [["User-Agent", "curl/8"], ["a", "x"]], "user_agent": null`: {Headers: "user-agent,a", UserAgent: "curl/8"},
		`"headers": {"z": ["x", "y"], "a": "v"}`:                                {Headers: "z,a"},
		`"headers": [], "user_agent": "` + agent + `"`:                          {UserAgent: agent, OS: "Windows"},
		`"headers": {"sec-ch-ua": "\"Chromium\";v=\"156\"", "sec-ch-ua-platform": "\"Linux\""}`: {
			Headers: "sec-ch-ua,sec-ch-ua-platform", ClientHints: `"Chromium";v="156"`, Platform: "Linux"},
	} {
		var q question
		require.NoError(t, json.Unmarshal([]byte(`{"hello":"`+smallHello+`",`+line+`}`), &q), line)
		o, err := q.observation()
		require.NoError(t, err, line)
		assert.Equal(t, want, o.Request, line)
	}
	for line, want := range map[string]parser.Version{
		`"hello": "` + smallHello + `"`:                                                        0,
		`"hello": "1603010033` + smallHello + `"`:                                              0x0301,
		`"hello": "1603010033` + smallHello + `", "record_version": "303"`:                     0x0303,
		`"handshake_hex": "` + smallHello + `", "record_version": "0x0301"`:                    0x0301,
		`"hello": "` + smallHello + `", "record_version": 769, "date": "2026-11-30"`:           0x0301,
		`"hello": "` + smallHello + `", "record_version": null, "hello_index": 2`:              0,
		`"hello": "` + smallHello + `", "record_version": "", "h2": "1:2|00|0|m,a"`:            0,
		`"hello": "` + smallHello + `", "date": "2026-11-30T12:00:00Z", "http3": "51:1;6:1|m"`: 0,
	} {
		var q question
		require.NoError(t, json.Unmarshal([]byte(`{`+line+`}`), &q), line)
		o, err := q.observation()
		require.NoError(t, err, line)
		assert.Equal(t, want, o.RecordVersion, line)
	}
}

// TestJudgeErrors: an error says what is wrong without the types of Go.
func TestJudgeErrors(t *testing.T) {
	for line, want := range map[string]string{
		`[]`: "a JSON array, not an object",
		`7`:  "a JSON number, not an object",
		`{"hello":"` + smallHello + `","hello_index":99999999999999999999}`: "hello_index: a JSON number 99999999999999999999 is neither 1 nor 2",
		`{"hello":"` + smallHello + `","hello_index":"1"}`:                  "hello_index: a JSON string is neither 1 nor 2",
		`{"hello":"` + smallHello + `","hello_index":3}`:                    "hello_index: 3 is neither 1 nor 2",
		`{"hello":1}`: "hello: a JSON number, not a string",
	} {
		var out bytes.Buffer
		j := judge{out: bufio.NewWriter(&out)}
		j.line([]byte(line), 4)
		require.NoError(t, j.out.Flush())
		text, err := json.Marshal(want)
		require.NoError(t, err)
		assert.Equal(t, `{"line":4,"error":`+string(text)+"}\n", out.String(), line)
		assert.Equal(t, 1, j.failed)
	}
}

// FuzzQuestion: a line is read, or an error says what is wrong with it.
func FuzzQuestion(f *testing.F) {
	f.Add(`{"id":1,"hello":"` + smallHello + `","headers":[["a","b"],["c","d"]],"record_version":"301","date":"2026-11-30"}`)
	f.Add(`{"hello":"1603010033` + smallHello + `","headers":{"a":1},"http2":"1:65536;2570:1|00|0|m,a,s,p","hello_index":2}`)
	f.Add(`{"handshake_hex":"` + smallHello + `","proto":"quic","headers":["a: b",":c"],"h2":null}`)
	f.Fuzz(func(t *testing.T, line string) {
		var q question
		if json.Unmarshal([]byte(line), &q) != nil {
			return
		}
		o, err := q.observation()
		if err != nil {
			assert.NotEmpty(t, err.Error())
			return
		}
		require.NotNil(t, o.Hello)
		assert.Contains(t, []int{1, 2}, o.Index)
	})
}
