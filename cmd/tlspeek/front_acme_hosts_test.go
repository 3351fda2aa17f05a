package main

import (
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAcmeHosts(t *testing.T) {
	for host, want := range map[string]string{
		"tls.example":                        "",
		"a.b.tls.example.":                   "",
		"TLS.Example":                        "",
		"xn--bcher-kva.example":              "",
		"bücher.example":                     "",
		"*.tls.example":                      "a wildcard needs the DNS challenge",
		"*":                                  "a wildcard needs the DNS challenge",
		"tls.*.example":                      "a wildcard needs the DNS challenge",
		"192.0.2.1":                          "an address: use the name of the host",
		"2001:db8::1":                        "an address: use the name of the host",
		"[2001:db8::1]":                      "an address: use the name of the host",
		"localhost":                          "not a public name",
		"localhost.":                         "not a public name",
		"www.localhost":                      "not a public name",
		"printer.local":                      "not a public name",
		"db.internal":                        "not a public name",
		"myhost":                             "not a public name",
		"tls.example:443":                    "a host without the port 443",
		"https://tls.example":                "not a host name: use only the name",
		"tls.example/path":                   "not a host name: use only the name",
		"":                                   "a host has no name",
		".":                                  "a host has no name",
		" tls.example":                       "not a host name",
		"tls_peek.example":                   "not a host name",
		"-tls.example":                       "not a host name",
		"tls..example":                       "not a host name",
		strings.Repeat("a.b", 100):           "not a host name",
		strings.Repeat("a", 64) + ".example": "not a host name",
	} {
		if got := whyNoCertificate(host); want == "" {
			assert.Empty(t, got, host)
		} else {
			assert.Contains(t, got, want, host)
		}
	}
}

func TestAcmePort(t *testing.T) {
	for listen, refused := range map[string]bool{
		":443": false, "192.0.2.1:443": false, ":https": false, "nowhere": false,
		":8443": true, "localhost:8443": true, ":0": true, ":80": true,
	} {
		f := &frontFlags{listen: listen, acme: []string{"tls.example"}}
		assert.Equal(t, refused, len(f.acmeProblems()) == 1, listen)
		f.acmeForwarded = true
		assert.Empty(t, f.acmeProblems(), listen)
		assert.Empty(t, (&frontFlags{listen: listen}).acmeProblems(), listen)
	}
	f := &frontFlags{listen: "systemd", acme: []string{"tls.example"}}
	assert.Empty(t, f.acmeProblems(), "the socket that systemd passes says which port it is")
	assert.NoError(t, f.acmePortOf(&net.TCPAddr{Port: 443}))
	assert.ErrorContains(t, f.acmePortOf(&net.TCPAddr{Port: 8443}), "--acme needs port 443, not 8443")
	assert.ErrorContains(t, f.acmePortOf(&net.UnixAddr{Name: "/run/socket"}), "--acme needs port 443, not /run/socket")
}

// TestServeReportsAllFlags: one run tells about every flag.
func TestServeReportsAllFlags(t *testing.T) {
	got := serveError(t, "--acme", "*.tls.example,localhost", "--pprof", "--grace", "-1s", "--log-format", "xml")
	for _, want := range []string{
		`--acme "*.tls.example": a wildcard needs the DNS challenge`,
		`--acme "localhost": not a public name`,
		"--acme needs port 443, not 8443",
		"--pprof needs --admin",
		"--grace and --events-max-age must be 0 or more",
		`--log-format "xml": must be text or json`,
	} {
		assert.Contains(t, got, want)
	}
	assert.Equal(t, 6, strings.Count(got, "\n")+1)
}
