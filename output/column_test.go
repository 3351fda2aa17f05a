package output

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

func observation(h *parser.ClientHello) *event.Observation {
	return &event.Observation{
		Time:    time.Date(2026, 11, 22, 7, 33, 15, 390309000, time.UTC),
		Src:     netip.MustParseAddrPort("127.0.0.1:50098"),
		Dst:     netip.MustParseAddrPort("[2001:db8::1]:8443"),
		File:    `a "b" \ ü.pcap`,
		Packet:  4,
		Via:     []string{"vlan", "gre"},
		Index:   1,
		Carrier: event.Carrier{Records: 1, Segments: 2, Bytes: len(h.Raw)},
		Hello:   h,
	}
}

// observations returns Observations whose Events fill every column, each in at least
// one of them.
func observations(t *testing.T) []*event.Observation {
	real := hellotest.Real(t)
	quic := observation(real["chromium-156-quic"])
	quic.QUIC = &fingerprint.QUICInitial{Version: 1}
	quic.Carrier = event.Carrier{Datagrams: 2}
	live := observation(hellotest.Rebuild(t, real["chromium-156"], real["chromium-156"].CipherSuites, real["chromium-156"].Extensions[1:]))
	live.HTTP2, live.Request = "1:65536|00|0|m,a,s,p", known.Request{UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
	live.HTTP2Wire = "S,W,H|0|m=i|+h"
	live.Carrier.Overlap, live.Carrier.Prefix = true, 42
	live.ID, live.Conn, live.Shared, live.HTTP3, live.HTTP3Wire = event.ID{1}, event.ConnID{2}, true, "1:0", "1:0|13|m"
	live.Settled, live.Rule, live.Action, live.Tags = event.SettledRequest, "no-bots", "close", []string{"a", "b"}
	live.Handshake = &event.Handshake{Version: "1.3", CipherSuite: "TLS_AES_128_GCM_SHA256", Group: "x25519", ALPN: "h2",
		Resumed: true, HelloRetryRequest: true, Error: "EOF", Milliseconds: 3}
	live.Unverified = true
	live.Tells = []known.Tell{{Name: "made-up", Field: "random", Found: "a", Expected: "b", Lead: true}}
	live.FrontJA4 = &event.FrontJA4{Header: "Cf-Ja4", JA4: "t13d1516h2_8daaf6152771_e5627efa2ab1"}
	live.Src, live.Dst = netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.2:2")
	sslv2, err := parser.Parse([]byte("\x80\x2f\x01\x00\x02\x00\x06\x00\x10\x00\x10" +
		"\x01\x00\x80\x02\x00\x80" + "session_id_of_16" + "0123456789abcdef"))
	require.NoError(t, err)
	broken := observation(real["chromium-156"])
	broken.Err, broken.Received = parser.ErrTruncated, []byte{22}
	broken.Src, broken.Dst, broken.SrcMAC, broken.DstMAC = netip.AddrPort{}, netip.AddrPort{}, event.MAC{2, 5: 1}, event.MAC{1, 5: 3}
	return []*event.Observation{quic, live, observation(sslv2), broken, behindProxy(t)}
}

// behindProxy returns an observation of a browser behind a proxy that ends TLS.
func behindProxy(t *testing.T) *event.Observation {
	entries, err := known.BuiltinEntries()
	require.NoError(t, err)
	i := slices.IndexFunc(entries, func(e known.Entry) bool { return e.Kind == known.KindProxy })
	require.GreaterOrEqual(t, i, 0)
	h, err := entries[i].ModelHello()
	require.NoError(t, err)
	o := observation(h)
	o.Request.UserAgent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	return o
}

func detailed(t *testing.T) (events []event.Event) {
	for _, o := range observations(t) {
		events = append(events, new(event.Observer).Event(o, event.Detail))
	}
	events[0].Client[0].Learned = true // by clients of the user's own
	return events
}

// partNames returns the names of the columns that a value of type t has in the JSON
// form under a name.
func partNames(name string, t reflect.Type) []string {
	names := []string{name}
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	for i := 0; t.Kind() == reflect.Struct && i < t.NumField(); i++ {
		if key, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); key != "" {
			names = append(names, partNames(name+"."+key, t.Field(i).Type)...)
		}
	}
	return names
}

// TestColumnsAreComplete holds the table of columns against the keys and parts of an
// Event, in their order.
func TestColumnsAreComplete(t *testing.T) {
	types := map[string]reflect.Type{}
	of := reflect.TypeFor[event.Event]()
	for i := range of.NumField() {
		key, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
		types[key] = of.Field(i).Type
	}
	var want []string
	for i := range event.Fields {
		f := &event.Fields[i]
		names := []string{f.Key}
		if typ, ok := types[f.Key]; ok {
			names = partNames(f.Key, typ)
		}
		for _, name := range names {
			c, err := ColumnOf(name)
			if assert.NoError(t, err, "Columns lacks %s", name) {
				assert.GreaterOrEqual(t, c.Size, f.Size, "the Events for column %s do not have it", name)
			}
		}
		want = append(want, names...)
	}
	assert.Equal(t, want, ColumnNames())
}

// TestColumnsAreDocumented holds the table of columns against docs/event.md, which
// has a row for each key and names the parts there.
func TestColumnsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/event.md")
	require.NoError(t, err)
	rows := map[string]string{}
	names := regexp.MustCompile("`[a-z0-9_]+`")
	for line := range strings.Lines(string(text)) {
		if cells := strings.SplitN(line, "|", 5); len(cells) == 5 {
			for _, key := range names.FindAllString(cells[1], -1) {
				rows[strings.Trim(key, "`")] = cells[4]
			}
		}
	}
	for _, name := range ColumnNames() {
		parts := strings.Split(name, ".")
		row, ok := rows[parts[0]]
		assert.True(t, ok, "docs/event.md has no row for %s", parts[0])
		for _, part := range parts[1:] {
			assert.Contains(t, row, "`"+part+"`", "the row of %s in docs/event.md", parts[0])
		}
	}
	for key := range rows {
		_, err := ColumnOf(key)
		assert.NoError(t, err, "docs/event.md has the key %s", key)
	}
}

func TestDefaultColumns(t *testing.T) {
	compact := []string{"time", "transport", "src_ip", "src_port", "dst_ip", "dst_port", "hello_index",
		"sni", "alpn", "version", "ja3", "ja3n", "ja4", "session", "error"}
	assert.Equal(t, compact, names(DefaultColumns(event.Compact)))
	full := names(DefaultColumns(event.Full))
	assert.Equal(t, compact, full[:len(compact)])
	assert.Equal(t, full, names(DefaultColumns(event.Detail)))
	for i := range fingerprint.Methods {
		m := &fingerprint.Methods[i]
		assert.Equal(t, !m.Live, slices.Contains(full, m.Key), m.Key)
	}
	assert.Subset(t, full, []string{"file", "packet", "via", "carrier.segments", "client.name", "tells.name"})
	for _, name := range full {
		_, err := ColumnOf(name)
		assert.NoError(t, err)
	}
}

// TestColumns compares each column with what the JSON form has in its place.
func TestColumns(t *testing.T) {
	filled := map[string]bool{}
	for _, e := range detailed(t) {
		b, err := e.AppendJSON(nil)
		require.NoError(t, err)
		var tree any
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		require.NoError(t, d.Decode(&tree))
		for _, name := range ColumnNames() {
			c, err := ColumnOf(name)
			require.NoError(t, err)
			text := c.Text(&e)
			want, isText := jsonAt(tree, strings.Split(name, "."))
			if isText {
				assert.Equal(t, want, text, name)
			}
			filled[name] = filled[name] || text != ""
		}
	}
	for _, name := range ColumnNames() {
		assert.True(t, filled[name], "no Event fills %s: add one to observations", name)
	}
	for name, size := range map[string]event.Size{
		"sni": event.Compact, "ja4": event.Compact, "client.name": event.Compact, "ja4_r": event.Full, "carrier.split": event.Full, "http2": event.Compact, "id": event.Compact,
		"community_id": event.Full, "claim.verdict": event.Compact, "claim.program": event.Full, "sslv2": event.Full, "raw": event.Detail,
	} {
		c, err := ColumnOf(name)
		require.NoError(t, err)
		assert.Equal(t, size, c.Size, name)
	}
	for _, name := range []string{"color", "", "ja4.x", "client.color", "hello.name", "carrier.", "time.x"} {
		_, err := ColumnOf(name)
		assert.EqualError(t, err, `unknown field "`+name+`": use a key of the JSON form, such as sni, client.name or carrier.segments`)
	}
}

// jsonAt returns the text at the end of a path in decoded JSON, and whether it is
// what a column shows as it is: text, a number, or a list of texts.
func jsonAt(v any, path []string) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	case map[string]any:
		if len(path) == 0 {
			return "", false
		}
		return jsonAt(v[path[0]], path[1:])
	case []any:
		var texts []string
		for _, element := range v {
			_, isText := element.(string)
			object, isObject := element.(map[string]any)
			if isObject && len(path) == 1 {
				if _, isList := object[path[0]].([]any); isList {
					return "", false // a list of lists
				}
			}
			text, ok := jsonAt(element, path)
			if !ok || !isObject && !isText {
				return "", false
			}
			texts = append(texts, text)
		}
		return strings.Join(texts, ","), len(v) > 0
	}
	return "", false
}

func names(columns []Column) (names []string) {
	for _, c := range columns {
		names = append(names, c.Name)
	}
	return names
}

// TestNeedsClients: the columns that an Observer with SkipClients leaves empty say so.
func TestNeedsClients(t *testing.T) {
	lost := map[string]bool{}
	for _, o := range observations(t) {
		with := new(event.Observer).Event(o, event.Detail)
		without := (&event.Observer{SkipClients: true}).Event(o, event.Detail)
		for i := range Columns {
			if c := &Columns[i]; c.Text(&with) != c.Text(&without) {
				lost[c.Name] = true
			}
		}
	}
	for i := range Columns {
		assert.Equal(t, lost[Columns[i].Name], Columns[i].NeedsClients(), Columns[i].Name)
	}
}

// TestReusedEventHasNoList: a list that is empty in an Event that was filled before
// is an empty column.
func TestReusedEventHasNoList(t *testing.T) {
	var ob event.Observer
	var e event.Event
	all := observations(t)
	ob.Fill(&e, all[1], event.Compact)
	require.NotEmpty(t, e.Tells)
	ob.Fill(&e, all[3], event.Compact)
	for _, name := range []string{"client", "tells", "alpn"} {
		c, err := ColumnOf(name)
		require.NoError(t, err)
		assert.Empty(t, c.Text(&e), name)
	}
}
