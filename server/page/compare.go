package page

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/answers"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// Bounds on what people give to be read. Nothing of it is kept.
const (
	maxInput     = 8 << 20 // bytes of a request
	maxFound     = 40      // hellos of a capture that are listed
	maxUpload    = 10 * time.Second
	maxReading   = 5 * time.Second
	maxReadings  = 4 // at a time
	maxChangeRow = 200

	maxShownAgain = 16 << 10 // bytes of text
)

// A compareView is what the page that compares shows besides a hello.
type compareView struct {
	Clients []clientGroup // to choose from
	Client  string        // chosen
	With    string        // chosen: "mine", "" or a client
	Text    string        // pasted

	Found  []foundHello // of a capture with several
	Beyond int          // how many more there were

	Other      string // whom the hello was compared with, in words
	Theirs     string // the same, of a value: "yours"
	Name       string // of the hello
	Difference *difference
}

// A foundHello is one of the hellos in a capture.
type foundHello struct {
	Event event.Event
	Input string // for the form
	Who   string
}

// compare shows the form, and the hello of a known client if the query names
// one.
func (p *Page) compare(w http.ResponseWriter, r *http.Request) {
	if !p.ready(w) {
		return
	}
	leave, ok := p.begin(w, r)
	if !ok {
		return
	}
	defer leave()
	q := r.URL.Query()
	in := compareInput{client: q.Get("client"), with: "mine"}
	if q.Has("with") {
		in.with = q.Get("with")
	}
	if in.client == "" {
		p.show(w, r, http.StatusOK, "compare.html", p.compareView(&in))
		return
	}
	p.answer(w, r, &in)
}

// compareForm reads the hello that a form brings.
func (p *Page) compareForm(w http.ResponseWriter, r *http.Request) {
	if !p.ready(w) {
		return
	}
	leave, ok := p.enter(r.Context())
	if !ok {
		p.complain(w, r, &compareInput{with: "mine"}, http.StatusServiceUnavailable, errBusy)
		return
	}
	defer leave()
	// Not all transports have deadlines; those without have bounds of their own.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(maxUpload))
	r.Body = http.MaxBytesReader(w, r.Body, maxInput)
	in, err := readForm(r)
	if err != nil {
		status := http.StatusBadRequest
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			status = http.StatusRequestEntityTooLarge
			err = fmt.Errorf("more than %d MiB: cut the capture down to the hellos that matter", maxInput>>20)
		}
		p.complain(w, r, &in, status, err)
		return
	}
	done, ok := p.begin(w, r)
	if !ok {
		return
	}
	defer done()
	p.answer(w, r, &in)
}

var errBusy = errors.New("others are giving hellos to read just now: try again in a moment")

// enter waits for one of the places for those who give hellos.
func (p *Page) enter(ctx context.Context) (leave func(), ok bool) {
	ctx, cancel := context.WithTimeout(ctx, maxReading)
	defer cancel()
	select {
	case p.readings <- struct{}{}:
		return func() { <-p.readings }, true
	case <-ctx.Done():
		return nil, false
	}
}

// A compareInput is what the form asks for.
type compareInput struct {
	text   string
	file   []byte
	client string
	with   string
}

func readForm(r *http.Request) (in compareInput, err error) {
	if err := r.ParseForm(); err != nil {
		return in, err
	}
	// As much memory as the body may have, so that no part goes to a file.
	if err := r.ParseMultipartForm(maxInput); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return in, err
	}
	in.text, in.client, in.with = strings.TrimSpace(r.PostFormValue("hello")), r.PostFormValue("client"), r.PostFormValue("with")
	if r.MultipartForm == nil || len(r.MultipartForm.File["file"]) == 0 {
		return in, nil
	}
	f, err := r.MultipartForm.File["file"][0].Open()
	if err != nil {
		return in, err
	}
	defer f.Close()
	in.file, err = io.ReadAll(f)
	return in, err
}

// A given is a hello that was given to be read.
type given struct {
	event.Observation
	name string // in words, to begin a sentence with
}

var errNothingGiven = errors.New("nothing was given: paste a hello, choose a file, or choose a known client")

// read finds the hellos that were given.
func (p *Page) read(ctx context.Context, in *compareInput) ([]given, error) {
	data, name := in.file, "The hello of the file"
	switch {
	case len(data) > 0:
	case in.text != "":
		name = "The pasted hello"
		b, transport, ok := fromLink(in.text)
		if ok {
			return []given{{unmarshaled(b, transport), name}}, nil
		}
		data = []byte(in.text)
	case in.client != "":
		k := p.census.client(in.client)
		if k == nil {
			return nil, fmt.Errorf("no known client is %q", in.client)
		}
		return []given{{observed(k.hello), k.title()}}, nil
	default:
		return nil, errNothingGiven
	}
	if p.Read == nil {
		return nil, errors.New("this server reads known clients and permalinks only")
	}
	ctx, cancel := context.WithTimeout(ctx, maxReading)
	defer cancel()
	found, err := p.Read(ctx, data)
	if len(found) == 0 {
		if err == nil {
			err = errors.New("there is no hello in it")
		}
		return nil, err
	}
	list := make([]given, len(found))
	for i := range found {
		list[i] = given{found[i], name}
	}
	return list, nil
}

// observed is an Observation of a hello of which nothing else is known.
func observed(h *parser.ClientHello) event.Observation {
	return event.Observation{Hello: h, Transport: h.Transport, Index: 1, Carrier: event.Carrier{Bytes: len(h.Raw)}}
}

func unmarshaled(msg []byte, transport parser.Transport) event.Observation {
	h := &parser.ClientHello{Transport: transport}
	err := h.Unmarshal(msg)
	o := observed(h)
	o.Err = err
	return o
}

// answer shows the hello that was asked for, and how it differs from another.
func (p *Page) answer(w http.ResponseWriter, r *http.Request, in *compareInput) {
	list, err := p.read(r.Context(), in)
	if err != nil {
		p.complain(w, r, in, http.StatusUnprocessableEntity, err)
		return
	}
	v := p.compareView(in)
	if len(list) > 1 {
		v.found(list, p.Clients)
		p.show(w, r, http.StatusOK, "compare.html", v)
		return
	}
	g := &list[0]
	v.Compare.Name = g.name
	if err := p.given(v, g); err != nil {
		p.complain(w, r, in, http.StatusUnprocessableEntity, err)
		return
	}
	if err := p.with(v, r, g, in.with); err != nil {
		p.complain(w, r, in, http.StatusUnprocessableEntity, err)
		return
	}
	p.show(w, r, http.StatusOK, "compare.html", v)
}

// given makes v show g.
func (p *Page) given(v *pageView, g *given) error {
	h := g.Hello
	switch {
	case h == nil && g.Err != nil:
		return g.Err
	case h == nil:
		return errNothingGiven
	case g.Err != nil:
		v.Hello = p.broken(h.Raw, h.Transport, g.Err)
	default:
		e := answers.Event(&g.Observation, p.Clients, event.Detail)
		v.Hello = p.hello(&e, false)
	}
	v.Title = v.Hello.Who.Headline
	return nil
}

// with makes v show how g differs from whom the form names.
func (p *Page) with(v *pageView, r *http.Request, g *given, with string) error {
	var other *parser.ClientHello
	switch with {
	case "":
		return nil
	case "mine":
		e, ok := p.eventOf(r)
		if !ok || len(e.Raw) == 0 {
			return errors.New("no hello is known of this connection to compare with")
		}
		o := unmarshaled(e.Raw, transportOf(e.Transport))
		other, v.Compare.Other, v.Compare.Theirs = o.Hello, "your hello", "yours"
	default:
		k := p.census.client(with)
		if k == nil {
			return fmt.Errorf("no known client is %q", with)
		}
		other, v.Compare.Other, v.Compare.Theirs = k.hello, k.title(), k.Name+"’s"
	}
	if g.Err == nil {
		v.Compare.Difference = newDifference(other, g.Hello)
		v.Hello.Second = true
	}
	return nil
}

// complain shows the form again, with what is wrong.
func (p *Page) complain(w http.ResponseWriter, r *http.Request, in *compareInput, status int, err error) {
	v := p.compareView(in)
	v.Message = parser.Text([]byte(err.Error()))
	p.show(w, r, status, "compare.html", v)
}

func (p *Page) compareView(in *compareInput) *pageView {
	v := p.view("Compare hellos", "/compare")
	v.Compare = &compareView{Clients: p.census.groups, Client: in.client, With: in.with, Text: shownAgain(in.text)}
	return v
}

// shownAgain returns what of a pasted text the form is filled with again: text
// that is none, or too much to look at, would be in the way.
func shownAgain(text string) string {
	odd := func(c rune) bool { return !unicode.IsPrint(c) && !unicode.IsSpace(c) }
	if len(text) > maxShownAgain || !utf8.ValidString(text) || strings.ContainsFunc(text, odd) {
		return ""
	}
	return text
}

// found lists the hellos of a capture.
func (v *pageView) found(list []given, clients *known.Database) {
	ob := event.Observer{Users: clients}
	for i := range list {
		if i == maxFound {
			v.Compare.Beyond = len(list) - maxFound
			break
		}
		g := &list[i]
		f := foundHello{Event: ob.Event(&g.Observation, event.Full), Who: "unknown"}
		if len(f.Event.Client) > 0 {
			f.Who = nameAndVersion(&f.Event.Client[0])
		}
		if g.Hello != nil {
			f.Input = linkText(g.Hello.Raw, g.Hello.Transport)
		}
		v.Compare.Found = append(v.Compare.Found, f)
	}
}

// A difference is what tells two hellos apart, by field.
type difference struct {
	fingerprint.Difference
	Fields []fieldChanges
	Same   []string // fingerprints that do not change
}

// fieldChanges are the changes of one field.
type fieldChanges struct {
	Field   string
	Changes []fingerprint.Change
	Moved   []fingerprint.Change
	Beyond  int
}

func newDifference(before, after *parser.ClientHello) *difference {
	d := &difference{Difference: fingerprint.DiffHellos(before, after)}
	for _, c := range d.Changes {
		if n := len(d.Fields); n == 0 || d.Fields[n-1].Field != c.Field {
			d.Fields = append(d.Fields, fieldChanges{Field: c.Field})
		}
		f := &d.Fields[len(d.Fields)-1]
		switch {
		case len(f.Changes)+len(f.Moved) == maxChangeRow:
			f.Beyond++
		case c.Kind == fingerprint.Moved:
			f.Moved = append(f.Moved, c)
		default:
			f.Changes = append(f.Changes, c)
		}
	}
	for _, c := range d.Fingerprints {
		if c.Same() && c.Name != "session" {
			d.Same = append(d.Same, c.Name)
		}
	}
	return d
}

// Summary says in a sentence how much differs.
func (d *difference) Summary() string {
	if len(d.Fields) == 0 {
		return "They differ in nothing but what changes on each connection."
	}
	s := "They differ in " + strconv.Itoa(len(d.Fields)) + " fields."
	if len(d.Fields) == 1 {
		s = "They differ in one field."
	}
	return s
}
