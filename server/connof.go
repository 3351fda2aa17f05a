package server

import (
	"crypto/tls"
	"net"
	"reflect"
	"sync"
)

// ConnOf returns the Conn that c is or is wrapped in, or nil. It looks through
// connections with a method NetConn, as that of [tls.Conn], or Raw, as that of
// go-proxyproto, and through structs with an exported field that is a connection,
// such as the embedded net.Conn of golang.org/x/net/netutil, grpc-go and cmux.
//
// It is for servers that have no http.Request, such as of gRPC or of a protocol of
// their own over TLS. If c is a [tls.Conn], the Event then has the outcome of its
// handshake.
func ConnOf(c net.Conn) *Conn {
	conn := connOf(c)
	if over, ok := c.(*tls.Conn); ok && conn != nil {
		conn.above(over)
	}
	return conn
}

// maxUnwraps bounds how many connections connOf looks at. Wrappers are few; those
// that lead back to themselves are endless.
const maxUnwraps = 64

// connOf returns the Conn that c is or wraps, or nil. Of several, it is the one
// with the fewest wrappers.
func connOf(c net.Conn) *Conn {
	if over, ok := c.(*tls.Conn); ok && over != nil { // nearly always
		c = over.NetConn()
	}
	if conn, ok := c.(*Conn); ok {
		return conn
	}
	if c == nil {
		return nil
	}
	conns := []net.Conn{c}
	for i := 0; i < len(conns) && i < maxUnwraps; i++ {
		if conn, ok := conns[i].(*Conn); ok && conn != nil {
			return conn
		}
		conns = append(conns, wrapped(conns[i])...)
	}
	return nil
}

// wrapped returns the connections that c is wrapped around, as far as it shows
// them. None is nil.
func wrapped(c net.Conn) (inner []net.Conn) {
	v := reflect.ValueOf(c)
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	shape := shapeOf(v.Type())
	if !shape.hasNilMethods(v) {
		switch c := c.(type) {
		case interface{ NetConn() net.Conn }:
			inner = appendConn(inner, c.NetConn())
		case interface{ Raw() net.Conn }:
			inner = appendConn(inner, c.Raw())
		}
	}
	for _, i := range shape.conns {
		conn, _ := v.Field(i).Interface().(net.Conn)
		inner = appendConn(inner, conn)
	}
	return inner
}

func appendConn(list []net.Conn, c net.Conn) []net.Conn {
	if c != nil {
		list = append(list, c)
	}
	return list
}

// A wrapperShape says where a type that wraps connections has them.
type wrapperShape struct {
	conns    []int   // exported fields that are connections
	embedded [][]int // embedded fields that may be nil, and from which NetConn or Raw may come
}

// shapes has the *wrapperShape of each reflect.Type that was asked for. A program
// has few types of connections.
var shapes sync.Map

var (
	connType    = reflect.TypeFor[net.Conn]()
	netConnType = reflect.TypeFor[interface{ NetConn() net.Conn }]()
	rawType     = reflect.TypeFor[interface{ Raw() net.Conn }]()
)

func shapeOf(t reflect.Type) *wrapperShape {
	if s, ok := shapes.Load(t); ok {
		return s.(*wrapperShape)
	}
	s := new(wrapperShape)
	if t.Kind() == reflect.Struct {
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() && canBeNil(f.Type) && f.Type.Implements(connType) {
				s.conns = append(s.conns, i)
			}
		}
		for _, f := range reflect.VisibleFields(t) {
			if f.Anonymous && canBeNil(f.Type) && (f.Type.Implements(netConnType) || f.Type.Implements(rawType)) {
				s.embedded = append(s.embedded, f.Index)
			}
		}
	}
	stored, _ := shapes.LoadOrStore(t, s)
	return stored.(*wrapperShape)
}

// canBeNil reports whether t is a pointer or an interface. Connections of other
// types could not be taken out of a struct without a copy.
func canBeNil(t reflect.Type) bool {
	return t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface
}

// hasNilMethods reports whether NetConn or Raw of v may be those of an embedded
// field that is nil, which cannot be called.
func (s *wrapperShape) hasNilMethods(v reflect.Value) bool {
	for _, index := range s.embedded {
		if f, err := v.FieldByIndexErr(index); err != nil || f.IsNil() {
			return true
		}
	}
	return false
}
