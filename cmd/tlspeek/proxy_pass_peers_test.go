//go:build peers

package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"html"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/sitetest"
)

// These tests put `tlspeek proxy --pass` in front of nginx, HAProxy, Apache and a server in
// Go, with the files of docs/examples/proxy, and ask with curl, openssl and Chromium. PEERS is
// a folder with the programs, which .ci/peers makes. With CADDY or TRAEFIK, a program, they
// ask that one as well.

const (
	shop     = "shop.example"
	examples = "../../docs/examples/proxy"
	// banned is the fingerprint that the examples refuse.
	banned = "t13d190900_9dc949149365_97f8aa674fd9"
	// curlIP is the address of curl.
	curlIP = "127.0.0.9"
)

// A peer is a server that the examples configure.
type peer struct {
	name string
	// reads says that it reads the fingerprint, and not only the address.
	reads bool
	flags []string // of tlspeek
	// start returns the command that runs it.
	start func(t *testing.T, x *passSite) *exec.Cmd
}

func peers(t *testing.T) []peer {
	dir := os.Getenv("PEERS")
	require.NotEmpty(t, dir, "make the folder with: .ci/peers FOLDER")
	bin := func(name string) string { return filepath.Join(dir, "bin", name) }
	all := []peer{
		{name: "nginx", reads: true, start: func(t *testing.T, x *passSite) *exec.Cmd {
			x.example(t, "nginx.conf")
			temp := ""
			for _, of := range []string{"client_body", "proxy", "fastcgi", "scgi", "uwsgi"} {
				temp += of + "_temp_path " + x.file(of) + "; "
			}
			return exec.Command(bin("nginx"), "-c", x.write(t, "main.conf", "daemon off; master_process off; pid "+x.file("pid")+"; error_log stderr; events {} http { access_log off; "+
				temp+"include "+x.file("nginx.conf")+"; }"))
		}},
		{name: "haproxy", reads: true, start: func(t *testing.T, x *passSite) *exec.Cmd {
			return exec.Command(bin("haproxy"), "-db", "-f", x.example(t, "haproxy.cfg"))
		}},
		{name: "go", reads: true, start: func(t *testing.T, x *passSite) *exec.Cmd {
			program := filepath.Join(t.TempDir(), "backend")
			out, err := exec.Command("go", "build", "-o", program, examples+"/backend").CombinedOutput()
			require.NoError(t, err, "%s", out)
			return exec.Command(program, "-listen", x.behind, "-app", x.app, "-cert", x.file("fullchain.pem"), "-key", x.file("privkey.pem"), "-refuse-ja4", x.refused)
		}},
		{name: "apache", flags: []string{"--proxy-protocol", "v1"}, start: func(t *testing.T, x *passSite) *exec.Cmd {
			text := fmt.Sprintf("ServerRoot %s\nServerName %s\nPidFile %s\nErrorLog /dev/stderr\nUser nobody\nGroup nogroup\n", x.dir, shop, x.file("pid"))
			for _, m := range []string{"mpm_event", "authz_core", "remoteip", "headers", "proxy", "proxy_http", "ssl", "http2", "socache_shmcb"} {
				text += fmt.Sprintf("LoadModule %s_module %s\n", m, filepath.Join(dir, "usr/lib/apache2/modules/mod_"+m+".so"))
			}
			return exec.Command(bin("apache2"), "-D", "FOREGROUND", "-f", x.write(t, "main.conf", text+"Include "+x.example(t, "apache.conf")+"\n"))
		}},
	}
	if caddy := os.Getenv("CADDY"); caddy != "" {
		all = append(all, peer{name: "caddy", start: func(t *testing.T, x *passSite) *exec.Cmd {
			return exec.Command(caddy, "run", "--adapter", "caddyfile", "--config", x.example(t, "Caddyfile"))
		}})
	}
	if traefik := os.Getenv("TRAEFIK"); traefik != "" {
		all = append(all, peer{name: "traefik", start: func(t *testing.T, x *passSite) *exec.Cmd {
			x.example(t, "traefik-routes.yaml")
			return exec.Command(traefik, "--configFile="+x.example(t, "traefik.yaml"))
		}})
	}
	return all
}

// TestPassPeers: what is behind a server gets the fingerprint and the address of the client,
// and nothing that the client has made up; the client that the example refuses is refused.
func TestPassPeers(t *testing.T) {
	program := sitetest.Build(t)
	known := knownClients(t, program)
	for _, p := range peers(t) {
		t.Run(p.name, func(t *testing.T) {
			x := newPassSite(t, known["curl, banned"].JA4)
			runPeer(t, p.start(t, x))
			x.await(t)
			if p.reads {
				x.front = pass(t, program, append([]string{"--to", x.behind, "--policy", x.write(t, "policy.yaml", readExample(t, "policy.yaml"))}, p.flags...)...)
			} else {
				x.front = pass(t, program, append([]string{"--to", x.behind, "--policy", x.example(t, "policy.yaml")}, p.flags...)...)
			}
			for n := range 100 { // Traefik listens before it knows its routes
				status, _ := askCurl(t, x.front, nil)
				if status == 200 {
					break
				}
				require.Less(t, n, 99, status)
				time.Sleep(100 * time.Millisecond)
			}
			if p.reads {
				for _, from := range []string{"127.0.0.1", curlIP} {
					status, _ := askCurl(t, x.behind, []string{"--interface", from})
					assert.Equal(t, 0, status, "%s, without a header of the PROXY protocol", from)
				}
			}
			for _, c := range passClients {
				t.Run(c.name, func(t *testing.T) {
					status, fields := c.ask(t, x.front, append(forgeries, c.args...))
					switch {
					case c.name == "curl, banned" && !p.reads:
						assert.Equal(t, 0, status, "tlspeek closes the connection")
						return
					case c.refused && p.reads:
						assert.Equal(t, 403, status)
						return
					}
					require.Equal(t, 200, status)
					assertGenuine(t, p, c, known[c.name], fields)
				})
			}
		})
	}
}

// assertGenuine: fields of a request are what is known of its client, and nothing is forged.
func assertGenuine(t *testing.T, p peer, c passClient, want knownClient, fields http.Header) {
	t.Helper()
	ip := curlIP
	if c.browser {
		ip = "127.0.0.1"
	}
	assert.Equal(t, []string{ip}, fields["X-Forwarded-For"])
	assert.Equal(t, []string{"https"}, fields["X-Forwarded-Proto"])
	if p.reads {
		assert.Equal(t, []string{want.JA4}, fields["X-Ja4-Fingerprint"])
		if c.browser { // which sends the extensions in another order each time
			assert.Regexp(t, "^[0-9a-f]{32}$", fields.Get("X-Ja3-Fingerprint"))
		} else {
			assert.Equal(t, []string{want.JA3}, fields["X-Ja3-Fingerprint"])
		}
		require.Len(t, fields["X-Tls-Client"], 1)
		assert.Contains(t, fields.Get("X-Tls-Client"), want.Client[0].Name)
	}
	for name, values := range fields {
		switch known := regexp.MustCompile(`(?i)^x.(ja[34].fingerprint|tls.(client|tags))$`).MatchString(name); {
		case name == "X.tls.client" && p.name == "apache", name == "X.tls.client" && p.name == "traefik":
			// The examples say that these fields mean nothing there.
		case known && !p.reads:
			assert.Fail(t, "the server cannot know it", "%s: %q", name, values)
		default:
			for _, value := range values {
				assert.NotContains(t, value, "forged", name)
			}
		}
	}
}

// forgeries are flags of curl with what a client may try.
var forgeries = []string{
	"-H", "X-JA4-Fingerprint: forged", "-H", "x_ja4_fingerprint: forged", "-H", "X-Ja4_Fingerprint: forged", "-H", "X.TLS.Client: forged",
	"-H", "X-TLS-Tags: forged", "-H", "X-TLS-Tags: forged too", "-H", "X-TLS-Client: forged", "-H", "X_TLS_Tags: forged",
	"-H", "X-Forwarded-For: forged", "-H", "X_Forwarded_For: forged", "-H", "X-Forwarded-Proto: forged", "-H", "Connection: X-JA4-Fingerprint, X-TLS-Client",
}

// A passClient asks for a page, whose text is a header in JSON. It returns status 0 if it
// gets no answer.
type passClient struct {
	name    string
	refused bool
	browser bool
	args    []string
	ask     func(t *testing.T, addr string, args []string) (status int, fields http.Header)
}

var passClients = []passClient{
	{name: "curl over HTTP/1.1", args: []string{"--http1.1"}, ask: askCurl},
	{name: "curl over HTTP/2", args: []string{"--http2"}, ask: askCurl},
	// The tag of the policy.
	{name: "curl, TLS 1.2", refused: true, args: []string{"--tls-max", "1.2"}, ask: askCurl},
	// The fingerprint.
	{name: "curl, banned", refused: true, args: []string{"--tls13-ciphers", "TLS_AES_128_GCM_SHA256"}, ask: askCurl},
	{name: "chromium", browser: true, ask: askChromium},
}

func askCurl(t *testing.T, addr string, args []string) (status int, fields http.Header) {
	cmd := exec.Command("curl", append([]string{"-q", "--silent", "--insecure", "--interface", curlIP, "--connect-to", "::" + addr,
		"--max-time", "20", "--write-out", "%{stderr}%{http_code}", "https://" + shop + "/json"}, args...)...)
	var code strings.Builder
	cmd.Stderr = &code
	out, err := cmd.Output()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		assert.Contains(t, closedByPeer, exit.ExitCode())
		return 0, nil
	}
	require.NoError(t, err)
	_, err = fmt.Sscan(code.String(), &status)
	require.NoError(t, err)
	if status == 200 {
		require.NoError(t, json.Unmarshal(out, &fields), "%s", out)
	}
	return status, fields
}

// Exits of curl when the connection is closed.
var closedByPeer = []int{35, 52, 55, 56, 92}

func askChromium(t *testing.T, addr string, _ []string) (status int, fields http.Header) {
	out := chromiumText(t, addr)
	require.NoError(t, json.Unmarshal([]byte(out), &fields), "%s", out)
	return 200, fields
}

// chromiumText returns the text of /json in Chromium.
func chromiumText(t *testing.T, addr string) string {
	out, err := exec.Command("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--ignore-certificate-errors", "--disable-quic",
		"--disable-background-networking", "--user-data-dir="+t.TempDir(), "--host-resolver-rules=MAP "+shop+" "+addr, "--timeout=20000",
		"--dump-dom", "https://"+shop+"/json").Output()
	require.NoError(t, err)
	pre := regexp.MustCompile(`(?s)<pre[^>]*>(.*)</pre>`).FindSubmatch(out)
	require.NotNil(t, pre, "%s", out)
	return html.UnescapeString(string(pre[1]))
}

// A knownClient is what `tlspeek serve` says of a client.
type knownClient struct {
	JA3, JA4 string
	Client   []struct{ Name string }
}

// knownClients asks `tlspeek serve` with each client.
func knownClients(t *testing.T, program string) map[string]knownClient {
	x := newPassSite(t, banned)
	addr := listening(t, exec.Command(program, "serve", "--listen", "127.0.0.1:0", "--cert", x.file("fullchain.pem"), "--key", x.file("privkey.pem"), "--grace", "1s",
		"--state-dir", x.file("state")))
	all := make(map[string]knownClient)
	for _, c := range passClients {
		var text string
		if c.browser {
			text = chromiumText(t, addr)
		} else {
			out, err := exec.Command("curl", append([]string{"-q", "--silent", "--insecure", "--connect-to", "::" + addr, "https://" + shop + "/json"}, c.args...)...).Output()
			require.NoError(t, err)
			text = string(out)
		}
		var k knownClient
		require.NoError(t, json.Unmarshal([]byte(text), &k), text)
		require.NotEmpty(t, k.Client, text)
		all[c.name] = k
	}
	return all
}

// A passSite is a folder with a certificate and copies of examples, for a server behind and an
// application behind that, which answers with the header that it gets.
type passSite struct {
	dir     string
	front   string // address of tlspeek
	behind  string // address of the server behind it
	app     string // URL of the application
	refused string // the fingerprint that the server refuses
}

func newPassSite(t *testing.T, refused string) *passSite {
	x := &passSite{dir: t.TempDir(), behind: freeAddr(t), refused: refused}
	require.NoError(t, os.Chmod(x.dir, 0o755))
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { json.NewEncoder(w).Encode(r.Header) }))
	t.Cleanup(app.Close)
	x.app = app.URL
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	names := []string{shop, "*." + shop}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: shop}, DNSNames: names, NotAfter: time.Now().Add(time.Hour)}
	leaf, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf})
	secret := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	x.write(t, "fullchain.pem", string(chain))
	x.write(t, "privkey.pem", string(secret))
	x.write(t, "both.pem", string(chain)+string(secret))
	return x
}

func (x *passSite) file(name string) string { return filepath.Join(x.dir, name) }

func (x *passSite) write(t *testing.T, name, text string) string {
	require.NoError(t, os.WriteFile(x.file(name), []byte(text), 0o600))
	return x.file(name)
}

func readExample(t *testing.T, name string) string {
	text, err := os.ReadFile(filepath.Join(examples, name))
	require.NoError(t, err)
	return string(text)
}

// example writes an example with the addresses, the files and the fingerprint of x in the
// place of its own.
func (x *passSite) example(t *testing.T, name string) string {
	_, port, err := net.SplitHostPort(x.behind)
	require.NoError(t, err)
	text := strings.NewReplacer(
		"127.0.0.1:8443", x.behind, shop+":8443", shop+":"+port, "127.0.0.1:8080", strings.TrimPrefix(x.app, "http://"),
		"/etc/ssl/shop.example/", x.dir+"/", "/etc/ssl/shop.example.pem", x.file("both.pem"),
		"/etc/traefik/routes.yaml", x.file("traefik-routes.yaml"), banned, x.refused,
	).Replace(readExample(t, name))
	return x.write(t, name, text)
}

// await returns when the server behind listens.
func (x *passSite) await(t *testing.T) {
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", x.behind)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	}, 20*time.Second, 20*time.Millisecond)
}

// runPeer runs cmd until the test ends, and logs what it has written.
func runPeer(t *testing.T, cmd *exec.Cmd) {
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		log.Close()
		if text, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("%s:\n%s", cmd.Path, text)
		}
	})
}

// pass runs `tlspeek proxy --pass` and returns its address.
func pass(t *testing.T, program string, flags ...string) string {
	return listening(t, exec.Command(program, append([]string{"proxy", "--pass", "--listen", "127.0.0.1:0", "--grace", "1s"}, flags...)...))
}

// listening runs a command of tlspeek, and returns the address on its first line.
func listening(t *testing.T, cmd *exec.Cmd) string {
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	r := bufio.NewReader(stderr)
	first, err := r.ReadString('\n')
	var rest strings.Builder
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		io.Copy(&rest, r)
	}()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		<-drained
		assert.NoError(t, cmd.Wait())
		assert.NotContains(t, rest.String(), "level=ERROR")
		if t.Failed() {
			t.Log(first + rest.String())
		}
	})
	require.NoError(t, err)
	addr := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(first)
	require.NotEmpty(t, addr, first)
	return addr
}

// TestPassRoutes: connections go where their server name says, and a name that is not known
// gets an alert. The header has all that is known of the client.
func TestPassRoutes(t *testing.T) {
	program := sitetest.Build(t)
	x := newPassSite(t, banned)
	one, two := newTLVServer(t, x), newTLVServer(t, x)
	known := knownClients(t, program)["curl over HTTP/2"]
	front := pass(t, program, "--route", shop+"="+one.addr, "--route", "*."+shop+"="+two.addr)
	for name, want := range map[string]*tlvServer{shop: one, "www." + shop: two, "SHOP.example": one} {
		out, err := exec.Command("curl", "-q", "--silent", "--insecure", "--http2", "--interface", curlIP, "--connect-to", "::"+front, "https://"+name+"/").Output()
		require.NoError(t, err)
		got := map[string]string{}
		require.NoError(t, json.Unmarshal(out, &got))
		assert.Equal(t, want.addr, got["server"], name)
		assert.Equal(t, curlIP, got["client"])
		assert.True(t, strings.EqualFold(name, got["authority"]), got["authority"])
		assert.Equal(t, "h2", got["alpn"])
		assert.Equal(t, known.JA3, got["ja3"])
		assert.Equal(t, known.JA4, got["ja4"])
		assert.Contains(t, got["client name"], known.Client[0].Name)
		assert.Empty(t, got["tags"])
	}
	for _, args := range [][]string{{"-servername", "other.example"}, {"-noservername"}, {"-servername", "a.b." + shop + ".other"}} {
		cmd := exec.Command("openssl", append([]string{"s_client", "-connect", front}, args...)...)
		out, err := cmd.CombinedOutput()
		assert.Error(t, err, args)
		assert.Contains(t, string(out), "unrecognized name", args)
		assert.Contains(t, string(out), "SSL alert number 112", args)
	}
}

// A tlvServer answers with what the PROXY header says.
type tlvServer struct{ addr string }

func newTLVServer(t *testing.T, x *passSite) *tlvServer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got := map[string]string{"server": addr}
			got["client"], _, _ = net.SplitHostPort(r.RemoteAddr)
			tlvs, err := r.Context().Value(proxyHeaderKey{}).(*proxyproto.Conn).ProxyHeader().TLVs()
			if err != nil {
				panic(err)
			}
			for _, v := range tlvs {
				name := map[proxyproto.PP2Type]string{1: "alpn", 2: "authority", 0xE3: "ja3", 0xE4: "ja4", 0xE5: "client name", 0xE6: "tags"}[v.Type]
				got[name] += string(v.Value)
			}
			json.NewEncoder(w).Encode(got)
		}),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, proxyHeaderKey{}, c.(*tls.Conn).NetConn())
		},
	}
	go s.ServeTLS(&proxyproto.Listener{Listener: l}, x.file("fullchain.pem"), x.file("privkey.pem"))
	t.Cleanup(func() { s.Close() })
	return &tlvServer{addr}
}

// proxyHeaderKey is the key of a connection with a PROXY header in a request's context.
type proxyHeaderKey struct{}
