package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tlspeek/tlspeek/internal/clientfile"
	"github.com/tlspeek/tlspeek/internal/listen"
	"github.com/tlspeek/tlspeek/internal/preflight"
	"github.com/tlspeek/tlspeek/sink"
)

// checkFront reports whether the program would work with f, and changes nothing on disk.
// Problems are those of the flags, and environment is the error of reading the environment.
// More checks are for what the verb has beside f.
func checkFront(cmd *cobra.Command, f *frontFlags, problems []error, environment error, more ...func(*preflight.Report)) error {
	var r preflight.Report
	checkEnvironment(&r, cmd.Flags(), environment)
	for _, err := range problems {
		r.Fail("flags", err.Error(), "")
	}
	if len(problems) == 0 {
		r.OK("flags", "go together")
	}
	if !f.passed {
		f.checkCertificate(&r)
	}
	f.checkClients(&r)
	f.checkPolicy(&r)
	f.checkEvents(&r)
	f.checkHelloJSON(&r)
	f.checkPorts(&r)
	f.checkProxies(&r)
	f.checkLimits(&r)
	for _, check := range more {
		check(&r)
	}
	if _, err := r.WriteTo(cmd.OutOrStdout()); err != nil {
		return err
	}
	if r.Count(preflight.Problem) > 0 {
		return errReported
	}
	return nil
}

func checkEnvironment(r *preflight.Report, flags *pflag.FlagSet, wrong error) {
	if joined, ok := wrong.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			r.Fail("environment", err.Error(), "correct it, or unset it")
		}
	}
	var names []string
	flags.VisitAll(func(f *pflag.Flag) { names = append(names, variable(f.Name)) })
	r.Environment(os.Environ(), "TLSPEEK_", names)
}

func (f *frontFlags) checkCertificate(r *preflight.Report) {
	switch {
	case f.cert != "" || f.key != "":
		r.Certificate(f.cert, f.key, time.Now())
		return
	case len(f.acme) > 0 && len(f.acmeProblems()) > 0: // which are those of flags
	case len(f.acme) > 0 && !f.acmeForwarded && isLoopback(f.listen):
		r.Warn("--acme", "Let's Encrypt cannot reach the address "+f.listen, "use --listen :443, or --acme-forwarded if port 443 of these hosts is forwarded to it")
	case len(f.acme) > 0:
		r.OK("--acme", strings.Join(f.acme, ", ")+": obtained once the program runs; only then can it be seen whether Let's Encrypt reaches it")
	default:
		r.SelfSigned("certificate", filepath.Join(f.stateDir, "server.pem"), filepath.Join(f.stateDir, "server.key"), time.Now())
	}
	if r.Folder("--state-dir", f.stateDir) {
		r.OK("--state-dir", f.stateDir+": can be written to")
		r.Room("--state-dir", f.stateDir, 0)
	}
}

// isLoopback reports whether only this machine can connect to addr.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

func (f *frontFlags) checkClients(r *preflight.Report) {
	if f.clients == "" {
		return
	}
	if _, err := clientfile.Database(f.clients); err != nil {
		r.Fail("--clients", err.Error(), "correct the file: tlspeek clients add writes lines that are right")
		return
	}
	entries, _ := clientfile.Read(f.clients)
	r.OK("--clients", fmt.Sprintf("%s: %d clients", f.clients, len(entries)))
}

func (f *frontFlags) checkEvents(r *preflight.Report) {
	switch {
	case f.events == "":
		return
	case f.events == "-":
		r.OK("--events", "standard output")
		return
	case !r.File("--events", f.events, false):
		return
	case (f.eventsMaxSize > 0 || f.eventsMaxAge > 0) && !r.Folder("--events", filepath.Dir(f.events)):
		return
	}
	r.OK("--events", f.events+": can be written to")
	r.Room("--events", f.events, 0)
}

func (f *frontFlags) checkHelloJSON(r *preflight.Report) {
	if f.helloJSON == "" || !r.File("--hello-json", f.helloJSON, true) {
		return
	}
	if sameFile(f.events, f.helloJSON) {
		r.Fail("--hello-json", f.helloJSON+": is also the file of --events", "name two files")
		return
	}
	latest := &sink.Latest{Path: f.helloJSON, Keep: max(1, f.helloJSONKeep), MaxBytes: max(1, f.helloJSONSize)}
	if err := latest.Load(); err != nil {
		r.Fail("--hello-json", err.Error(), "move the file away, or name another")
		return
	}
	r.OK("--hello-json", f.helloJSON+": can be written to")
	r.Room("--hello-json", f.helloJSON, uint64(max(0, f.helloJSONSize)))
}

// sameFile reports whether two paths are of one file, which need not exist.
func sameFile(a, b string) bool {
	x, errA := os.Stat(a)
	y, errB := os.Stat(b)
	if errA == nil && errB == nil {
		return os.SameFile(x, y)
	}
	a, errA = filepath.Abs(a)
	b, errB = filepath.Abs(b)
	return errA == nil && errB == nil && a == b
}

// checkPorts opens the sockets of --listen and --admin for a moment.
func (f *frontFlags) checkPorts(r *preflight.Report) {
	if f.listen == listen.Systemd && !listen.Inherited() {
		r.OK("--listen", "systemd: it passes the sockets when it starts the program; they cannot be tried now")
		f.checkAdmin(r, func() {})
		return
	}
	first, release, errs := listen.Try(f.listen, f.http3 && !f.passed)
	defer release()
	for _, err := range errs {
		r.BindError("--listen", err)
	}
	if first != nil {
		if err := f.acmePortOf(first); err != nil && listen.Inherited() {
			r.Fail("--acme", err.Error(), "")
		}
	}
	if len(errs) == 0 {
		over := " over TCP"
		if f.http3 && !f.passed {
			over += " and UDP"
		}
		r.OK("--listen", first.String()+over)
	}
	f.checkAdmin(r, release)
}

// checkAdmin tries --admin while the sockets of --listen are open, and again once
// release has closed them: that tells whose port it is.
func (f *frontFlags) checkAdmin(r *preflight.Report, release func()) {
	if f.admin == "" {
		return
	}
	ln, err := net.Listen("tcp", f.admin)
	if errors.Is(err, syscall.EADDRINUSE) {
		release()
		if ln, err = net.Listen("tcp", f.admin); err == nil {
			ln.Close()
			r.Fail("--admin", f.admin+" is also the port of --listen", "use another port")
			return
		}
	}
	if err != nil {
		r.BindError("--admin", err)
		return
	}
	defer ln.Close()
	if a, ok := ln.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
		shows := "metrics"
		if f.pprof {
			shows = "metrics and the memory of the program (--pprof)"
		}
		r.Warn("--admin", fmt.Sprintf("%s is not a loopback address: whoever reaches it sees %s", f.admin, shows), "use 127.0.0.1, or close the port with a firewall")
		return
	}
	r.OK("--admin", ln.Addr().String())
}

func (f *frontFlags) checkProxies(r *preflight.Report) {
	var good []string
	for _, s := range f.trustedProxies {
		list, err := prefixes([]string{s})
		switch {
		case err != nil:
			r.Fail("--trusted-proxies", strings.TrimPrefix(err.Error(), "--trusted-proxies "), "use networks such as 10.0.0.0/8, or addresses; names of hosts cannot be used")
		case list[0].Bits() == 0:
			r.Warn("--trusted-proxies", s+" trusts every client, which can then claim any address", "name the networks of your proxies")
		case strings.Contains(s, "/") && s != list[0].String():
			r.Warn("--trusted-proxies", s+" is the network "+list[0].String(), "write "+list[0].String()+", or the address without /"+fmt.Sprint(list[0].Bits()))
		default:
			good = append(good, s)
		}
	}
	if len(good) > 0 {
		r.OK("--trusted-proxies", strings.Join(good, ", "))
	}
}

// checkLimits compares --max-conns with the limit on open files.
func (f *frontFlags) checkLimits(r *preflight.Report) {
	const others = 100 // files that are no connections
	if limit := preflight.OpenFiles(); f.maxConns > 0 && limit > 0 && uint64(f.maxConns)+others > limit {
		r.Warn("--max-conns", fmt.Sprintf("%d connections, but the limit on open files is %d", f.maxConns, limit),
			fmt.Sprintf("raise the limit (ulimit -n, or LimitNOFILE= in a systemd unit), or lower --max-conns to %d", max(1, int(limit)-others)))
	}
}
