package proxy

import (
	"net/netip"
	"strings"
)

// validHost reports whether s is a name or an address, with a port or without: all that
// the Host field of a genuine client has.
func validHost(s string) bool {
	host, port := s, ""
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return false
		}
		addr, err := netip.ParseAddr(s[1:end])
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return false
		}
		if port = s[end+1:]; port != "" && port[0] != ':' {
			return false
		}
		port = strings.TrimPrefix(port, ":")
	} else {
		host, port, _ = strings.Cut(s, ":")
		if host == "" || len(host) > 255 || host[0] == '.' || strings.Contains(host, "..") {
			return false
		}
		for i := range len(host) {
			switch c := host[i]; {
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_':
			default:
				return false
			}
		}
	}
	if len(port) > 5 {
		return false
	}
	for i := range len(port) {
		if port[i] < '0' || port[i] > '9' {
			return false
		}
	}
	return true
}

// routeHost returns the host of a valid Host field as routes have it: in lower case,
// without port and final dot.
func routeHost(s string) string {
	if strings.HasPrefix(s, "[") {
		s = s[:strings.IndexByte(s, ']')+1]
		if addr, err := netip.ParseAddr(s[1 : len(s)-1]); err == nil && addr.String() != s[1:len(s)-1] {
			return "[" + addr.String() + "]"
		}
		return s
	}
	s, _, _ = strings.Cut(s, ":")
	return strings.ToLower(strings.TrimSuffix(s, "."))
}
