package event

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"slices"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// An Observer makes Events of Observations, each of them here and nowhere
// else. The zero value is ready. It is not for use by several goroutines at
// once.
type Observer struct {
	Clients     *known.Database // user-supplied clients, in addition to the built-in ones; may be nil
	SkipClients bool            // leave out Client, Tells and Claim

	hellos  int // that were seen
	classes classifier
	matcher known.Matcher
	event   Event // of AppendJSON
	judged  known.Observation
	input   fingerprint.Input
	clock   clock
	buf     []byte // the texts of one Event, which become one string
	ends    []int
}

// Event returns what is to be told of o, in the given size. What Detail adds
// aliases the hello, nothing else does.
func (ob *Observer) Event(o *Observation, size Size) Event {
	var e Event
	ob.Fill(&e, o, size)
	return e
}

// Fill sets e to what [Observer.Event] returns, and reuses its memory: copies of
// what e was before share lists with it.
func (ob *Observer) Fill(e *Event, o *Observation, size Size) { ob.fill(e, o, size, ob.kin(o)) }

// AppendJSON appends to dst what [Observer.Event] returns, as one JSON object
// without a newline. It is the fastest way to a compact one: nearly all of it is
// remembered.
func (ob *Observer) AppendJSON(dst []byte, o *Observation, size Size) ([]byte, error) {
	k := ob.kin(o)
	whole := size == Compact && !ob.SkipClients && ob.Clients == nil && o.Agent == (known.Request{})
	if c := k.named(); c != nil && c.before != nil && whole && (c == k.ordered || k.ordered == nil) {
		return ob.appendShort(dst, o, c), nil
	}
	e := &ob.event
	ob.fill(e, o, size, k)
	if whole {
		e.remember(k.ordered)
		e.remember(k.anyOrder)
	}
	return e.AppendJSON(dst)
}

// remember gives c the JSON of a compact Event, if c is named.
func (e *Event) remember(c *class) {
	if c == nil || !c.named || c.before != nil {
		return
	}
	rest := *e
	rest.Tells = nil
	all, _ := rest.appendFields([]byte("{"), Fields[slices.IndexFunc(Fields, func(f Field) bool { return f.Key == "alpn" }):])
	before, after, _ := bytes.Cut(all[1:len(all)-1], []byte(`"ja3":"`+e.JA3()+`",`))
	c.before, c.after = before, after
}

// appendShort appends the compact Event of o, which is of class c.
func (ob *Observer) appendShort(dst []byte, o *Observation, c *class) []byte {
	j := object(append(dst, '{'))
	if !o.Time.IsZero() {
		j = append(j, `"time":"`...)
		j = append(ob.clock.append(j, o.Time.UTC()), '"')
	}
	j = j.peers(o.Hello.Transport.String(), unmap(o.Src), unmap(o.Dst))
	j = j.number("hello_index", int64(o.Index))
	if o.Hello.HasExtension(parser.ExtServerName) {
		j = j.serverName(o.Hello.ServerName)
	}
	j = append(append(append(j, ','), c.before...), `"ja3":"`...)
	if ja3 := c.values.Get("ja3"); ja3 != "" {
		j = append(j, ja3...)
	} else {
		j = fingerprint.AppendJA3(j, o.Hello)
	}
	j = append(append(j, `",`...), c.after...)
	if c.tells {
		e := &ob.event
		e.Tells = known.AppendTells(e.Tells[:0], ob.known(o))
		j = appendList(j, "tells", e.Tells, (*known.Tell).AppendJSON)
	}
	return append(j, '}')
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// kin returns the classes of o.
func (ob *Observer) kin(o *Observation) kin {
	if o.Hello == nil || o.Hello.SSLv2 || o.Err != nil {
		return kin{}
	}
	if ob.hellos++; ob.hellos == 1 {
		return kin{} // an Observer of one hello takes no memory for more
	}
	return ob.classes.find(o)
}

// fill does the work of Fill, and fills the classes of o.
func (ob *Observer) fill(e *Event, o *Observation, size Size, k kin) {
	*e = Event{
		Time:       o.Time.UTC(),
		Transport:  o.Transport.String(),
		SrcIP:      o.Src.Addr().Unmap(),
		SrcPort:    o.Src.Port(),
		DstIP:      o.Dst.Addr().Unmap(),
		DstPort:    o.Dst.Port(),
		HelloIndex: o.Index,
		ALPN:       e.ALPN[:0],
		Client:     e.Client[:0],
		Tells:      e.Tells[:0],
		SNI:        e.SNI,
		Carrier:    e.Carrier,
	}
	sni, carrier := e.SNI, e.Carrier // memory
	e.SNI, e.Carrier = nil, nil
	if size >= Full {
		e.File, e.Packet, e.Via = parser.Text([]byte(o.File)), o.Packet, o.Via
		e.Carrier = reuse(carrier)
		*e.Carrier = o.Carrier
		e.Carrier.Split = max(o.Carrier.Records, o.Carrier.Datagrams, o.Carrier.Segments) > 1
	}
	if o.Err != nil {
		e.Error = parser.Text([]byte(o.Err.Error()))
		e.Received = hex.EncodeToString(o.Received)
	}
	h := o.Hello
	if h == nil {
		return
	}
	e.Transport = h.Transport.String()
	switch {
	case o.Err != nil: // what a part of a message shows is not the client's fingerprint
	case h.SSLv2:
		renderSSLv2(e, h)
	default:
		if h.HasExtension(parser.ExtServerName) {
			e.SNI = reuse(sni)
		}
		e.Session = fingerprint.SessionOf(h).String()
		ob.fingerprints(e, o, size, k)
		if !ob.SkipClients {
			ob.identify(e, o, k)
		}
		if size >= Full && o.QUIC != nil {
			e.QUIC = renderQUIC(o.QUIC, h)
		}
	}
	if size == Detail {
		tree := parser.Dissect(h)
		e.Hello, e.Raw = &tree, h.Raw
	}
}

// reuse returns p, or new memory if it is nil.
func reuse[T any](p *T) *T {
	if p == nil {
		p = new(T)
	}
	return p
}

// identify says who the client may be, and whether it is. k is the classes of o.
func (ob *Observer) identify(e *Event, o *Observation, k kin) {
	j := ob.known(o)
	j.JA3, j.JA4 = e.JA3(), e.JA4()
	if ob.Clients != nil {
		k = kin{} // a user's clients may change
	}
	if c := k.named(); c != nil {
		if e.clients = c.clients; c.clients != nil {
			e.Client = append(e.Client, c.clients.list...)
		}
		if c.tells {
			e.Tells = known.AppendTells(e.Tells, j)
		}
	} else {
		ob.match(e, j)
		if k.anyOrder != nil && ob.matcher.AnyOrder() && len(e.Tells) == 0 {
			k.anyOrder.name(e)
		}
	}
	if k.ordered != nil && !k.ordered.named {
		k.ordered.name(e)
	}
	if o.Agent != (known.Request{}) {
		claim := known.CheckClaim(j, e.Client)
		e.Claim = &claim
	}
}

// known returns o for package known, without JA3 and JA4. It holds until the
// next is asked for.
func (ob *Observer) known(o *Observation) *known.Observation {
	ob.judged = known.Observation{
		Hello:         o.Hello,
		Index:         o.Index,
		RecordVersion: o.RecordVersion,
		HTTP2:         o.HTTP2,
		Request:       o.Agent,
	}
	return &ob.judged
}

// match finds clients and tells.
func (ob *Observer) match(e *Event, k *known.Observation) {
	ob.matcher.Clients = ob.Clients
	e.Client = ob.matcher.AppendCandidates(e.Client, k)
	if e.Tells = known.AppendTells(e.Tells, k); len(e.Tells) > 0 {
		known.PreferImitations(e.Client)
	}
}

// fingerprints fills the texts of e, which share one string: a hello costs an
// allocation or two, not one a value. k is the classes of o.
func (ob *Observer) fingerprints(e *Event, o *Observation, size Size, k kin) {
	h := o.Hello
	ob.input = fingerprint.Input{Hello: h, QUIC: o.QUIC, HTTP2: o.HTTP2}
	ob.buf, ob.ends = ob.buf[:0], ob.ends[:0]
	ob.add(parser.AppendText(ob.buf, h.ServerName))
	c := k.filled()
	if c != nil {
		e.Version, e.Fingerprints = c.version, c.values
		e.ALPN = append(e.ALPN, c.alpn...)
	} else {
		ob.add(append(ob.buf, versionText(highestVersion(h))...))
		for _, p := range h.ALPNProtocols {
			ob.add(parser.AppendText(ob.buf, p))
		}
	}
	for i := range fingerprint.Methods {
		if m := &fingerprint.Methods[i]; e.Fingerprints[i] == "" && (size >= Full || !m.Full) {
			ob.add(m.Append(ob.buf, &ob.input))
		}
	}

	all, i, from := string(ob.buf), 0, 0
	next := func() string {
		s := all[from:ob.ends[i]]
		i, from = i+1, ob.ends[i]
		return s
	}
	if sni := next(); e.SNI != nil {
		*e.SNI = sni
	}
	if c == nil {
		e.Version = next()
		e.ALPN = slices.Grow(e.ALPN, len(h.ALPNProtocols))
		for range h.ALPNProtocols {
			e.ALPN = append(e.ALPN, next())
		}
	}
	for i := range fingerprint.Methods {
		if m := &fingerprint.Methods[i]; e.Fingerprints[i] == "" && (size >= Full || !m.Full) {
			e.Fingerprints[i] = next()
		}
	}
	if k.ordered != nil && !k.ordered.filled() {
		k.ordered.fill(e)
	}
	if k.anyOrder != nil && !k.anyOrder.filled() {
		k.anyOrder.fill(e)
		k.anyOrder.forgetOrder()
	}
}

// add makes buf, which has one text more than before, the new ob.buf.
func (ob *Observer) add(buf []byte) {
	ob.buf = buf
	ob.ends = append(ob.ends, len(buf))
}
