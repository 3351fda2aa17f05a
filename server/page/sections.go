package page

import (
	"crypto/tls"
	"fmt"
	"strings"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/answers"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/server"
)

// A section is one part of what the page shows of a hello. To add one, write
// section_NAME.go with a function that returns what the template needs, write
// web/section_NAME.html, which defines the template NAME, and add a row to
// sections.
type section struct {
	name string

	// data returns what the template shows. A nil interface leaves the section
	// out.
	data func(*view) any
}

// sections stand on the page in this order.
var sections = []section{
	{"who", whoSection},
	{"fingerprints", fingerprintsSection},
	{"annotated", annotatedSection},
	{"handshake", handshakeSection},
	{"carrier", carrierSection},
}

// A view is a hello as the sections see it.
type view struct {
	event     *event.Event
	mine      bool // it is that of the connection
	second    bool // the page begins with something else
	index     *clientIndex
	message   *parser.ClientHello // nil if there is none, or not all of it can be read
	annotated *annotated          // nil if there is no message
	broken    *messageError       // why not all of the message can be read

	// Of the connection; zero if the hello was given in another way.
	state *tls.ConnectionState
	times server.Times
}

// newView returns a view of e, which must be in detail.
func (p *Page) newView(e *event.Event) *view {
	v := &view{event: e, index: p.index}
	if e.Hello == nil {
		return v
	}
	message := &parser.ClientHello{Transport: transportOf(e.Transport)}
	if message.Unmarshal(e.Raw) == nil {
		v.message = message
	}
	v.annotated = newAnnotated(e.Hello, e.Raw, message.Transport, p.index)
	return v
}

// newBrokenView returns a view of a message that cannot be read to its end,
// because of err.
func (p *Page) newBrokenView(raw []byte, transport parser.Transport, err error) *view {
	v := &view{
		event: &event.Event{Transport: transport.String(), Error: parser.Text([]byte(err.Error()))},
		index: p.index,
	}
	root := answers.Dissect(&parser.ClientHello{Transport: transport, Raw: raw})
	v.annotated = newAnnotated(&root, raw, transport, p.index)
	v.broken = v.annotated.locate(err)
	return v
}

// A helloData is what the template of a hello shows.
type helloData struct{ Sections []sectionData }

// A sectionData is the data of a section, or nil where it is left out.
type sectionData struct {
	Name string
	Data any
}

func newHelloData(v *view) *helloData {
	h := new(helloData)
	for _, s := range sections {
		h.Sections = append(h.Sections, sectionData{s.name, s.data(v)})
	}
	return h
}

// sectionTemplate returns the template that calls that of a section: templates
// cannot be called by a computed name.
func sectionTemplate() string {
	var b strings.Builder
	b.WriteString(`{{define "section"}}`)
	for i, s := range sections {
		if i > 0 {
			b.WriteString("{{else}}")
		}
		fmt.Fprintf(&b, `{{if eq .Name %q}}{{template %q .Data}}`, s.name, s.name)
	}
	b.WriteString(strings.Repeat("{{end}}", len(sections)+1))
	return b.String()
}
