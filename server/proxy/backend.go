package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// A Backend is where requests go: a server of HTTP/1.1 or HTTP/2, with or without TLS,
// over TCP or a Unix socket.
type Backend struct {
	text    string
	scheme  string // of the URL of a request: http or https
	host    string // and its host
	path    url.URL
	network string
	address string
	h2c     bool // HTTP/2 without TLS
}

// String returns the URL of the backend.
func (b *Backend) String() string { return b.text }

// Addr returns the network, tcp or unix, and the address that the backend listens on.
func (b *Backend) Addr() (network, address string) { return b.network, b.address }

// ParseBackend parses the URL of a backend:
//
//   - http://host:port for HTTP/1.1
//   - h2c://host:port for HTTP/2 without TLS
//   - https://host:port for HTTP/2 or HTTP/1.1, as they agree by ALPN
//   - unix:/path and unix+h2c:/path for HTTP/1.1 and HTTP/2 on a Unix socket
//
// The port may be missing where the scheme has one. A path in the first three is put in
// front of that of each request.
func ParseBackend(s string) (*Backend, error) {
	b, err := parseBackend(s)
	if err != nil {
		return nil, fmt.Errorf("backend %q: %w", s, err)
	}
	return b, nil
}

func parseBackend(s string) (*Backend, error) {
	scheme, rest, ok := strings.Cut(s, ":")
	switch strings.ToLower(scheme) {
	case "unix", "unix+h2c":
		path := strings.TrimPrefix(rest, "//")
		if !ok || !strings.HasPrefix(path, "/") || len(path) == 1 || strings.ContainsRune(path, 0) {
			return nil, errors.New("not the absolute path of a Unix socket")
		}
		return &Backend{text: s, scheme: "http", host: "localhost", network: "unix", address: path, h2c: len(scheme) > len("unix")}, nil
	case "http", "https", "h2c":
	default:
		if !strings.Contains(s, "://") {
			return nil, fmt.Errorf("no scheme: http://%s?", s)
		}
		return nil, errors.New("the scheme is none of http, https, h2c, unix and unix+h2c")
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, errors.Unwrap(err)
	case u.User != nil:
		return nil, errors.New("remove the user")
	case u.RawQuery != "" || u.ForceQuery:
		return nil, errors.New("remove the query")
	case strings.Contains(s, "#"):
		return nil, errors.New("remove the fragment")
	case u.Hostname() == "" || !validHost(u.Host):
		return nil, errors.New("no valid host")
	case hasDots(u.Path):
		return nil, errors.New("the path has . or .. in it")
	}
	b := &Backend{text: s, scheme: u.Scheme, host: u.Host, network: "tcp"}
	port := "80"
	switch u.Scheme {
	case "h2c":
		b.scheme, b.h2c = "http", true
	case "https":
		port = "443"
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
			return nil, errors.New("the port is not from 1 to 65535")
		}
		port = p
	}
	b.address = net.JoinHostPort(u.Hostname(), port)
	if path := strings.TrimSuffix(u.EscapedPath(), "/"); path != "" {
		decoded, err := url.PathUnescape(path)
		if err != nil {
			return nil, err
		}
		b.path = url.URL{Path: decoded, RawPath: path}
	}
	return b, nil
}

// rewrite has u, the URL of a request to the proxy, lead to the backend. The path and the
// query stay as the client has written them, but for bytes that a URL cannot have.
func (b *Backend) rewrite(u *url.URL) {
	u.Scheme, u.Host, u.User = b.scheme, b.host, nil
	u.RawPath = escapeInvalid(u.RawPath)
	if b.path.Path != "" {
		rest := u.EscapedPath()
		if rest == "" {
			rest, u.Path = "/", "/"
		}
		u.Path, u.RawPath = b.path.Path+u.Path, b.path.EscapedPath()+rest
	}
	if strings.IndexByte(u.RawQuery, ' ') >= 0 { // over HTTP/2; it would end the URL in a request line
		u.RawQuery = strings.ReplaceAll(u.RawQuery, " ", "%20")
	}
}

// escapeInvalid encodes the bytes of a path that no URL has. Without it, net/url encodes all
// of such a path anew, and an encoded slash becomes another one.
func escapeInvalid(path string) string {
	const hex = "0123456789ABCDEF"
	var escaped []byte // nil as long as there is nothing to encode
	for i := range len(path) {
		c := path[i]
		valid := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~!$&'()*+,;=:@/%[]", c) >= 0
		if !valid && escaped == nil {
			escaped = append(make([]byte, 0, 2*len(path)), path[:i]...)
		}
		switch {
		case !valid:
			escaped = append(escaped, '%', hex[c>>4], hex[c&15])
		case escaped != nil:
			escaped = append(escaped, c)
		}
	}
	if escaped == nil {
		return path
	}
	return string(escaped)
}
