package policy

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/nearest"
	"github.com/tlspeek/tlspeek/signals"
)

// A fileTest is a test of the file.
type fileTest struct {
	name    string
	line    int
	event   *event.Event // nil for one of a capture
	capture string
	packet  int64
	request *Request
	stages  [2]bool
	times   int
	agg     map[string]signals.Values
	expect  expectation
}

// An expectation is what a test expects. What is nil is not compared.
type expectation struct {
	rule, do *string
	tags     []string // there are others if it is not empty
}

// Bounds of tests.
const (
	maxTimes     = 10_000
	maxEventFile = 4 << 20
	maxDepthJSON = 64
)

// outcomes are what a test may expect as do.
var outcomes = append(slices.Clone(actions), string(Count))

func (l *loader) test(number int, n *yaml.Node) {
	failed := len(l.errs)
	keys := l.object(n, "a test")
	if len(keys) == 0 && len(l.errs) > failed {
		return
	}
	t := fileTest{name: fmt.Sprintf("test %d", number), line: follow(n).Line, stages: [2]bool{true, true}, times: 1}
	if p := keys["name"]; p.value != nil {
		if s, ok := l.str(p.value, "name"); ok {
			t.name = s
		}
	}
	if p := keys["event"]; p.value == nil {
		l.fail(n, "%s has no event", t.name)
	} else {
		l.testEvent(&t, p.value)
	}
	if p := keys["request"]; p.value != nil {
		t.request = l.testRequest(p.value)
	}
	if p := keys["stage"]; p.value != nil {
		if s, ok := l.oneOf(p.value, "stage", []string{AtHello.String(), AtRequest.String()}); ok {
			t.stages = [2]bool{s == AtHello.String(), s == AtRequest.String()}
		}
	}
	if p := keys["times"]; p.value != nil {
		v, _ := l.number(p.value, "times", 1, maxTimes)
		t.times = int(v)
	}
	if p := keys["agg"]; p.value != nil {
		t.agg = make(map[string]signals.Values)
		for _, of := range l.pairs(p.value, "agg") {
			var v signals.Values
			if l.decode(of.value, &v) {
				t.agg[of.key.Value] = v
			}
		}
	}
	if p := keys["expect"]; p.value == nil {
		l.fail(n, "%s expects nothing: add expect", t.name)
	} else {
		l.expect(&t.expect, p.value)
	}
	if len(l.errs) == failed {
		l.policy.tests = append(l.policy.tests, t)
	}
}

func (l *loader) expect(x *expectation, n *yaml.Node) {
	failed := len(l.errs)
	keys := l.object(n, "expect")
	if p := keys["rule"]; p.value != nil {
		if s, ok := l.str(p.value, "rule"); ok {
			x.rule = &s
			names := []string{DefaultName}
			for _, r := range l.policy.rules {
				names = append(names, r.Name)
			}
			// A rule that is broken is not there, and has its error.
			if s != "" && !slices.Contains(names, s) && !l.broken {
				l.fail(p.value, "there is no rule %q%s", clip(s), hintAfter(nearest.Hint(s, names)))
			}
		}
	}
	if p := keys["do"]; p.value != nil {
		if s, ok := l.oneOf(p.value, "do", outcomes); ok {
			x.do = &s
		}
	}
	if p := keys["tags"]; p.value != nil {
		x.tags, _ = l.texts(p.value, "tags")
		if x.tags == nil {
			x.tags = []string{}
		}
	}
	if len(keys) == 0 && len(l.errs) == failed {
		l.fail(n, "expect has no keys: add rule, do or tags")
	}
}

// testEvent reads the Event of a test: a file with one in JSON, one in the policy, or a
// packet of a capture, as c.pcap:17 or with keys.
func (l *loader) testEvent(t *fileTest, n *yaml.Node) {
	at := follow(n)
	if at.Kind == yaml.MappingNode {
		for i := 0; i < len(at.Content); i += 2 {
			if at.Content[i].Value == "capture" {
				l.testCapture(t, n)
				return
			}
		}
		var e event.Event
		if l.decode(n, &e) {
			t.event = &e
		}
		return
	}
	name, ok := l.str(n, "event")
	if !ok {
		return
	}
	if i := strings.LastIndexByte(name, ':'); i > 0 {
		if packet, err := strconv.ParseInt(name[i+1:], 10, 64); err == nil && packet > 0 {
			t.packet = packet
			l.openCapture(t, n, name[:i])
			return
		}
	}
	name = l.resolve(name)
	data, err := l.read(name, maxEventFile)
	if err != nil {
		l.fail(n, "reading the event: %v", err)
		return
	}
	var e event.Event
	if err := decodeEvent(data, &e); err != nil {
		l.fail(n, "%s: %v", name, err)
		return
	}
	t.event = &e
}

// decodeEvent decodes the only Event in data.
func decodeEvent(data []byte, e *event.Event) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var raw any
	if err := d.Decode(&raw); err != nil {
		if errors.Is(err, io.EOF) {
			return errors.New("has no Event")
		}
		return fmt.Errorf("is not JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("has more than one Event: a test is of one")
	}
	if _, ok := raw.(map[string]any); !ok {
		return errors.New("is no Event: a JSON object")
	}
	if path, hint := unknownKey(reflect.TypeFor[event.Event](), raw, ""); path != "" {
		return fmt.Errorf("an Event has no key %s%s", path, hintAfter(hint))
	}
	return json.Unmarshal(data, e)
}

func (l *loader) testCapture(t *fileTest, n *yaml.Node) {
	keys := l.object(n, "a capture")
	if p := keys["packet"]; p.value == nil {
		l.fail(n, "a capture has no packet: the number of the one that completed the hello")
	} else {
		t.packet, _ = l.number(p.value, "packet", 1, 1<<62)
	}
	if s, ok := l.str(keys["capture"].value, "capture"); ok {
		l.openCapture(t, keys["capture"].value, s)
	}
}

func (l *loader) openCapture(t *fileTest, n *yaml.Node, name string) {
	t.capture = l.resolve(name)
	info, err := fs.Stat(l.dir, t.capture)
	l.uses(t.capture, info)
	switch {
	case err != nil:
		l.fail(n, "reading the capture: %v", err)
	case !info.Mode().IsRegular():
		l.fail(n, "%s is no regular file", t.capture)
	}
	if l.policy.options.Capture == nil {
		l.fail(n, "captures cannot be read here")
	}
}

func (l *loader) testRequest(n *yaml.Node) *Request {
	r := &Request{Header: make(http.Header)}
	keys := l.object(n, "a request")
	for name, to := range map[string]*string{"method": &r.Method, "host": &r.Host, "path": &r.Path, "query": &r.Query, "protocol": &r.Protocol} {
		if p := keys[name]; p.value != nil {
			*to, _ = l.word(p.value, name)
		}
	}
	if p := keys["headers"]; p.value != nil {
		for _, h := range l.pairs(p.value, "headers") {
			values, _ := l.texts(h.value, "the header "+clip(h.key.Value))
			for _, v := range values {
				r.Header.Add(h.key.Value, v)
			}
		}
	}
	return r
}

// decode decodes an object of the file into v, an Event or a struct of JSON.
func (l *loader) decode(n *yaml.Node, v any) bool {
	failed := len(l.errs)
	if at := follow(n); at.Kind != yaml.MappingNode {
		l.fail(n, "must have keys, and is %s", describeNode(n))
		return false
	}
	data := l.appendJSON(nil, n, 0)
	if len(l.errs) > failed {
		return false
	}
	var raw any
	if err := json.Unmarshal(data, &raw); err != nil {
		l.fail(n, "%v", err)
		return false
	}
	if path, hint := unknownKey(reflect.TypeOf(v).Elem(), raw, ""); path != "" {
		l.fail(l.nodeOf(n, path), "there is no key %s%s", path, hintAfter(hint))
		return false
	}
	err := json.Unmarshal(data, v)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong) && wrong.Value == "number" && wrong.Type.Kind() == reflect.String:
		l.fail(l.nodeOf(n, wrong.Field), "%s must be a text, and is a number: write it in quotes", wrong.Field)
	case errors.As(err, &wrong):
		l.fail(l.nodeOf(n, wrong.Field), "%s", wrongKind(wrong))
	case err != nil:
		l.fail(n, "%v", err)
	}
	return err == nil
}

// nodeOf returns the node of the first key of a path in n, or n.
func (l *loader) nodeOf(n *yaml.Node, path string) *yaml.Node {
	first, _, _ := strings.Cut(path, ".")
	first, _, _ = strings.Cut(first, "[")
	at := follow(n)
	for i := 0; i+1 < len(at.Content); i += 2 {
		if at.Content[i].Value == first {
			return at.Content[i]
		}
	}
	return n
}

// appendJSON appends n in JSON. The keys of objects keep their order, which matters in
// the tree of a hello.
func (l *loader) appendJSON(dst []byte, n *yaml.Node, depth int) []byte {
	if !l.visit(n) {
		return dst
	}
	if depth > maxDepthJSON {
		l.fail(n, "is nested more than %d deep", maxDepthJSON)
		return dst
	}
	switch n := follow(n); n.Kind {
	case yaml.MappingNode:
		dst = append(dst, '{')
		for i, p := range l.pairs(n, "event") {
			if i > 0 {
				dst = append(dst, ',')
			}
			key, _ := json.Marshal(p.key.Value) // a text has no error
			dst = l.appendJSON(append(append(dst, key...), ':'), p.value, depth+1)
		}
		return append(dst, '}')
	case yaml.SequenceNode:
		dst = append(dst, '[')
		for i, e := range n.Content {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = l.appendJSON(dst, e, depth+1)
		}
		return append(dst, ']')
	default:
		var v any
		var err error
		switch n.ShortTag() {
		case "!!str", "!!timestamp":
			v = n.Value
		default:
			err = n.Decode(&v)
		}
		var text []byte
		if err == nil {
			text, err = json.Marshal(v)
		}
		if err != nil {
			l.fail(n, "%v", err)
		}
		return append(dst, text...)
	}
}

// unknownKey returns the path of a key in v that the JSON form of t does not have, and what may
// be meant.
func unknownKey(t reflect.Type, v any, path string) (unknown, hint string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch v := v.(type) {
	case []any:
		if t.Kind() == reflect.Slice {
			for i, e := range v {
				if unknown, hint = unknownKey(t.Elem(), e, fmt.Sprintf("%s[%d]", path, i)); unknown != "" {
					return unknown, hint
				}
			}
		}
	case map[string]any:
		decodes := reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) || reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
		if t.Kind() != reflect.Struct || decodes && t != reflect.TypeFor[event.Event]() {
			return "", ""
		}
		keys := jsonKeys(t)
		names := slices.Sorted(maps.Keys(keys))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			at := strings.TrimPrefix(path+"."+key, ".")
			field, ok := keys[key]
			if !ok {
				return at, nearest.Hint(key, names)
			}
			if unknown, hint = unknownKey(field, v[key], at); unknown != "" {
				return unknown, hint
			}
		}
	}
	return "", ""
}

// jsonKeys returns the types of the keys of t in JSON.
func jsonKeys(t reflect.Type) map[string]reflect.Type {
	keys := make(map[string]reflect.Type)
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Type == reflect.TypeFor[fingerprint.Values]() {
			for m := range fingerprint.Methods {
				keys[fingerprint.Methods[m].Key] = reflect.TypeFor[string]()
			}
			continue
		}
		if key, _, _ := strings.Cut(f.Tag.Get("json"), ","); f.IsExported() && key != "" && key != "-" {
			keys[key] = f.Type
		}
	}
	return keys
}
