//go:build browser

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/sitetest"
)

// These tests serve the policy of docs/examples/site, and ask it with curl, openssl,
// nmap, Chromium and Firefox. server/integration does so with uTLS.

const chromeAgent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36"

// wants asserts that the rules of s were counted this often more than in before.
func wants(t *testing.T, s *sitetest.Site, before, more map[string]int) {
	t.Helper()
	got := s.Hits(t)
	for key, n := range before {
		if got[key] -= n; got[key] == 0 {
			delete(got, key)
		}
	}
	assert.Equal(t, more, got)
}

// An answer is what a program got. Without one, Exit is the status of the program.
type answer struct {
	Exit, Status int
	Version      string
	Body         string
}

// curl asks s for a path over a version of HTTP.
func curl(t *testing.T, s *sitetest.Site, version, url string, args ...string) answer {
	t.Helper()
	body := filepath.Join(t.TempDir(), "body")
	cmd := exec.Command("curl", append([]string{"-q", "--silent", "--http" + version, "--cacert", s.CA,
		"--connect-to", "::" + s.Addr, "--output", body, "--write-out", "%{http_code} %{http_version}", url}, args...)...)
	out, err := cmd.Output()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return answer{Exit: exit.ExitCode()}
	}
	require.NoError(t, err)
	status, version, _ := strings.Cut(string(out), " ")
	text, err := os.ReadFile(body)
	require.NoError(t, err)
	n, err := strconv.Atoi(status)
	require.NoError(t, err)
	return answer{Status: n, Version: version, Body: string(text)}
}

func (a answer) brief() string { return fmt.Sprint(a.Exit, " ", a.Status, " ", a.Version) }

// Exits of curl when the connection is closed during the handshake, and later.
var closedExits = []int{35, 52, 55, 56, 92}

func TestSite(t *testing.T) {
	program := sitetest.Build(t)
	for name, test := range map[string]func(*testing.T, string){
		"curl":                     siteAnswersCurl,
		"curl, too often":          siteLimitsCurl,
		"openssl without TLS 1.3":  siteGivesOldTLSAnotherCertificate,
		"nmap":                     siteClosesScanners,
		"Go over HTTP/3":           siteAnswersGoOverHTTP3,
		"a network with many JA4s": siteLimitsWhatRotates,
		"Chromium":                 siteAnswersChromium,
		"Firefox":                  siteAnswersFirefox,
	} {
		t.Run(name, func(t *testing.T) { test(t, program) })
	}
}

func siteAnswersCurl(t *testing.T, program string) {
	for _, version := range []string{"1.1", "2"} {
		t.Run("HTTP/"+version, func(t *testing.T) {
			s := sitetest.Start(t, program, nil)
			count := make(map[string]int) // of Events by rule and action
			expect := func(rule, action string) {
				t.Helper()
				hits := make(map[string]int)
				if rule != "" {
					hits[rule+" "+action] = 1
				}
				before := maps.Clone(hits)
				for key, n := range count {
					if !strings.HasPrefix(key, " ") {
						before[key] += n
					}
				}
				assert.Equal(t, before, s.Hits(t))
				count[rule+" "+action]++
			}
			number := strings.TrimSuffix(version, ".0")
			pass, forbidden := "0 200 "+number, "0 403 "+number

			// The health check has no name. The endpoint has no such page; but it was asked.
			a := curl(t, s, version, "https://"+s.Addr+"/healthz", "--insecure", "--interface", sitetest.Balancer)
			assert.Equal(t, "0 404 "+number, a.brief())
			expect("health-check", "allow")
			a = curl(t, s, version, "https://"+s.Addr+"/json", "--insecure", "--interface", sitetest.Balancer)
			assert.Equal(t, forbidden, a.brief())
			expect("programs", "deny")

			a = curl(t, s, version, s.URL("/json"), "--interface", sitetest.Office)
			assert.Equal(t, pass, a.brief())
			assert.Contains(t, a.Body, `"rule":"office","action":"allow"`)
			// It was allowed twice: at the hello, and at the request.
			count["office allow"]++
			expect("office", "allow")

			a = curl(t, s, version, s.URL("/json"))
			assert.Equal(t, forbidden, a.brief())
			assert.Regexp(t, `^forbidden\nreference: [0-9a-f]{32}\n$`, a.Body)
			expect("programs", "deny")
			a = curl(t, s, version, s.URL("/api/all"))
			assert.Equal(t, pass, a.brief())
			expect("", "")
			a = curl(t, s, version, s.URL("/api/all"), "--user-agent", chromeAgent)
			assert.Equal(t, pass, a.brief())
			expect("no-browser", "count")
			a = curl(t, s, version, s.URL("/.env"))
			assert.Equal(t, forbidden, a.brief())
			expect("probes", "tarpit")

			// Another name, and none: closed at the hello.
			a = curl(t, s, version, "https://www.other.example:"+s.Port+"/")
			assert.Contains(t, closedExits, a.Exit)
			expect("not-ours", "close")
			a = curl(t, s, version, "https://"+s.Addr+"/healthz", "--insecure")
			assert.Contains(t, closedExits, a.Exit)
			expect("not-ours", "close")

			events, log := s.End(t)
			got := make(map[string]int)
			for _, e := range events {
				got[e.Rule+" "+e.Action]++
				assert.Equal(t, "curl", e.Client[0].Name)
				assert.Equal(t, e.Rule == "no-browser", len(e.Tags) == 1 && e.Tags[0] == "would-deny", e)
			}
			count["office allow"]--
			assert.Equal(t, count, got)
			assert.NotContains(t, log, "level=ERROR")
		})
	}
}

// siteLimitsCurl: what is over the rate gets 429, and a list that changes is used.
func siteLimitsCurl(t *testing.T, program string) {
	s := sitetest.Start(t, program, nil)
	for _, version := range []string{"1.1", "2"} {
		out, err := exec.Command("curl", "-q", "--silent", "--http"+version, "--cacert", s.CA, "--connect-to", "::"+s.Addr,
			"--write-out", "%{http_code}\n", "--output", "/dev/null", s.URL("/api/clean?[1-600]")).Output()
		require.NoError(t, err)
		limited := strings.Count(string(out), "429\n")
		assert.Equal(t, 600-limited, strings.Count(string(out), "200\n"))
		assert.Less(t, limited, 401)
		assert.Positive(t, limited)
		before := s.Hits(t)
		wants(t, s, before, map[string]int{})
		if version == "1.1" {
			assert.Equal(t, map[string]int{"flood limit": limited}, before)
		}
	}

	// The list has curl's JA4 over HTTP/2 now, and that over HTTP/1.1 is another.
	a := curl(t, s, "2", s.URL("/json"), "--interface", sitetest.Office)
	ja4 := regexp.MustCompile(`"ja4":"([a-z0-9_]+)"`).FindStringSubmatch(a.Body)
	require.NotNil(t, ja4, a.Body)
	list := filepath.Join(filepath.Dir(s.Policy), "bad-ja4.txt")
	require.NoError(t, os.WriteFile(list, []byte(ja4[1]+"\n"), 0o600))
	require.Eventually(t, func() bool { return s.Metric(t, `tlspeek_policy_reloads_total{result="ok"}`) == 1 }, 20*time.Second, 50*time.Millisecond)
	before := s.Hits(t)
	a = curl(t, s, "2", s.URL("/api/all"), "--interface", "127.0.0.4")
	assert.Contains(t, closedExits, a.Exit)
	wants(t, s, before, map[string]int{"bad-ja4 deny": 1})
	a = curl(t, s, "1.1", s.URL("/api/all"), "--interface", "127.0.0.4")
	assert.Equal(t, "0 200 1.1", a.brief())
	wants(t, s, before, map[string]int{"bad-ja4 deny": 1})
}

// siteGivesOldTLSAnotherCertificate: openssl without TLS 1.3 gets the RSA certificate. With
// these flags it is not known, so its request passes.
func siteGivesOldTLSAnotherCertificate(t *testing.T, program string) {
	s := sitetest.Start(t, program, nil)
	for _, c := range []struct {
		flag string
		want *x509.Certificate
		hits map[string]int
	}{
		{"-tls1_2", s.RSA, map[string]int{"old-tls config": 1}},
		{"-tls1_3", s.Leaf, map[string]int{}},
	} {
		before := s.Hits(t)
		cmd := exec.Command("openssl", "s_client", "-connect", s.Addr, "-servername", sitetest.Name, "-CAfile", s.CA,
			"-verify_return_error", "-ign_eof", "-alpn", "http/1.1", c.flag)
		cmd.Stdin = strings.NewReader("GET /json HTTP/1.1\r\nHost: " + sitetest.Name + "\r\nConnection: close\r\n\r\n")
		out, err := cmd.Output()
		require.NoError(t, err, "%s", out)
		_, rest, _ := bytes.Cut(out, []byte("Server certificate\n"))
		block, _ := pem.Decode(rest)
		require.NotNil(t, block, "%s", out)
		assert.Equal(t, c.want.Raw, block.Bytes)
		assert.Contains(t, string(out), "HTTP/1.1 200 OK")
		wants(t, s, before, c.hits)
	}
	events, _ := s.End(t)
	require.Len(t, events, 2)
	assert.Equal(t, "1.2 old-tls config", events[0].Version+" "+events[0].Rule+" "+events[0].Action)
	assert.Equal(t, "1.3  ", events[1].Version+" "+events[1].Rule+" "+events[1].Action)
}

// siteClosesScanners: nmap finds no TLS by the address. If it is told the name and not to
// care, its hellos that are known as its own are closed.
func siteClosesScanners(t *testing.T, program string) {
	s := sitetest.Start(t, program, nil)
	scan := func(script ...string) string {
		args := append([]string{"-Pn", "-n", "-p", s.Port, "127.0.0.1", "--script"}, script...)
		out, err := exec.Command("nmap", args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "1 host up")
		return string(out)
	}
	assert.NotContains(t, scan("ssl-enum-ciphers"), "TLSv1")
	blind := s.Hits(t)
	assert.Positive(t, blind["not-ours close"])
	assert.Len(t, blind, 1)

	scan("+ssl-enum-ciphers", "--script-args", "tls.servername="+sitetest.Name)
	hits := s.Hits(t)
	assert.Positive(t, hits["scanners close"])
	events, _ := s.End(t)
	got := make(map[string]int)
	for _, e := range events {
		got[e.Rule+" "+e.Action]++
		if e.SNI == sitetest.Name && len(e.Client) > 0 && e.Client[0].Family == "nmap" && e.Client[0].Distance < 100 {
			assert.Equal(t, "scanners close", e.Rule+" "+e.Action)
		}
	}
	t.Logf("%d hellos: %v", len(events), got)
	delete(got, " ") // like nmap, and not known
	assert.Equal(t, hits, got)
}

// overHTTP3 returns a client over HTTP/3 from an address of loopback.
func overHTTP3(t *testing.T, s *sitetest.Site, from, name string) *http.Client {
	t.Helper()
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(from)})
	require.NoError(t, err)
	at, err := net.ResolveUDPAddr("udp", s.Addr)
	require.NoError(t, err)
	transport := &quic.Transport{Conn: udp}
	client := &http3.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: name},
		Dial: func(ctx context.Context, _ string, config *tls.Config, c *quic.Config) (*quic.Conn, error) {
			return transport.DialEarly(ctx, at, config, c)
		},
	}
	t.Cleanup(func() {
		client.Close()
		transport.Close()
		udp.Close()
	})
	return &http.Client{Transport: client}
}

func siteAnswersGoOverHTTP3(t *testing.T, program string) {
	s := sitetest.Start(t, program, nil, "--events-unverified")
	for _, c := range []struct {
		from, name, path, agent string
		status                  int
		hits                    map[string]int
	}{
		{sitetest.Balancer, "127.0.0.1", "/healthz", "", 404, map[string]int{"health-check allow": 1}},
		{sitetest.Balancer, "127.0.0.1", "/json", "", 403, map[string]int{"programs deny": 1}},
		{sitetest.Office, sitetest.Name, "/json", "", 200, map[string]int{"office allow": 2}},
		{"127.0.0.1", sitetest.Name, "/json", "", 403, map[string]int{"programs deny": 1}},
		{"127.0.0.1", sitetest.Name, "/api/all", "", 200, map[string]int{}},
		{"127.0.0.1", sitetest.Name, "/api/all", chromeAgent, 200, map[string]int{"no-browser count": 1}},
		{"127.0.0.1", sitetest.Name, "/.env", "", 403, map[string]int{"probes tarpit": 1}},
		{"127.0.0.1", "127.0.0.1", "/api/all", "", 0, map[string]int{"not-ours close": 1}},
		{"127.0.0.1", "www.other.example", "/api/all", "", 0, map[string]int{"not-ours close": 1}},
	} {
		t.Run(c.from+" "+c.name+c.path, func(t *testing.T) {
			before := s.Hits(t)
			r, err := http.NewRequest("GET", s.URL(c.path), nil)
			require.NoError(t, err)
			if c.agent != "" {
				r.Header.Set("User-Agent", c.agent)
			}
			res, err := overHTTP3(t, s, c.from, c.name).Do(r)
			if c.status == 0 {
				assert.Error(t, err)
			} else {
				require.NoError(t, err)
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
				assert.Equal(t, c.status, res.StatusCode)
				assert.Equal(t, 3, res.ProtoMajor)
			}
			wants(t, s, before, c.hits)
		})
	}
	events, log := s.End(t)
	assert.NotContains(t, log, "level=ERROR")
	got := make(map[string]int)
	for _, e := range events {
		got[e.Transport+" "+e.Rule+" "+e.Action]++
	}
	assert.Equal(t, map[string]int{
		"quic health-check allow": 1, "quic programs deny": 2, "quic office allow": 1, "quic  ": 1,
		"quic no-browser count": 1, "quic probes tarpit": 1, "quic not-ours close": 2,
	}, got)
}

// siteLimitsWhatRotates: a network that shows ever other fingerprints is limited, and
// its neighbours are not.
func siteLimitsWhatRotates(t *testing.T, program string) {
	s := sitetest.Start(t, program, nil)
	ask := func(from string, i int) int {
		transport := &http.Transport{
			DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext,
			// JA4 has the first and the last letter of the first protocol.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: sitetest.Name, NextProtos: []string{fmt.Sprintf("%c-%c", 'a'+i/26, 'a'+i%26), "http/1.1"}},
		}
		defer transport.CloseIdleConnections()
		res, err := (&http.Client{Transport: transport}).Get("https://" + s.Addr + "/api/clean")
		require.NoError(t, err)
		defer res.Body.Close()
		io.Copy(io.Discard, res.Body)
		return res.StatusCode
	}
	for i := range 35 {
		assert.Equal(t, 200, ask("127.0.0.9", i))
	}
	limited := 0
	for i := 35; i < 200 && limited < 5; i++ {
		if ask("127.0.0.9", i) == 429 {
			limited++
		}
	}
	assert.Equal(t, 5, limited)
	assert.Equal(t, map[string]int{"rotating limit": limited}, s.Hits(t))
	assert.Equal(t, 200, ask("127.0.1.9", 0))
}
