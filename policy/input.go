package policy

import (
	"errors"
	"net/http"
	"reflect"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/signals"
)

var errNoNative = errors.New("policy: an object has no Go value of this type")

// A Request is the HTTP request that a rule of the request stage decides about.
type Request struct {
	Method   string      `json:"method"`   // "GET"
	Host     string      `json:"host"`     // as in the request, without a port, in lower case
	Path     string      `json:"path"`     // decoded
	Query    string      `json:"query"`    // as sent, without the question mark
	Protocol string      `json:"protocol"` // "HTTP/2.0"
	Header   http.Header `json:"-"`        // for request.header("name")
}

// schema has the types of all that expressions see. It is never changed.
type schema struct {
	types   typeSet
	event   *structType
	request *structType
	signals *structType
	index   map[string]int // of the variables, in Input.values
	names   []string
}

// The variables beside the keys of an Event.
const (
	varEvent   = "event"
	varRequest = "request"
)

func newSchema() *schema {
	s := &schema{types: make(typeSet), index: make(map[string]int)}
	s.event = s.types.add(reflect.TypeFor[event.Event]())
	s.request = s.types.add(reflect.TypeFor[Request]())
	s.signals = s.types.add(reflect.TypeFor[signals.Values]())
	s.names = append(s.event.FieldNames(), varEvent, varRequest)
	for i, name := range s.names {
		s.index[name] = i
		if f := s.event.fields[name]; f != nil {
			f.variable = i + 1
		}
	}
	return s
}

// typeOf returns the type of a variable.
func (s *schema) typeOf(name string) *types.Type {
	switch name {
	case varEvent:
		return s.event.celType()
	case varRequest:
		return s.request.celType()
	}
	return s.event.fields[name].celType
}

// An Input is what expressions are asked about. It remembers the values that an
// expression has read, so that the rules of a policy share the work. It is not for use
// by several goroutines at once.
type Input struct {
	event   *event.Event
	request *Request
	schema  *schema
	values  []ref.Val // of the variables that were read
	scratch []byte    // for the key of a limit
	cost    int       // of the evaluation so far, where that is counted
}

// Reset has in ask about e and, unless it is nil, about r. Neither may change until
// the next Reset.
func (in *Input) Reset(e *event.Event, r *Request) {
	in.event, in.request = e, r
	clear(in.values)
}

// Event returns what was given to Reset.
func (in *Input) Event() *event.Event { return in.event }

// Request returns what was given to Reset, or nil.
func (in *Input) Request() *Request { return in.request }

// ResolveName implements interpreter.Activation.
func (in *Input) ResolveName(name string) (any, bool) {
	i, ok := in.schema.index[name]
	if !ok {
		return in, name == varInput
	}
	if v := in.values[i]; v != nil {
		return v, true
	}
	v := in.value(name)
	in.values[i] = v
	return v, true
}

// variable returns the variable with a number, which is a field of the Event. It is made
// once.
func (in *Input) variable(i int, f *structField) ref.Val {
	if in.values[i] == nil {
		in.values[i] = f.of(reflect.ValueOf(in.event).Elem())
	}
	return in.values[i]
}

// Parent implements interpreter.Activation.
func (in *Input) Parent() interpreter.Activation { return nil }

func (in *Input) value(name string) ref.Val {
	s := in.schema
	switch name {
	case varEvent:
		return &object{st: s.event, v: reflect.ValueOf(in.event).Elem(), in: in}
	case varRequest:
		if in.request == nil {
			return &object{st: s.request}
		}
		return s.request.value(reflect.ValueOf(in.request))
	}
	return s.event.fields[name].of(reflect.ValueOf(in.event).Elem())
}

// use prepares in for expressions of the schema.
func (in *Input) use(s *schema) {
	if in.schema != s {
		in.schema, in.values = s, make([]ref.Val, len(s.names))
	}
}

// header returns the values of a header field of the request, joined as RFC 9110,
// section 5.3 says, or the empty text.
func header(request, name ref.Val) ref.Val {
	o, ok := request.(*object)
	if !ok || !o.v.IsValid() {
		return types.String("")
	}
	key, ok := name.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(name)
	}
	r := o.v.Addr().Interface().(*Request)
	return types.String(strings.Join(r.Header.Values(string(key)), ", "))
}
