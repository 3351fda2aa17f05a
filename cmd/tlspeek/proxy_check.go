package main

import (
	"context"
	"crypto/tls"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/tlspeek/tlspeek/internal/preflight"
)

// checkAccess reports whether the access log can be written, as checkEvents does for Events.
func (f *proxyFlags) checkAccess(r *preflight.Report) {
	a := &f.access
	switch {
	case a.log == "log" || a.log == "none" || a.log == "":
		return
	case a.log == "-":
		r.OK("--access-log", "standard output")
		return
	case !r.File("--access-log", a.log, false):
		return
	case (a.maxSize > 0 || a.maxAge > 0) && !r.Folder("--access-log", filepath.Dir(a.log)):
		return
	}
	r.OK("--access-log", a.log+": can be written to")
	r.Room("--access-log", a.log, 0)
}

// checkBackends tries to connect to each backend.
func (f *proxyFlags) checkBackends(r *preflight.Report) {
	if f.passed {
		routes, _ := f.passRoutes()
		for _, route := range routes {
			network, address := "tcp", route.To
			if path, ok := strings.CutPrefix(route.To, "unix:"); ok {
				network, address = "unix", path
			}
			f.tryBackend(r, route.Name, route.To, network, address, nil)
		}
		return
	}
	routes, _ := f.reverseRoutes()
	config, err := f.backendTLS()
	if err != nil {
		return // it is among the problems of flags
	}
	hasTLS := false
	for _, route := range routes {
		if route.Backend == nil {
			continue
		}
		hasTLS = hasTLS || isHTTPS(route.Backend.String())
		name := ""
		switch {
		case route.Host != "":
			name = "host " + route.Host + route.Path
		case route.Path != "":
			name = "path " + route.Path
		}
		network, address := route.Backend.Addr()
		f.tryBackend(r, name, route.Backend.String(), network, address, config.Clone())
	}
	if !hasTLS && (f.backendCA != "" || f.backendInsecure || f.backendServerName != "") {
		r.Warn("flags", "--backend-ca, --backend-insecure and --backend-server-name are for https backends, and there is none", "remove them, or write https:// for the backend")
	}
}

func isHTTPS(url string) bool { return strings.HasPrefix(strings.ToLower(url), "https:") }

// tryBackend connects to a backend, and does a handshake with one of https. Name is that of
// the route; empty for the default.
func (f *proxyFlags) tryBackend(r *preflight.Report, name, text, network, address string, config *tls.Config) {
	isTLS := config != nil && isHTTPS(text)
	flag := "--to"
	if name != "" {
		flag, text = "--route", name+" to "+text
	}
	wait := max(time.Second, f.connectTimeout)
	c, err := net.DialTimeout(network, address, wait)
	if err != nil {
		r.Warn(flag, text+": "+err.Error(), "start the server behind, or correct the address")
		return
	}
	defer c.Close()
	if !isTLS {
		r.OK(flag, text+": accepts connections")
		return
	}
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(address)
	}
	config.NextProtos = []string{"h2", "http/1.1"}
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	if err := tls.Client(c, config).HandshakeContext(ctx); err != nil {
		r.Warn(flag, text+": the TLS handshake fails: "+err.Error(), "see --backend-ca, --backend-server-name and --backend-insecure, or write http:// if it does not speak TLS")
		return
	}
	r.OK(flag, text+": accepts connections and TLS")
}
