package event

import (
	"encoding/hex"
	"slices"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// An Observer builds Events of Observations; nothing else does. The zero value is
// ready. It is not safe for concurrent use.
type Observer struct {
	// Clients are user-supplied clients, in addition to the built-in ones. It may be
	// nil, and be replaced between two hellos.
	Clients     *known.Database
	SkipClients bool // leave out Client, Tells and Claim

	// Memo may be shared with other Observers. If it is nil, the Observer makes one
	// of its own when it sees a second hello.
	Memo *Memo

	hellos     int // that were observed, if Memo is nil
	memo       Memo
	keys       memoKeys
	matcher    known.Matcher
	event      Event // of AppendJSON
	knownInput known.Observation
	input      fingerprint.Input
	sni        string // of event
	file       string // of the last Observation
	fileText   string // the same in the form of an Event
	line       lineCache
	buf        []byte // the texts of one Event, which become one string
	ends       []int  // of each text in buf

	// appendTells is known.AppendTells where it is nil. Tests set it.
	appendTells func([]known.Tell, *known.Observation) []known.Tell
}

// Event returns the Event of o in the given size. It aliases of o only Tags, from size
// Full on Via, Handshake and FrontJA4, and in size Detail the message of the hello. The
// caller may keep and change the rest.
func (ob *Observer) Event(o *Observation, size Size) Event {
	var e Event
	ob.Fill(&e, o, size)
	return e
}

// Fill sets e to the Event that [Observer.Event] returns. It overwrites the memory of
// ALPN, Client, Tells, SNI and Carrier of e, so that earlier copies of e change too.
func (ob *Observer) Fill(e *Event, o *Observation, size Size) { ob.fill(e, o, size, ob.lookup(o)) }

// AppendJSON appends to dst the Event that [Observer.Event] returns as one JSON
// object, without a newline. For a compact Event it is faster than
// [Event.AppendJSON], because it copies the JSON that the Memo has. The error is that
// of [Event.AppendJSON].
func (ob *Observer) AppendJSON(dst []byte, o *Observation, size Size) ([]byte, error) {
	l := ob.lookup(o)
	if size == Compact && l.entry != nil && !l.isNew() && (l.entry.shape.hasCandidates || ob.SkipClients) {
		return ob.appendRemembered(dst, o, l.entry)
	}
	ob.fill(&ob.event, o, size, l)
	return ob.event.AppendJSON(dst)
}

// appendRemembered appends the compact Event of o, which m is the entry of. It
// fills only the fields whose JSON m does not have.
func (ob *Observer) appendRemembered(dst []byte, o *Observation, m *memoEntry) ([]byte, error) {
	e := &ob.event
	e.line = &ob.line
	ob.addPeers(e, o)
	live := o.isLive()
	e.Transport = o.Hello.Transport.String()
	if e.SNI = nil; o.Hello.HasExtension(parser.ExtServerName) {
		ob.sni = ""
		e.SNI, ob.line.serverName = &ob.sni, o.Hello.ServerName
	}
	ob.input = fingerprint.Input{Hello: o.Hello, QUIC: o.QUIC, HTTP2: o.HTTP2, HTTP3: o.HTTP3, HTTP3Wire: o.HTTP3Wire}
	for _, i := range orderedMethods {
		if e.Fingerprints[i] = m.values[i]; e.Fingerprints[i] == "" {
			ob.buf = fingerprint.Methods[i].Append(ob.buf[:0], &ob.input)
			e.Fingerprints[i] = string(ob.buf)
		}
	}
	if live {
		e.addLife(o, Compact)
		for _, i := range liveMethods {
			e.Fingerprints[i] = string(fingerprint.Methods[i].Append(nil, &ob.input))
		}
	}
	e.Tells, e.Claim = e.Tells[:0], nil
	if !ob.SkipClients {
		k := ob.knownOf(o, e)
		ob.findTells(e, o, k)
		if live {
			e.Claim = claim(k, m.shape.candidatesOf(known.IsEvidence(e.Tells)).list, Compact)
		}
	}
	return m.shape.appendEvent(dst, e, !ob.SkipClients, live)
}

// lookup looks up o in the Memo, if it has a hello that can be in one.
func (ob *Observer) lookup(o *Observation) memoLookup {
	if o.Hello == nil || o.Hello.SSLv2 || o.Err != nil {
		return memoLookup{}
	}
	m := ob.Memo
	if m == nil {
		if ob.hellos++; ob.hellos == 1 {
			return memoLookup{} // an Observer of one hello needs no memory for more
		}
		m = &ob.memo
	}
	if ob.SkipClients {
		return m.find(&ob.keys, o, nil, false)
	}
	return m.find(&ob.keys, o, ob.Clients, true)
}

// addPeers fills what says which hello e is of.
func (ob *Observer) addPeers(e *Event, o *Observation) {
	e.Time = o.Time.UTC()
	e.SrcIP, e.SrcPort = o.Src.Addr().Unmap(), o.Src.Port()
	e.DstIP, e.DstPort = o.Dst.Addr().Unmap(), o.Dst.Port()
	e.SrcMAC, e.DstMAC = o.SrcMAC, o.DstMAC
	e.HelloIndex = o.Index
	if o.File != ob.file {
		ob.file, ob.fileText = o.File, parser.Text([]byte(o.File))
		ob.line.setFile(ob.fileText)
	}
	e.File, e.Packet = ob.fileText, o.Packet
	if e.ID = o.ID; e.ID == (ID{}) {
		e.ID = digestID(o)
	}
}

// isLive reports whether a compact Event of o has a field of live connections.
func (o *Observation) isLive() bool {
	r := &o.Request
	return o.Unverified || len(o.HTTP2)|len(o.HTTP3)|len(o.Rule)|len(o.Action)|len(o.Tags)|int(o.Settled) != 0 ||
		len(r.UserAgent)|len(r.OS)|len(r.ClientHints)|len(r.Platform)|len(r.Headers) != 0
}

// addLife fills what is known of the connection and its requests.
func (e *Event) addLife(o *Observation, size Size) {
	e.AddressVerified = nil
	if o.Unverified {
		e.AddressVerified = new(false)
	}
	e.UserAgent = parser.Text([]byte(o.Request.UserAgent))
	e.Settled, e.Rule, e.Action, e.Tags = o.Settled, o.Rule, o.Action, o.Tags
	if size >= Full {
		e.Conn, e.Shared, e.Handshake, e.FrontJA4 = o.Conn, o.Shared, o.Handshake, o.FrontJA4
		e.HTTP2Wire = o.HTTP2Wire
		e.CommunityID = communityID(o.protocol(), o.Src, o.Dst)
	}
}

// protocol returns the protocol of the flow, by IANA's number.
func (o *Observation) protocol() uint8 {
	const tcp, udp = 6, 17
	switch {
	case o.Protocol != 0:
		return o.Protocol
	case o.transport() == parser.TLS:
		return tcp
	}
	return udp
}

// transport returns the transport of o, whether it has a hello or not.
func (o *Observation) transport() parser.Transport {
	if o.Hello != nil {
		return o.Hello.Transport
	}
	return o.Transport
}

// claim returns what follows from what the client says it is, or nil if it says
// nothing. A compact Event has the verdict and the proxy only.
func claim(k *known.Observation, candidates []known.Candidate, size Size) *known.Claim {
	says := k.Request
	if says.Headers = ""; says == (known.Request{}) {
		return nil
	}
	c := known.CheckClaim(k, candidates)
	if size == Compact {
		c.Program, c.Reasons = "", nil
	}
	return &c
}

// fill does the work of Fill. l is what lookup returns for o.
func (ob *Observer) fill(e *Event, o *Observation, size Size, l memoLookup) {
	sni, carrier := e.reset()
	ob.addPeers(e, o)
	e.Transport = o.Transport.String()
	e.addLife(o, size)
	if size >= Full {
		e.Via = o.Via
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
	case o.Err != nil: // the part that was decoded has other fingerprints than the whole
	case h.SSLv2:
		renderSSLv2(e, h)
	default:
		if h.HasExtension(parser.ExtServerName) {
			e.SNI = reuse(sni)
		}
		ob.addTexts(e, o, size, l.entry)
		ob.identify(e, o, size, &l)
		if size >= Full {
			e.addLists(h)
			if o.QUIC != nil {
				e.QUIC = renderQUIC(o.QUIC, h)
			}
		}
	}
	if size == Detail {
		tree := parser.Dissect(h)
		e.Hello, e.Raw = &tree, h.Raw
	}
}

// reset clears e but for the memory of its lists, and returns that of SNI and
// Carrier.
func (e *Event) reset() (*string, *Carrier) {
	alpn, client, tells := e.ALPN[:0], e.Client[:0], e.Tells[:0]
	sni, carrier := e.SNI, e.Carrier
	*e = Event{}
	e.ALPN, e.Client, e.Tells = alpn, client, tells
	return sni, carrier
}

// reuse returns p, or new memory if it is nil.
func reuse[T any](p *T) *T {
	if p == nil {
		p = new(T)
	}
	return p
}

// identify fills Client, Tells and Claim of e, and stores what is new in the Memo.
func (ob *Observer) identify(e *Event, o *Observation, size Size, l *memoLookup) {
	if ob.SkipClients {
		l.store(&ob.keys, e, false, false)
		return
	}
	k := ob.knownOf(o, e)
	if l.entry != nil && l.entry.shape.hasCandidates {
		e.Client = append(e.Client, l.entry.shape.candidates.list...)
	} else {
		ob.matcher.Clients = ob.Clients
		e.Client = ob.matcher.AppendCandidates(e.Client, k)
	}
	l.store(&ob.keys, e, true, !ob.matcher.AnyOrder()) // before the tells
	if ob.findTells(e, o, k); known.IsEvidence(e.Tells) {
		known.PreferImitations(e.Client)
	}
	e.Claim = claim(k, e.Client, size)
}

// findTells fills Tells of e.
func (ob *Observer) findTells(e *Event, o *Observation, k *known.Observation) {
	if ob.appendTells != nil {
		e.Tells = ob.appendTells(e.Tells, k)
	} else {
		e.Tells = known.AppendTells(e.Tells, k)
	}
	if len(o.Tells) > 0 {
		e.Tells = append(e.Tells, o.Tells...)
	}
}

// knownOf returns o as package known takes it, with the fingerprints of e. It is
// valid until the next call.
func (ob *Observer) knownOf(o *Observation, e *Event) *known.Observation {
	k := &ob.knownInput
	k.Hello, k.Index, k.RecordVersion, k.HTTP2, k.HTTP3, k.Request = o.Hello, o.Index, o.RecordVersion, o.HTTP2, o.HTTP3, o.Request
	k.Time, k.Tells, k.HTTP2Wire, k.JA3, k.JA4 = o.Time, o.Tells, o.HTTP2Wire, "", ""
	if ob.Clients != nil { // which may be known by a fingerprint only
		k.JA3, k.JA4 = e.JA3(), e.JA4()
	}
	return k
}

// addTexts fills SNI, ALPN, Version, Session and Fingerprints of e, from m if that
// is not nil. The other texts share one string, so that a hello costs one
// allocation and not one for each text.
func (ob *Observer) addTexts(e *Event, o *Observation, size Size, m *memoEntry) {
	h := o.Hello
	ob.buf, ob.ends = ob.buf[:0], ob.ends[:0]
	ob.add(parser.AppendText(ob.buf, h.ServerName))
	if m != nil {
		e.Version, e.Session, e.Fingerprints = m.shape.version, m.shape.session, m.values
		if size < Full {
			for _, i := range fullMethods {
				e.Fingerprints[i] = ""
			}
		}
		e.ALPN = append(e.ALPN, m.shape.alpn...)
	} else {
		e.Session = fingerprint.SessionOf(h).String()
		ob.add(append(ob.buf, versionText(highestVersion(h))...))
		for _, p := range h.ALPNProtocols {
			ob.add(parser.AppendText(ob.buf, p))
		}
	}
	ob.input = fingerprint.Input{Hello: h, QUIC: o.QUIC, HTTP2: o.HTTP2, HTTP3: o.HTTP3, HTTP3Wire: o.HTTP3Wire}
	methods := compactMethods
	if size >= Full {
		methods = allMethods
	}
	for _, i := range methods {
		if e.Fingerprints[i] == "" {
			ob.add(fingerprint.Methods[i].Append(ob.buf, &ob.input))
		}
	}

	all, n, from := string(ob.buf), 0, 0
	next := func() string {
		s := all[from:ob.ends[n]]
		n, from = n+1, ob.ends[n]
		return s
	}
	if sni := next(); e.SNI != nil {
		*e.SNI = sni
	}
	if m == nil {
		e.Version = next()
		e.ALPN = slices.Grow(e.ALPN, len(h.ALPNProtocols))
		for range h.ALPNProtocols {
			e.ALPN = append(e.ALPN, next())
		}
	}
	for _, i := range methods {
		if e.Fingerprints[i] == "" {
			e.Fingerprints[i] = next()
		}
	}
}

// The indices in [fingerprint.Methods] of all methods, of those that a compact
// Event has, and of those of them that a memoEntry may lack: they depend on the order
// of the extensions, or on more than the hello.
var (
	allMethods     = indicesOf(func(*fingerprint.Method) bool { return true })
	compactMethods = indicesOf(func(m *fingerprint.Method) bool { return !m.Full })
	fullMethods    = indicesOf(func(m *fingerprint.Method) bool { return m.Full })
	orderedMethods = indicesOf(func(m *fingerprint.Method) bool { return !m.Full && m.Ordered && !m.Live })
	liveMethods    = indicesOf(func(m *fingerprint.Method) bool { return !m.Full && m.Live })
)

func indicesOf(is func(*fingerprint.Method) bool) (indices []int) {
	for i := range fingerprint.Methods {
		if is(&fingerprint.Methods[i]) {
			indices = append(indices, i)
		}
	}
	return indices
}

// add makes buf, which has one text more than before, the new ob.buf.
func (ob *Observer) add(buf []byte) {
	ob.buf = buf
	ob.ends = append(ob.ends, len(buf))
}
