package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/net/http/httpguts"

	"github.com/tlspeek/tlspeek/internal/listen"
	"github.com/tlspeek/tlspeek/sink"
)

// frontFlags has the flags that "tlspeek serve" and "tlspeek proxy" have in common.
type frontFlags struct {
	listen    string
	http3     bool
	cert, key string
	stateDir  string
	acme      []string
	acmeEmail string

	acmeForwarded bool
	checkOnly     bool
	passed        bool // TLS is passed through; not a flag of its own

	events        string
	eventsFull    bool
	eventsAt      string
	unverified    bool
	settle        time.Duration
	eventsMaxSize int64
	eventsMaxAge  time.Duration
	eventsFsync   string
	eventsQueue   int
	helloJSON     string
	helloJSONKeep int
	helloJSONSize int

	handshakeTimeout time.Duration
	maxConns         int
	maxHalfOpen      int
	maxPerAddr       int
	maxHello         int
	maxRecords       int
	retryAbove       int
	rates            rateFlags
	trustedProxies   []string
	trustHeader      string

	admin     string
	pprof     bool
	grace     time.Duration
	logLevel  slog.Level
	logFormat string
	policy    policyFlags
	signals   signalsFlags
	clients   string // a file
}

// add adds the flags to cmd.
func (f *frontFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "localhost:8443", "`address` to listen on; or systemd, for the sockets that it passes")
	flags.BoolVar(&f.checkOnly, "check", false, "only say what would keep the program from working with these flags, on standard output; status 1 if there is a problem")
	flags.BoolVar(&f.http3, "http3", true, "serve HTTP/3 on the same port over UDP")
	flags.StringVar(&f.cert, "cert", "", "PEM `file` of the certificate and its chain")
	flags.StringVar(&f.key, "key", "", "PEM `file` of the certificate's key")
	flags.StringVar(&f.stateDir, "state-dir", defaultStateDir(), "`folder` for the certificates that the program creates or obtains")
	listVar(flags, &f.acme, "acme", "obtain certificates for these `hosts` from Let's Encrypt; needs port 443")
	flags.BoolVar(&f.acmeForwarded, "acme-forwarded", false, "port 443 of these hosts is forwarded to the port of --listen, by a firewall or a proxy that passes TLS through")
	flags.StringVar(&f.acmeEmail, "acme-email", "", "email `address` for messages from Let's Encrypt")

	flags.StringVar(&f.clients, "clients", "", clientsHelp)
	flags.StringVar(&f.events, "events", "", "append the Event of each hello to `file`, one per line; - is standard output")
	flags.BoolVar(&f.eventsFull, "events-full", false, "write Events in full size")
	flags.StringVar(&f.eventsAt, "events-at", "settled", "`when` to write an Event: settled (with the first request, the outcome of the handshake and the claim) or hello (at once, without these)")
	flags.BoolVar(&f.unverified, "events-unverified", false, "also write and show hellos over QUIC whose client has not shown that it has its address: anybody can send them under any address")
	flags.DurationVar(&f.settle, "settle", time.Minute, "time after the handshake for a first request, before the Event is written without one; negative for no limit")
	flags.Int64Var(&f.eventsMaxSize, "events-max-size", 0, "begin a new events file before one exceeds this number of `bytes`; 0 for no limit")
	flags.DurationVar(&f.eventsMaxAge, "events-max-age", 0, "begin a new events file after this time; 0 for no limit")
	flags.StringVar(&f.eventsFsync, "events-fsync", "never", "`when` to sync the events file to disk: always (after each Event, or several that came at once), never, or at an interval such as 1s")
	flags.IntVar(&f.eventsQueue, "events-queue", sink.DefaultQueueBytes, "maximum `bytes` of Events that wait in memory for a slow or full disk or pipe; the newest are lost beyond that, some 15,000 by default")
	flags.StringVar(&f.helloJSON, "hello-json", "", "keep the latest Events in `file`, as one JSON array")
	flags.IntVar(&f.helloJSONKeep, "hello-json-keep", 10000, "maximum `number` of Events in that file")
	flags.IntVar(&f.helloJSONSize, "hello-json-max-size", sink.DefaultLatestBytes, "maximum `bytes` of Events in that file, which are also kept in memory")

	flags.DurationVar(&f.handshakeTimeout, "handshake-timeout", 10*time.Second, "time for a client to finish its handshake; negative for no limit")
	flags.IntVar(&f.maxConns, "max-conns", 0, "maximum `number` of open connections; 0 for no limit")
	flags.IntVar(&f.maxHalfOpen, "max-half-open", 0, "maximum `number` of unfinished handshakes; one more closes the oldest; 0 for no limit")
	flags.IntVar(&f.maxPerAddr, "max-per-addr", 0, "maximum `number` of open connections from an IPv4 address or IPv6 /64; 0 for no limit")
	f.rates.add(flags)
	flags.IntVar(&f.maxHello, "max-hello", 0, "maximum `bytes` of a hello to fingerprint; 0 for the limit of crypto/tls, 65540")
	flags.IntVar(&f.maxRecords, "max-records", 0, "maximum `number` of records of a hello to fingerprint; 0 for no limit")
	flags.IntVar(&f.retryAbove, "retry-above", 100, "`number` of unfinished QUIC handshakes above which clients must prove their address; 0 for always")
	listVar(flags, &f.trustedProxies, "trusted-proxies", "`prefixes` of proxies whose PROXY protocol header is trusted, such as 10.0.0.0/8")
	flags.StringVar(&f.trustHeader, "trust-header", "", "`name` of the header field in which these proxies pass on the JA4 of their own clients, such as CloudFront-Viewer-JA4-Fingerprint")

	f.policy.add(flags)
	f.signals.add(flags)
	flags.StringVar(&f.admin, "admin", "", "`address` for /healthz, /readyz, /metrics and /api/signals")
	flags.BoolVar(&f.pprof, "pprof", false, "serve /debug/pprof/ there as well")
	flags.DurationVar(&f.grace, "grace", 10*time.Second, "time for open connections to finish when the program ends")
	flags.TextVar(&f.logLevel, "log-level", slog.LevelInfo, "minimum `level` of log messages: debug, info, warn or error")
	flags.Lookup("log-level").DefValue = "info" // not INFO
	flags.StringVar(&f.logFormat, "log-format", "text", "`format` of the log: text or json")
	suggest(cmd, "log-level", "debug", "info", "warn", "error")
	suggest(cmd, "log-format", "text", "json")
	suggest(cmd, "events-at", "settled", "hello")
	suggest(cmd, "events-fsync", "always", "never", "1s")
}

// problems returns everything that is wrong with the values of flags and their
// combinations.
func (f *frontFlags) problems() (all []error) {
	for _, p := range []struct {
		wrong bool
		err   error
	}{
		{(f.cert == "") != (f.key == ""), errors.New("--cert needs --key, and --key needs --cert")},
		{f.cert != "" && len(f.acme) > 0, errors.New("--cert and --acme exclude each other")},
		{f.helloJSONKeep < 1, fmt.Errorf("--hello-json-keep %d: must be 1 or more", f.helloJSONKeep)},
		{f.eventsQueue < minEventsQueue, fmt.Errorf("--events-queue %d: must be %d or more", f.eventsQueue, minEventsQueue)},
		{f.helloJSONSize < 1, fmt.Errorf("--hello-json-max-size %d: must be 1 or more", f.helloJSONSize)},
		{min(f.maxConns, f.maxHalfOpen, f.maxPerAddr, f.maxHello, f.maxRecords, f.retryAbove) < 0 || f.eventsMaxSize < 0, errors.New("--max-conns, --max-half-open, --max-per-addr, --max-hello, --max-records, --retry-above and --events-max-size must be 0 or more")},
		{f.grace < 0 || f.eventsMaxAge < 0, errors.New("--grace and --events-max-age must be 0 or more")},
		{f.logFormat != "text" && f.logFormat != "json", fmt.Errorf("--log-format %q: must be text or json", f.logFormat)},
		{f.handshakeTimeout == 0, errors.New("--handshake-timeout 0: must be a time, or negative for no limit")},
		{f.eventsAt != "settled" && f.eventsAt != "hello", fmt.Errorf("--events-at %q: must be settled or hello", f.eventsAt)},
		{f.settle == 0, errors.New("--settle 0: must be a time, or negative for no limit")},
		{f.pprof && f.admin == "", errors.New("--pprof needs --admin")},
		{f.trustHeader != "" && len(f.trustedProxies) == 0, errors.New("--trust-header needs --trusted-proxies")},
		{f.trustHeader != "" && !httpguts.ValidHeaderFieldName(f.trustHeader), fmt.Errorf("--trust-header %q: not the name of a header field", f.trustHeader)},
	} {
		if p.wrong {
			all = append(all, p.err)
		}
	}
	if _, err := f.syncEvery(); err != nil {
		all = append(all, err)
	}
	if err := f.policy.check(); err != nil {
		all = append(all, err)
	}
	if err := f.signals.check(); err != nil {
		all = append(all, err)
	}
	return append(all, f.acmeProblems()...)
}

// syncEvery returns --events-fsync in the form of [sink.RotatingFile].
func (f *frontFlags) syncEvery() (time.Duration, error) {
	switch f.eventsFsync {
	case "never":
		return 0, nil
	case "always":
		return -1, nil
	}
	d, err := time.ParseDuration(f.eventsFsync)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("--events-fsync %q: must be always, never or an interval such as 1s", f.eventsFsync)
	}
	return d, nil
}

// retryAboveField returns --retry-above in the form of [server.Server], where 0 is
// the default.
func (f *frontFlags) retryAboveField() int {
	if f.retryAbove == 0 {
		return -1
	}
	return f.retryAbove
}

// certificates returns a configuration with the certificate of --cert or --acme, or
// with a self-signed one.
func certificates(ctx context.Context, f *frontFlags, log *slog.Logger) (*tls.Config, error) {
	if len(f.acme) > 0 {
		return acme(ctx, f.acme, f.acmeEmail, filepath.Join(f.stateDir, "acme"), log)
	}
	files := &listen.CertificateFiles{Cert: f.cert, Key: f.key, Log: log}
	if f.cert == "" {
		var err error
		if files.Cert, files.Key, err = listen.SelfSigned(f.stateDir); err != nil {
			return nil, fmt.Errorf("certificate for localhost: %w: choose another folder with --state-dir, or use --cert and --key", err)
		}
	}
	if err := files.Load(); err != nil {
		return nil, err
	}
	return &tls.Config{GetCertificate: files.GetCertificate}, nil
}

// prefixes parses networks, and addresses as networks of one address.
func prefixes(list []string) (all []netip.Prefix, err error) {
	for _, s := range list {
		p, err := netip.ParsePrefix(s)
		if a, addrErr := netip.ParseAddr(s); addrErr == nil {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("--trusted-proxies %q: neither an address nor a network", s)
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

// defaultStateDir follows the XDG Base Directory Specification.
func defaultStateDir() string {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "tlspeek")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ".tlspeek"
	}
	return filepath.Join(home, ".local", "state", "tlspeek")
}

// listenError adds what to do to the error of opening a socket.
func listenError(err error) error {
	op, address := new(net.OpError), new(net.AddrError)
	switch {
	case errors.Is(err, listen.ErrNotPassed):
		return fmt.Errorf("--listen systemd: %w: start it by a socket unit such as packaging/tlspeek.socket, or use an address", err)
	case errors.As(err, &address):
		return fmt.Errorf("--listen: %w: use host and port, such as localhost:8443, or :443 for all addresses", err)
	case errors.As(err, &op) && op.Net == "udp":
		return fmt.Errorf("%w: choose another port with --listen, or switch HTTP/3 off with --http3=false", err)
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w: choose another port with --listen", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w: choose an address of this machine with --listen", err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w: choose a port over 1023 with --listen, or have systemd open it", err)
	}
	return err
}
