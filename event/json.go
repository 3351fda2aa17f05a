package event

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strconv"
	"time"

	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// AppendJSON appends e to dst as one JSON object, without a newline.
func (e *Event) AppendJSON(dst []byte) ([]byte, error) {
	o := object(append(dst, '{'))
	o = o.time("time", e.Time)
	o = o.text("file", e.File)
	o = o.number("packet", e.Packet)
	o = o.peers(e.Transport, netip.AddrPortFrom(e.SrcIP, e.SrcPort), netip.AddrPortFrom(e.DstIP, e.DstPort))
	o = o.texts("via", e.Via)
	o = o.number("hello_index", int64(e.HelloIndex))
	if e.SNI != nil {
		o = parser.AppendQuoted(o.key("sni"), *e.SNI)
	}
	return e.appendRest(o)
}

// appendRest appends what is not of the one connection, and the end.
func (e *Event) appendRest(o object) ([]byte, error) {
	o = o.texts("alpn", e.ALPN)
	o = o.text("version", e.Version)
	o = o.text("ja3", e.JA3)
	o = o.text("ja3_full", e.JA3Full)
	o = o.text("ja3n", e.JA3N)
	o = o.text("ja3n_full", e.JA3NFull)
	o = o.text("ja4", e.JA4)
	o = o.text("ja4_r", e.JA4R)
	o = o.text("ja4_o", e.JA4O)
	o = o.text("ja4_ro", e.JA4RO)
	o = o.text("npf", e.NPF)
	o = o.text("tlsfp_id", e.TLSFPID)
	o = o.text("tlsfp_norm_id", e.TLSFPNormID)
	o = o.text("quic_header_id", e.QUICHeaderID)
	o = o.text("quic_params_id", e.QUICParamsID)
	o = o.text("stable", e.Stable)
	o = o.text("http2", e.HTTP2)
	o = o.text("session", e.Session)
	var err error
	o = o.value("carrier", e.Carrier, e.Carrier != nil, &err)
	o = o.value("quic", e.QUIC, e.QUIC != nil, &err)
	o = o.value("sslv2", e.SSLv2, e.SSLv2 != nil, &err)
	if len(e.Client) > 0 {
		o = e.clients.append(o.key("client"), e.Client)
	}
	o = o.tells(e.Tells)
	if e.Claim != nil {
		o = e.Claim.AppendJSON(o.key("claim"))
	}
	o = o.text("error", e.Error)
	o = o.text("seen", e.Seen)
	o = o.value("hello", e.Hello, e.Hello != nil, &err)
	o = o.value("raw", e.Raw, len(e.Raw) > 0, &err)
	return append(o, '}'), err
}

// MarshalJSON returns e as AppendJSON writes it.
func (e *Event) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil) }

// An object is a JSON object that is being written, still without its end.
type object []byte

func (o object) key(k string) object {
	if o[len(o)-1] != '{' {
		o = append(o, ',')
	}
	o = append(append(o, '"'), k...)
	return append(o, `":`...)
}

func (o object) text(k, v string) object {
	if v == "" {
		return o
	}
	return parser.AppendQuoted(o.key(k), v)
}

func (o object) texts(k string, v []string) object {
	if len(v) == 0 {
		return o
	}
	o = append(o.key(k), '[')
	for i, s := range v {
		if i > 0 {
			o = append(o, ',')
		}
		o = parser.AppendQuoted(o, s)
	}
	return append(o, ']')
}

func (o object) tells(list []known.Tell) object {
	if len(list) == 0 {
		return o
	}
	o = append(o.key("tells"), '[')
	for i := range list {
		if i > 0 {
			o = append(o, ',')
		}
		o = list[i].AppendJSON(o)
	}
	return append(o, ']')
}

// peers appends what carried the hello, and from where to where.
func (o object) peers(transport string, src, dst netip.AddrPort) object {
	o = append(o.key("transport"), '"')
	o = append(append(o, transport...), '"')
	o = o.addr("src_ip", src.Addr())
	o = o.number("src_port", int64(src.Port()))
	o = o.addr("dst_ip", dst.Addr())
	return o.number("dst_port", int64(dst.Port()))
}

func (o object) number(k string, v int64) object {
	if v == 0 {
		return o
	}
	return strconv.AppendInt(o.key(k), v, 10)
}

func (o object) addr(k string, a netip.Addr) object {
	if !a.IsValid() {
		return o
	}
	o = append(o.key(k), '"')
	return append(a.AppendTo(o), '"')
}

func (o object) time(k string, t time.Time) object {
	if t.IsZero() {
		return o
	}
	o = append(o.key(k), '"')
	return append(t.AppendFormat(o, time.RFC3339Nano), '"')
}

// serverName appends the text of a server's name.
func (o object) serverName(name []byte) object {
	o = append(o.key("sni"), '"')
	start := len(o)
	o = parser.AppendText(o, name)
	if text := o[start:]; bytes.IndexByte(text, '"') >= 0 || bytes.IndexByte(text, '\\') >= 0 {
		return parser.AppendQuoted(o[:start-1], string(text))
	}
	return append(o, '"')
}

// A clock writes times as [time.RFC3339Nano] does. It remembers the second.
type clock struct {
	second int64 // since 1970
	text   []byte
}

// append appends the text of t, which is in UTC.
func (c *clock) append(dst []byte, t time.Time) []byte {
	if second := t.Unix(); second != c.second || c.text == nil {
		c.second, c.text = second, t.AppendFormat(c.text[:0], "2006-01-02T15:04:05")
	}
	dst = append(dst, c.text...)
	if n := t.Nanosecond(); n != 0 {
		digits := [10]byte{'.'}
		last := 0
		for i := 9; i > 0; i-- {
			digit := byte(n % 10)
			digits[i], n = '0'+digit, n/10
			if digit != 0 && last == 0 {
				last = i
			}
		}
		dst = append(dst, digits[:last+1]...)
	}
	return append(dst, 'Z')
}

// value appends what is rare enough to be left to encoding/json.
func (o object) value(k string, v any, present bool, err *error) object {
	if !present || *err != nil {
		return o
	}
	var b []byte
	if b, *err = json.Marshal(v); *err != nil {
		return o
	}
	return append(o.key(k), b...)
}
