package main

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mileusna/useragent"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/fingerprint/explain"
	"github.com/tlspeek/tlspeek/internal/helloinput"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// A question is a line that clients judge reads. Values may be null.
type question struct {
	ID            json.RawMessage `json:"id"`
	Hello         string          `json:"hello"`
	Transport     string          `json:"transport"`
	HelloIndex    int             `json:"hello_index"`
	RecordVersion hexVersion      `json:"record_version"`
	HTTP2         string          `json:"http2"`
	HTTP2Wire     string          `json:"http2_wire"`
	HTTP3         string          `json:"http3"`
	Headers       headerFields    `json:"headers"`
	UserAgent     string          `json:"user_agent"`
	Date          string          `json:"date"`

	// Other names of these.
	HandshakeHex string `json:"handshake_hex"`
	Proto        string `json:"proto"`
	H2           string `json:"h2"`
	H2Akamai     string `json:"h2_akamai"`
}

// observation returns what an Observer takes. An error names the key that is wrong.
func (q *question) observation() (*event.Observation, error) {
	o := &event.Observation{Index: max(q.HelloIndex, 1), HTTP2Wire: q.HTTP2Wire}
	var err error
	if o.Hello, o.QUIC, o.RecordVersion, err = q.hello(); err != nil {
		return nil, err
	}
	if q.HelloIndex < 0 || q.HelloIndex > 2 {
		return nil, fmt.Errorf("hello_index: %d is neither 1 nor 2", q.HelloIndex)
	}
	if q.RecordVersion.set {
		o.RecordVersion = q.RecordVersion.version
	}
	if o.HTTP2 = cmp.Or(q.HTTP2, q.H2, q.H2Akamai); o.HTTP2 != "" {
		switch e, err := explain.Text(o.HTTP2); {
		case err != nil:
			return nil, fmt.Errorf("http2: %w", err)
		case e.Name != "http2":
			return nil, fmt.Errorf("http2: %q is a fingerprint of another kind: %s", o.HTTP2, e.Name)
		}
	}
	if q.HTTP3 != "" {
		switch e, err := explain.Text(q.HTTP3); {
		case err != nil:
			return nil, fmt.Errorf("http3: %w", err)
		case e.Name != "http3":
			return nil, fmt.Errorf("http3: %q is a fingerprint of another kind: %s", q.HTTP3, e.Name)
		}
		o.HTTP3 = fingerprint.NormalizeHTTP3(q.HTTP3)
	}
	if o.Time, err = parseDate(q.Date); err != nil {
		return nil, fmt.Errorf("date: %w", err)
	}
	f := &q.Headers
	o.Request = known.Request{
		UserAgent:   cut(cmp.Or(q.UserAgent, f.userAgent)),
		ClientHints: cut(f.clientHints),
		Platform:    strings.Trim(cut(f.platform), `"`),
		Headers:     strings.Join(f.names, ","),
	}
	if o.Request.UserAgent != "" {
		o.Request.OS = useragent.Parse(o.Request.UserAgent).OS
	}
	return o, nil
}

// cut bounds how much of a header field counts, as a server does.
func cut(s string) string { return s[:min(len(s), fingerprint.MaxHTTP2Field)] }

// hello reads the hello, and what its carrier shows.
func (q *question) hello() (h *parser.ClientHello, quic *fingerprint.QUICInitial, version parser.Version, err error) {
	fail := func(err error) (*parser.ClientHello, *fingerprint.QUICInitial, parser.Version, error) {
		return nil, nil, 0, fmt.Errorf("hello: %w", err)
	}
	text := strings.TrimSpace(cmp.Or(q.Hello, q.HandshakeHex))
	if text == "" {
		return fail(errors.New("it is missing"))
	}
	b, err := hex.DecodeString(text)
	if err != nil {
		return fail(err)
	}
	p := helloinput.Parse(b)
	if p.Hello == nil {
		return fail(p.Errs[0])
	}
	if name := cmp.Or(q.Transport, q.Proto); name != "" {
		transport, ok := parser.ParseTransport(name)
		if !ok {
			return nil, nil, 0, fmt.Errorf("transport: %q is none of tls, quic, dtls", name)
		}
		p.Hello.Transport = transport
	}
	if err := p.Hello.Unmarshal(p.Hello.Raw); err != nil {
		return fail(err)
	}
	if b[0] == 22 && len(b) > 2 {
		version = parser.Version(b[1])<<8 | parser.Version(b[2])
	}
	return p.Hello, p.QUIC, version, nil
}

// parseDate reads a date, or a time as RFC 3339 has it; no text is the zero time.
func parseDate(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, fmt.Errorf("%q is neither 2026-11-30 nor 2026-11-30T12:00:00Z", s)
	}
	return t, nil
}

// A hexVersion is a version in hex, as "0301", "301" or "0x0301", or as a number.
type hexVersion struct {
	version parser.Version
	set     bool
}

func (v *hexVersion) UnmarshalJSON(b []byte) error {
	text, base := string(b), 10
	if b[0] == '"' {
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
		text, base = strings.TrimPrefix(strings.ToLower(text), "0x"), 16
	}
	if text == "null" || text == "" {
		return nil
	}
	n, err := strconv.ParseUint(text, base, 16)
	if err != nil {
		return fmt.Errorf("record_version: %s is no version: one looks like \"0301\"", b)
	}
	v.version, v.set = parser.Version(n), true
	return nil
}

// headerFields are the header fields of a request: their names in order, in lower case,
// and the values that a claim is checked with.
type headerFields struct {
	names                            []string
	userAgent, clientHints, platform string
}

// UnmarshalJSON reads names with commas between, a list of names, of "name: value" or of
// pairs, a list of such lists, of which the first counts, or an object.
func (f *headerFields) UnmarshalJSON(b []byte) error {
	*f = headerFields{}
	switch b[0] {
	case 'n': // null
		return nil
	case '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		for name := range strings.SplitSeq(s, ",") {
			f.add(name, "")
		}
		return nil
	case '{':
		return f.readObject(b)
	}
	var list []json.RawMessage
	if json.Unmarshal(b, &list) != nil {
		return errHeaders
	}
	var first []json.RawMessage
	if !arePairs(list) && len(list) > 0 && json.Unmarshal(list[0], &first) == nil {
		list = first // the first request; there may be others
	}
	return f.readList(list)
}

var errHeaders = errors.New("headers: neither names nor pairs of name and value")

// readList reads a list of names, of "name: value" or of pairs.
func (f *headerFields) readList(list []json.RawMessage) error {
	for _, item := range list {
		var s string
		var pair []string
		switch {
		case json.Unmarshal(item, &s) == nil:
			name, value := s, ""
			if at := strings.IndexByte(s[min(1, len(s)):], ':'); at >= 0 { // a pseudo-header field begins with one
				name, value = s[:at+1], s[at+2:]
			}
			f.add(name, value)
		case json.Unmarshal(item, &pair) == nil && len(pair) == 2:
			f.add(pair[0], pair[1])
		default:
			return errHeaders
		}
	}
	return nil
}

// arePairs reports whether all lists have two texts. Those of several requests do not.
func arePairs(lists []json.RawMessage) bool {
	for _, l := range lists {
		var pair []string
		if json.Unmarshal(l, &pair) != nil || len(pair) != 2 {
			return false
		}
	}
	return true
}

// readObject reads an object, whose order counts.
func (f *headerFields) readObject(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var value any
		if err := d.Decode(&value); err != nil {
			return err
		}
		s, _ := value.(string)
		f.add(fmt.Sprint(name), s)
	}
	return nil
}

// add adds a field. Of several fields of a name the first value counts.
func (f *headerFields) add(name, value string) {
	name = strings.ToLower(strings.TrimSpace(name))
	f.names = append(f.names, name)
	value = strings.TrimSpace(value)
	switch name {
	case "user-agent":
		f.userAgent = cmp.Or(f.userAgent, value)
	case "sec-ch-ua":
		f.clientHints = cmp.Or(f.clientHints, value)
	case "sec-ch-ua-platform":
		f.platform = cmp.Or(f.platform, value)
	}
}
