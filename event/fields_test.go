package event

import (
	"encoding/json"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// everything returns Events that have each field in at least one of them.
func everything(t *testing.T) (events []Event) {
	var ob Observer
	for _, o := range everyObservation(t) {
		events = append(events, ob.Event(o, Detail))
	}
	return events
}

// everyObservation returns what everything is made of.
func everyObservation(t *testing.T) []*Observation {
	real := hellotest.Real(t)
	quic := observation(real["chromium-156-quic"])
	quic.QUIC = &fingerprint.QUICInitial{Version: 1}
	live := observation(hellotest.Rebuild(t, real["chromium-156"], real["chromium-156"].CipherSuites, real["chromium-156"].Extensions[1:]))
	live.ID, live.Conn, live.Shared, live.HTTP3, live.HTTP3Wire = ID{1}, ConnID{2}, true, "1:0", "1:0|13|m"
	live.Settled, live.Rule, live.Action, live.Tags = SettledRequest, "no-bots", "close", []string{"a", "b"}
	live.Handshake = &Handshake{Version: "1.3", CipherSuite: "TLS_AES_128_GCM_SHA256", Group: "x25519", ALPN: "h2",
		Resumed: true, HelloRetryRequest: true, Error: "EOF", Milliseconds: 3}
	live.Unverified = true
	live.FrontJA4 = &FrontJA4{Header: "Cf-Ja4", JA4: "t13d1516h2_8daaf6152771_e5627efa2ab1"}
	live.Tells = []known.Tell{{Name: "frozen-order"}}
	live.Src, live.Dst = netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.2:2")
	live.HTTP2Wire = "S,W,H|0|m=i|+h"
	live.HTTP2, live.Request = "1:65536|00|0|m,a,s,p", known.Request{UserAgent: "curl/8.0"}
	sslv2, err := parser.Parse([]byte("\x80\x2f\x01\x00\x02\x00\x06\x00\x10\x00\x10" +
		"\x01\x00\x80\x02\x00\x80" + "session_id_of_16" + "0123456789abcdef"))
	require.NoError(t, err)
	broken := observation(real["chromium-156"])
	broken.Err, broken.Received = parser.ErrTruncated, []byte{22}
	broken.Src, broken.Dst, broken.SrcMAC, broken.DstMAC = netip.AddrPort{}, netip.AddrPort{}, MAC{2, 5: 1}, MAC{1, 5: 3}
	return []*Observation{quic, live, observation(sslv2), broken}
}

// TestFieldsHaveOneKeyEach: Append writes the key of its row and no other, and all
// rows are written by some Event.
func TestFieldsHaveOneKeyEach(t *testing.T) {
	written := map[string]bool{}
	for _, e := range everything(t) {
		for i := range Fields {
			b, err := Fields[i].Append([]byte("{"), &e)
			require.NoError(t, err)
			var keys map[string]json.RawMessage
			require.NoError(t, json.Unmarshal(append(b, '}'), &keys), "%s", b)
			for key := range keys {
				assert.Equal(t, Fields[i].Key, key)
				written[key] = true
			}
		}
	}
	var keys []string
	for i := range Fields {
		keys = append(keys, Fields[i].Key)
		assert.True(t, written[Fields[i].Key], "no Event has %s: add one to everything", Fields[i].Key)
	}
	assert.Len(t, slices.Compact(slices.Sorted(slices.Values(keys))), len(Fields), "a key comes twice")
}

// TestFieldsKnowTheirSize: an Event has a field only in its size and above.
func TestFieldsKnowTheirSize(t *testing.T) {
	o := observation(hellotest.Real(t)["chromium-156-quic"])
	o.QUIC = &fingerprint.QUICInitial{Version: 1}
	var ob Observer
	for size := Compact; size <= Detail; size++ {
		e := ob.Event(o, size)
		for i := range Fields {
			if f := &Fields[i]; f.Size > size {
				b, err := f.Append([]byte("{"), &e)
				require.NoError(t, err)
				assert.Equal(t, "{", string(b), "%s in size %d", f.Key, size)
			}
		}
	}
}

// TestFieldsAreDocumented holds the table of docs/event.md against Fields.
func TestFieldsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/event.md")
	require.NoError(t, err)
	type row struct{ size, from string }
	rows := map[string]row{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 {
			continue
		}
		for _, key := range regexp.MustCompile("`[a-z0-9_]+`").FindAllString(cells[1], -1) {
			rows[strings.Trim(key, "`")] = row{strings.TrimSpace(cells[2]), strings.TrimSpace(cells[3])}
		}
	}
	sizes := [...]string{Compact: "compact", Full: "full", Detail: "detail"}
	origins := [...]string{Anywhere: "both", Live: "live", Offline: "offline"}
	for i := range Fields {
		f := &Fields[i]
		assert.Equal(t, row{sizes[f.Size], origins[f.Origin]}, rows[f.Key], "the row of %s in docs/event.md", f.Key)
		delete(rows, f.Key)
	}
	assert.Empty(t, rows, "docs/event.md has keys that no Event has")
}

// TestUnmarshalJSON: keys that no Event has are ignored, and errors are told.
func TestUnmarshalJSON(t *testing.T) {
	e := Event{Version: "1.2"}
	require.NoError(t, json.Unmarshal([]byte(`{"ja4_ro":"a","count":1,"transport":"tls"}`), &e))
	want := Event{Transport: "tls"}
	want.Fingerprints.Set("ja4_ro", "a")
	assert.Equal(t, want, e)
	assert.Error(t, json.Unmarshal([]byte(`{"ja4":1}`), &e))
	assert.Error(t, json.Unmarshal([]byte(`{"time":1}`), &e))
	assert.Error(t, json.Unmarshal([]byte(`[]`), &e))
}

// TestMarshalValue: an Event is written alike by value and by pointer.
func TestMarshalValue(t *testing.T) {
	e := new(Observer).Event(observation(hellotest.Real(t)["go-1.26"]), Full)
	byValue, err := json.Marshal(e)
	require.NoError(t, err)
	byPointer, err := json.Marshal(&e)
	require.NoError(t, err)
	assert.Equal(t, string(byPointer), string(byValue))
	assert.Contains(t, string(byValue), `"ja4_ro":"`)
}
