package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// A PassRoute says where connections go whose client asks for a name.
type PassRoute struct {
	// Name is the server_name of the hello, in any case, such as "shop.example", or
	// "*.example" for all names that end in ".example". "" is the default: it is for all
	// names that have no route, and for clients that send none.
	Name string

	// To is host:port, or unix: and the path of a socket.
	To string
}

// ParsePassRoute reads a route such as "*.example=10.0.0.1:443". Without a name and "=" it
// is the default.
func ParsePassRoute(s string) (PassRoute, error) {
	r := PassRoute{To: s}
	if name, to, ok := strings.Cut(s, "="); ok && !strings.HasPrefix(s, "unix:") {
		r = PassRoute{name, to}
		if name == "" {
			return r, fmt.Errorf("the route %q has no name before its =", s)
		}
	}
	if _, err := newPassTarget(r); err != nil {
		return r, err
	}
	return r, nil
}

// maxName is the longest name of a host (RFC 1035, section 2.3.4), and some more.
const maxName = 255

// routeName returns the form in which names are compared: in lower case, without the dot
// at the end.
func routeName(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// checkRouteName returns an error if no client asks for name, which is in that form.
func checkRouteName(name string) error {
	host := strings.TrimPrefix(name, "*.")
	if len(host) > maxName {
		return errors.New("it is too long")
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return errors.New("clients send names, and no addresses")
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" {
			return errors.New("it has an empty label")
		}
		for i := range len(label) {
			switch c := label[i]; {
			case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
			case c == '*':
				return errors.New("a * stands for the first labels only, as in *.example")
			case c >= 0x80:
				return errors.New("names of other scripts have the form xn--... in a hello")
			default:
				return fmt.Errorf("a name has no %q", c)
			}
		}
	}
	return nil
}

// A passTarget is a route that was read.
type passTarget struct {
	PassRoute
	network string // "tcp" or "unix"
	address string // to dial
	lookup  bool   // it is a name
}

func newPassTarget(r PassRoute) (*passTarget, error) {
	if name := routeName(r.Name); name != "" || r.Name != "" {
		if err := checkRouteName(name); err != nil {
			return nil, fmt.Errorf("the route for %q: %w", r.Name, err)
		}
	}
	t := &passTarget{PassRoute: r, network: "tcp", address: r.To}
	if path, ok := strings.CutPrefix(r.To, "unix:"); ok {
		t.network, t.address = "unix", path
		if path == "" || path[0] != '/' && path[0] != '@' {
			return nil, fmt.Errorf("the backend %q: the path of a socket begins with /", r.To)
		}
		return t, nil
	}
	host, port, err := net.SplitHostPort(r.To)
	if err != nil {
		return nil, fmt.Errorf("the backend %q is not host:port or unix:/path", r.To)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return nil, fmt.Errorf("the backend %q: %q is no port", r.To, port)
	}
	if host == "" || strings.ContainsAny(host, "/ ") {
		return nil, fmt.Errorf("the backend %q has no host", r.To)
	}
	_, err = netip.ParseAddr(host)
	t.lookup = err != nil
	return t, nil
}

// passRoutes has the routes of a [Pass] by their names.
type passRoutes struct {
	exact    map[string]*passTarget
	below    map[string]*passTarget // by what follows the *. of a name
	fallback *passTarget            // nil for none
}

func newPassRoutes(routes []PassRoute) (*passRoutes, error) {
	rs := &passRoutes{exact: make(map[string]*passTarget), below: make(map[string]*passTarget)}
	for _, r := range routes {
		t, err := newPassTarget(r)
		if err != nil {
			return nil, err
		}
		name := routeName(r.Name)
		suffix, isBelow := strings.CutPrefix(name, "*.")
		twice := false
		switch {
		case name == "":
			twice, rs.fallback = rs.fallback != nil, t
		case isBelow:
			twice, rs.below[suffix] = rs.below[suffix] != nil, t
		default:
			twice, rs.exact[name] = rs.exact[name] != nil, t
		}
		if twice && name == "" {
			return nil, errors.New("there are two default routes")
		} else if twice {
			return nil, fmt.Errorf("there are two routes for %q", name)
		}
	}
	return rs, nil
}

// find returns where a client goes that asks for name, which is empty if it asks for none.
// It returns nil for nowhere.
func (rs *passRoutes) find(name string) *passTarget {
	if len(rs.exact) == 0 && len(rs.below) == 0 || len(name) > maxName+1 {
		return rs.fallback
	}
	name = routeName(name)
	if t := rs.exact[name]; t != nil {
		return t
	}
	for rest := name; len(rs.below) > 0; {
		label, suffix, ok := strings.Cut(rest, ".")
		if !ok {
			break
		}
		if t := rs.below[suffix]; t != nil && label != "" {
			return t
		}
		rest = suffix
	}
	return rs.fallback
}
