package server

import (
	"fmt"
	"strings"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// maxDetail is how many bytes of a message an answer takes apart: a field of
// two bytes takes 300 in it. Browsers send 2,000.
const maxDetail = 16 << 10

// eventOf returns the Event of o. The detail of a message over maxDetail has
// the tree of its beginning, and all of its bytes.
func eventOf(o *event.Observation, users *known.Database, size event.Size) event.Event {
	ob := event.Observer{Users: users}
	if size != event.Detail || o.Hello == nil || len(o.Hello.Raw) <= maxDetail {
		return ob.Event(o, size)
	}
	e := ob.Event(o, event.Full)
	root := dissect(o.Hello)
	e.Hello, e.Raw = &root, o.Hello.Raw
	return e
}

// dissect returns the tree of h, of a message over maxDetail that of its
// beginning, with a note.
func dissect(h *parser.ClientHello) parser.Field {
	if len(h.Raw) <= maxDetail {
		return parser.Dissect(h)
	}
	root := parser.Dissect(&parser.ClientHello{Transport: h.Transport, Raw: h.Raw[:maxDetail]})
	clearCut(&root)
	root.Note = fmt.Sprintf("only the first %d of %d bytes are taken apart", maxDetail, len(h.Raw))
	return root
}

// clearCut takes what Dissect has found wrong with a cut from the fields that
// it goes through.
func clearCut(f *parser.Field) {
	wrong := fmt.Sprintf("truncated at byte %d", maxDetail)
	for {
		if strings.HasSuffix(f.Note, wrong) {
			f.Note = ""
			if f.Name == "undecoded" {
				f.Name = "cut"
			}
		}
		if len(f.Children) == 0 {
			return
		}
		f = &f.Children[len(f.Children)-1]
	}
}
