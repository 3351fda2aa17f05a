package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/caddyserver/certmagic"

	"github.com/tlspeek/tlspeek/internal/listen"
)

// acmeProblems returns why certificates for the hosts of --acme cannot be obtained
// with the TLS-ALPN challenge.
func (f *frontFlags) acmeProblems() (all []error) {
	for _, host := range f.acme {
		if why := whyNoCertificate(host); why != "" {
			all = append(all, fmt.Errorf("--acme %q: %s", host, why))
		}
	}
	switch {
	case len(f.acme) == 0 && f.acmeForwarded:
		all = append(all, errors.New("--acme-forwarded needs --acme"))
	case len(f.acme) > 0 && f.listen != listen.Systemd && !listen.Inherited():
		if _, port, err := net.SplitHostPort(f.listen); err == nil {
			all = append(all, f.acmePort(port)...)
		} // an address without a port is a problem of --listen
	}
	return all
}

// acmePort returns why the TLS-ALPN challenge does not come to port.
func (f *frontFlags) acmePort(port string) []error {
	if n, err := net.LookupPort("tcp", port); len(f.acme) == 0 || f.acmeForwarded || err == nil && n == 443 {
		return nil
	}
	return []error{fmt.Errorf("--acme needs port 443, not %s: Let's Encrypt connects to no other: "+
		"use --listen :443, or --acme-forwarded if port 443 of these hosts is forwarded to this program", port)}
}

// acmePortOf checks the port of a socket that is open.
func (f *frontFlags) acmePortOf(addr net.Addr) error {
	_, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		port = addr.String()
	}
	return errors.Join(f.acmePort(port)...)
}

// whyNoCertificate returns why Let's Encrypt gives no certificate for host by the
// TLS-ALPN challenge, and what to do, or "".
func whyNoCertificate(host string) string {
	name := strings.TrimSuffix(host, ".")
	_, port, portErr := net.SplitHostPort(host)
	_, addrErr := netip.ParseAddr(strings.Trim(host, "[]"))
	switch {
	case name == "":
		return "a host has no name"
	case strings.ContainsAny(host, "/@"):
		return "not a host name: use only the name, such as tls.example"
	case strings.Contains(host, "*"):
		return "a wildcard needs the DNS challenge, which tlspeek does not have: name each host, or obtain the certificate with another program and use --cert and --key"
	case addrErr == nil:
		return "an address: use the name of the host, or --cert and --key"
	case portErr == nil:
		return fmt.Sprintf("a host without the port %s: the port is that of --listen", port)
	case name == "localhost" || !strings.Contains(name, ".") || certmagic.SubjectIsInternal(name):
		return "not a public name: Let's Encrypt needs one that DNS resolves everywhere; without --acme there is a self-signed certificate for localhost"
	case !isHostName(name) || !certmagic.SubjectQualifiesForPublicCert(name):
		return "not a host name"
	}
	return ""
}

// isHostName reports whether name has the labels of RFC 1123, or of an
// internationalized name, which is converted later.
func isHostName(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
		for _, r := range label {
			switch {
			case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r >= 0x80:
			default:
				return false
			}
		}
	}
	return len(name) <= 253
}
