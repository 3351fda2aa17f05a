package page

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/answers"
	"github.com/tlspeek/tlspeek/internal/observe"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// Bounds on what readers give to be read. Nothing of it is kept.
const (
	maxInput     = 8 << 20 // bytes of a request
	maxListed    = 40      // hellos of a capture
	maxUpload    = 10 * time.Second
	maxReading   = 5 * time.Second
	maxChangeRow = 200 // changes of one field

	maxListedSize = 512 << 10 // bytes of all hellos that are listed
	maxListedName = 255       // bytes of a server name there

	maxParts = 16 // of a form

	// usualHello is how many bytes a hello counts for before it is read.
	usualHello = 2 << 10

	maxRefill = 16 << 10 // bytes of text
)

// A compareView is what the page that compares shows besides a hello.
type compareView struct {
	Clients []clientGroup // to choose from
	Client  string        // chosen
	With    string        // chosen: "mine", "" or a client
	Text    string        // pasted

	Found  []foundHello // of a capture with several
	Beyond int          // how many more there were

	Other      string // what the hello was compared with, in words
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
	q := r.URL.Query()
	in := compareInput{client: q.Get("client"), with: "mine"}
	if q.Has("with") {
		in.with = q.Get("with")
	}
	if in.client != "" {
		p.answerCompare(w, r, &in)
		return
	}
	a, ok := p.begin(w, r, answers.PageCost(0))
	if !ok {
		return
	}
	defer a.End()
	p.show(w, r, a, http.StatusOK, "compare.html", p.newCompareView(&in))
}

// compareForm reads the hello that a form brings. The whole of it must come before it
// can hold up others.
func (p *Page) compareForm(w http.ResponseWriter, r *http.Request) {
	if !p.ready(w) {
		return
	}
	size := r.ContentLength
	if size < 0 || size > maxInput {
		size = maxInput
	}
	release, ok := p.budgetsOf(r).BeginUpload(r.Context(), answers.ClientOf(r), size)
	if !ok {
		p.refuse(w, r, "There are too many uploads at once: try again in a moment.")
		return
	}
	defer release()
	// Some transports have no deadlines; those have bounds of their own.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(maxUpload))
	r.Body = http.MaxBytesReader(w, r.Body, maxInput)
	in, err := readForm(r, size)
	if err != nil {
		status := http.StatusBadRequest
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			status = http.StatusRequestEntityTooLarge
			err = fmt.Errorf("more than %d MiB: cut the capture down to the hellos that matter", maxInput>>20)
		}
		if a, ok := p.begin(w, r, answers.PageCost(0)); ok {
			defer a.End()
			p.showFormError(w, r, a, &in, status, err)
		}
		return
	}
	p.answerCompare(w, r, &in)
}

// A compareInput is what the form asks for.
type compareInput struct {
	text   string
	file   []byte
	client string
	with   string
}

// readForm reads the form of r, which has about size bytes.
func readForm(r *http.Request, size int64) (in compareInput, err error) {
	parts, err := r.MultipartReader()
	if errors.Is(err, http.ErrNotMultipart) {
		err = r.ParseForm()
		in.text, in.client, in.with = strings.TrimSpace(r.PostForm.Get("hello")), r.PostForm.Get("client"), r.PostForm.Get("with")
		return in, err
	}
	if err != nil {
		return in, err
	}
	for n := 0; ; n++ {
		part, err := parts.NextPart()
		if err == io.EOF {
			return in, nil
		}
		if err == nil && n == maxParts {
			err = fmt.Errorf("more than %d parts", maxParts)
		}
		if err != nil {
			return in, err
		}
		var b bytes.Buffer
		if part.FormName() == "file" && in.file == nil {
			b.Grow(int(size) + bytes.MinRead) // there is one copy of a long upload
		}
		if _, err := b.ReadFrom(part); err != nil {
			return in, err
		}
		switch text := b.String; part.FormName() {
		case "hello":
			in.text = strings.TrimSpace(text())
		case "client":
			in.client = text()
		case "with":
			in.with = text()
		case "file":
			if in.file == nil {
				in.file = b.Bytes()
			}
		}
	}
}

// An inputHello is a hello in what the form brings.
type inputHello struct {
	event.Observation
	name string // in words, to begin a sentence with
}

var errNothingGiven = errors.New("nothing was given: paste a hello, choose a file, or choose a known client")

// readInput finds the hellos in what the form brings.
func (p *Page) readInput(ctx context.Context, in *compareInput) ([]inputHello, error) {
	data, name := in.file, "The hello of the file"
	switch {
	case len(data) > 0:
	case in.text != "":
		name = "The pasted hello"
		b, transport, ok := fromLink(in.text)
		if ok {
			return []inputHello{{observeMessage(b, transport), name}}, nil
		}
		data = []byte(in.text)
	case in.client != "":
		k := p.index.byID(in.client)
		if k == nil {
			return nil, fmt.Errorf("no known client is %q", in.client)
		}
		return []inputHello{{observeMessage(k.hello.Raw, k.hello.Transport), k.title()}}, nil
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
	list := make([]inputHello, len(found))
	for i := range found {
		list[i] = inputHello{found[i], name}
	}
	return list, nil
}

// observeMessage returns the Observation of a message without its carrier. A hello
// that could be decoded only in part is in it, too.
func observeMessage(msg []byte, transport parser.Transport) event.Observation {
	h := &parser.ClientHello{Transport: transport}
	o := event.Observation{Index: 1}
	observe.Message(&o, h, msg)
	o.Hello = h
	return o
}

// answerCompare shows the hello that was given, and how it differs from another. What
// was given has come whole, so that its client can hold up nobody.
func (p *Page) answerCompare(w http.ResponseWriter, r *http.Request, in *compareInput) {
	a, ok := p.budgetsOf(r).Reserve(r.Context(), answers.ClientOf(r), answers.PageCost(usualHello))
	defer a.End()
	if !ok || !a.Read(r.Context()) {
		p.refuse(w, r, busy)
		return
	}
	list, err := p.readInput(r.Context(), in)
	if !a.Render(r.Context()) {
		a.End()
		p.refuse(w, r, busy)
		return
	}
	if err != nil {
		p.showFormError(w, r, a, in, http.StatusUnprocessableEntity, err)
		return
	}
	v := p.newCompareView(in)
	if len(list) > 1 {
		v.Compare.listHellos(list, p.Clients)
		p.show(w, r, a, http.StatusOK, "compare.html", v)
		return
	}
	h := &list[0]
	hello, err := p.viewInput(h)
	if err == nil {
		err = p.compareWith(v.Compare, r, h, in.with)
	}
	if err != nil {
		p.showFormError(w, r, a, in, http.StatusUnprocessableEntity, err)
		return
	}
	hello.second = v.Compare.Difference != nil
	v.Title, _ = whoText(hello)
	v.Compare.Name = h.name
	v.Hello = newHelloData(hello)
	p.show(w, r, a, http.StatusOK, "compare.html", v)
}

func (p *Page) viewInput(in *inputHello) (*view, error) {
	h := in.Hello
	switch {
	case h == nil && in.Err != nil:
		return nil, in.Err
	case h == nil:
		return nil, errNothingGiven
	case in.Err != nil:
		return p.newBrokenView(h.Raw, h.Transport, in.Err), nil
	}
	e := answers.Event(&in.Observation, p.Clients, event.Detail)
	return p.newView(&e), nil
}

// compareWith shows in v how the hello of in differs from what the form names.
func (p *Page) compareWith(v *compareView, r *http.Request, in *inputHello, with string) error {
	var other *parser.ClientHello
	switch with {
	case "":
		return nil
	case "mine":
		e, ok := p.eventOf(r)
		if !ok || len(e.Raw) == 0 {
			return errors.New("no hello is known of this connection to compare with")
		}
		o := observeMessage(e.Raw, transportOf(e.Transport))
		other, v.Other, v.Theirs = o.Hello, "your hello", "yours"
	default:
		k := p.index.byID(with)
		if k == nil {
			return fmt.Errorf("no known client is %q", with)
		}
		other, v.Other, v.Theirs = k.hello, k.title(), k.Name+"’s"
	}
	if in.Err == nil {
		v.Difference = newDifference(other, in.Hello)
	}
	return nil
}

// showFormError shows the form again, with an error.
func (p *Page) showFormError(w http.ResponseWriter, r *http.Request, a *answers.Answer, in *compareInput, status int, err error) {
	v := p.newCompareView(in)
	v.Message = parser.Text([]byte(err.Error()))
	p.show(w, r, a, status, "compare.html", v)
}

func (p *Page) newCompareView(in *compareInput) *pageView {
	v := p.newPageView("Compare hellos", "/compare")
	v.Compare = &compareView{Clients: p.index.groups, Client: in.client, With: in.with, Text: refill(in.text)}
	return v
}

// refill returns the pasted text to fill the form with again. It returns nothing
// for bytes that are not text, and for what is too long to look at.
func refill(text string) string {
	odd := func(c rune) bool { return !unicode.IsPrint(c) && !unicode.IsSpace(c) }
	if len(text) > maxRefill || !utf8.ValidString(text) || strings.ContainsFunc(text, odd) {
		return ""
	}
	return text
}

// listHellos lists the hellos of a capture.
func (v *compareView) listHellos(list []inputHello, clients *known.Database) {
	ob := event.Observer{Clients: clients}
	size := 0
	for i := range list {
		if i == maxListed {
			v.Beyond = len(list) - maxListed
			break
		}
		h := &list[i]
		f := foundHello{Event: ob.Event(&h.Observation, event.Compact), Who: "unknown"}
		if f.Event.SNI != nil {
			name := truncate(*f.Event.SNI, maxListedName)
			f.Event.SNI = &name
		}
		if len(f.Event.Client) > 0 {
			f.Who = nameAndVersion(&f.Event.Client[0])
		}
		if h.Hello != nil {
			if size += len(h.Hello.Raw); size <= maxListedSize {
				f.Input = linkText(h.Hello.Raw, h.Hello.Transport)
			} else {
				f.Event.Error = "too long to list: give it alone"
			}
		}
		v.Found = append(v.Found, f)
	}
}
