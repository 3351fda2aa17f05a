package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tlspeek/tlspeek/server/proxy"
)

// proxyFlags has the flags of "tlspeek proxy". That of --pass is in frontFlags.
type proxyFlags struct {
	frontFlags
	to            string
	routes        []string
	proxyProtocol string

	backendCA         string
	backendInsecure   bool
	backendServerName string
	rewriteHost       bool

	headerJSON string

	connectTimeout time.Duration
	answerTimeout  time.Duration
	stallTimeout   time.Duration
	idleTimeout    time.Duration

	access accessFlags
}

// defaultHeaderJSON is the field of a --header-json without a name.
const defaultHeaderJSON = "TLSpeek-Event"

func (f *proxyFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.to, "to", "", "`backend` of what no --route is for: a URL such as http://127.0.0.1:8080, or host:port with --pass")
	listVar(flags, &f.routes, "route", "`route` to another backend, as host=URL, host/path=URL or /path=URL, where host may be *.example; with --pass name=host:port. May be repeated, or have several, separated by commas")
	flags.BoolVar(&f.passed, "pass", false, "leave TLS to the server behind: pass bytes through, by server name")
	flags.StringVar(&f.proxyProtocol, "proxy-protocol", "v2", "header of the PROXY protocol with --pass: `version` v2 (with the fingerprints), v1 or none")
	flags.StringVar(&f.backendCA, "backend-ca", "", "PEM `file` of the certificates that https backends are verified with, in place of the system's")
	flags.BoolVar(&f.backendInsecure, "backend-insecure", false, "do not verify the certificates of https backends")
	flags.StringVar(&f.backendServerName, "backend-server-name", "", "server `name` to send to https backends and to verify, in place of that in the URL")
	flags.BoolVar(&f.rewriteHost, "rewrite-host", false, "send the backend's host as Host, in place of the client's")
	flags.StringVar(&f.headerJSON, "header-json", "", "also send the compact Event as JSON, in the field `name`, which needs a =: --header-json=X-Event; --header-json alone is for "+defaultHeaderJSON)
	flags.Lookup("header-json").NoOptDefVal = defaultHeaderJSON
	flags.DurationVar(&f.connectTimeout, "connect-timeout", 5*time.Second, "time to connect to a backend")
	flags.DurationVar(&f.answerTimeout, "answer-timeout", time.Minute, "time for a backend to begin its answer; negative for no limit")
	flags.DurationVar(&f.stallTimeout, "stall-timeout", 2*time.Minute, "time without a byte in a body, an upgraded or a passed connection; negative for no limit")
	flags.DurationVar(&f.idleTimeout, "idle-timeout", 2*time.Minute, "time without a request on a client's connection; negative for no limit")
	f.access.add(flags)
	f.frontFlags.add(cmd)
	suggest(cmd, "proxy-protocol", "v2", "v1", "none")
	suggest(cmd, "access-format", "text", "json", "combined")
}

// notPassed are the flags that say nothing where TLS is passed through.
var notPassed = []string{"cert", "key", "acme", "acme-email", "acme-forwarded", "http3", "retry-above", "rate-requests", "rate-requests-total", "trust-header",
	"backend-ca", "backend-insecure", "backend-server-name", "rewrite-host", "header-json", "answer-timeout", "idle-timeout"}

// problems returns everything that is wrong with the values of flags and their
// combinations.
func (f *proxyFlags) problems(flags *pflag.FlagSet) []error {
	all := f.frontFlags.problems()
	for _, p := range []struct {
		wrong bool
		err   error
	}{
		{f.to == "" && len(f.routes) == 0, errors.New("--to or --route is needed: where are requests to go? For example --to http://127.0.0.1:8080")},
		{f.proxyProtocol != "v2" && f.proxyProtocol != "v1" && f.proxyProtocol != "none", fmt.Errorf("--proxy-protocol %q: must be v2, v1 or none", f.proxyProtocol)},
		{!f.passed && flags.Changed("proxy-protocol"), errors.New("--proxy-protocol needs --pass: otherwise the backend has the client's address in X-Forwarded-For")},
		{f.connectTimeout <= 0, errors.New("--connect-timeout: must be more than 0")},
		{f.answerTimeout == 0 || f.stallTimeout == 0 || f.idleTimeout == 0, errors.New("--answer-timeout, --stall-timeout and --idle-timeout must be times, or negative for no limit")},
		{f.backendInsecure && f.backendCA != "", errors.New("--backend-insecure and --backend-ca exclude each other")},
	} {
		if p.wrong {
			all = append(all, p.err)
		}
	}
	if f.headerJSON != "" {
		if err := proxy.CheckField(f.headerJSON); err != nil {
			all = append(all, fmt.Errorf("--header-json=%s: %w", f.headerJSON, err))
		}
	}
	if f.passed {
		for _, name := range notPassed {
			if flags.Changed(name) {
				all = append(all, fmt.Errorf("--%s cannot be used with --pass, which leaves TLS and HTTP to the server behind", name))
			}
		}
		_, errs := f.passRoutes()
		all = append(all, errs...)
	} else {
		_, errs := f.reverseRoutes()
		all = append(all, errs...)
		if _, err := f.backendTLS(); err != nil {
			all = append(all, err)
		}
	}
	if err := f.access.check(f); err != nil {
		all = append(all, err)
	}
	return all
}

// reverseRoutes returns the routes of requests.
func (f *proxyFlags) reverseRoutes() (routes []proxy.Route, errs []error) {
	seen := make(map[string]bool)
	for _, text := range f.routes {
		r, err := proxy.ParseRoute(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("--route %q: %w", text, errors.Unwrap(err)))
			continue
		}
		if name := r.String(); seen[name] {
			errs = append(errs, fmt.Errorf("--route %q: there is another route for %s", text, name))
		} else {
			seen[name] = true
		}
		if network, address := r.Backend.Addr(); network == "tcp" && isOwn(f.listen, address) {
			errs = append(errs, fmt.Errorf("--route %q: the backend is the address of --listen", text))
		}
		routes = append(routes, r)
	}
	if f.to != "" {
		b, err := proxy.ParseBackend(f.to)
		if err != nil {
			errs = append(errs, fmt.Errorf("--to %q: %w", f.to, errors.Unwrap(err)))
		} else if network, address := b.Addr(); network == "tcp" && isOwn(f.listen, address) {
			errs = append(errs, fmt.Errorf("--to %q: is the address of --listen", f.to))
		}
		routes = append(routes, proxy.Route{Backend: b})
	}
	return routes, errs
}

// passRoutes returns the routes of connections that are passed through.
func (f *proxyFlags) passRoutes() (routes []proxy.PassRoute, errs []error) {
	seen := make(map[string]bool)
	add := func(flag, text string) {
		r, err := proxy.ParsePassRoute(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s %q: %w", flag, text, err))
			return
		}
		name := strings.ToLower(strings.TrimSuffix(r.Name, "."))
		switch {
		case flag == "--to" && name != "":
			errs = append(errs, fmt.Errorf("--to %q: has a name: use --route", text))
		case seen[name] && name == "":
			errs = append(errs, fmt.Errorf("%s %q: there is another route for all other names", flag, text))
		case seen[name]:
			errs = append(errs, fmt.Errorf("%s %q: there is another route for %s", flag, text, name))
		case isOwn(f.listen, r.To):
			errs = append(errs, fmt.Errorf("%s %q: the backend is the address of --listen", flag, text))
		}
		seen[name] = true
		routes = append(routes, r)
	}
	for _, text := range f.routes {
		add("--route", text)
	}
	if f.to != "" {
		add("--to", f.to)
	}
	return routes, errs
}

// isOwn reports whether a backend at this address is what listens on another one, as far as
// the texts say: what is passed on to it would come again, and again.
func isOwn(listen, backend string) bool {
	host, port, err := net.SplitHostPort(listen)
	to, toPort, errTo := net.SplitHostPort(backend)
	if err != nil || errTo != nil {
		return false
	}
	if n, err := net.LookupPort("tcp", port); err != nil || n == 0 || strconv.Itoa(n) != toPort {
		return false
	}
	a, b := net.ParseIP(host), net.ParseIP(to)
	toLocalhost := strings.EqualFold(to, "localhost")
	switch {
	case host == "" || a.Equal(net.IPv6unspecified):
		return toLocalhost || b.IsLoopback() || b.IsUnspecified()
	case a.IsUnspecified():
		return toLocalhost || b.To4() != nil && (b.IsLoopback() || b.IsUnspecified())
	case strings.EqualFold(host, "localhost"):
		return toLocalhost || b.Equal(net.IPv4(127, 0, 0, 1))
	}
	return a != nil && a.Equal(b) || a.Equal(net.IPv4(127, 0, 0, 1)) && toLocalhost || strings.EqualFold(host, to)
}

// backendTLS returns the configuration for https backends.
func (f *proxyFlags) backendTLS() (*tls.Config, error) {
	config := &tls.Config{InsecureSkipVerify: f.backendInsecure, ServerName: f.backendServerName}
	if f.backendCA == "" {
		return config, nil
	}
	text, err := os.ReadFile(f.backendCA)
	if err != nil {
		return nil, fmt.Errorf("--backend-ca: %w", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("--backend-ca %s: has no certificate in PEM", f.backendCA)
	}
	return config, nil
}
