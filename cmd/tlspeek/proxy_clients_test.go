//go:build peers

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/peertest"
	"github.com/tlspeek/tlspeek/internal/sitetest"
)

// What a client did. Empty is not tried, or not possible with it.
type passed struct{ get, upload, stream, events, websocket, named string }

func (p passed) row(name string) []string {
	row := []string{name, p.get, p.upload, p.stream, p.events, p.websocket, p.named}
	for i, cell := range row {
		if cell == "" {
			row[i] = "-"
		}
	}
	return row
}

func yes(ok bool) string {
	if ok {
		return "yes"
	}
	return "no"
}

// TestProxyClients: clients of others in front of the proxy, and net/http behind it.
func TestProxyClients(t *testing.T) {
	program := buildProxy(t)
	site := peertest.NewSite(t)
	to, _ := site.StartGo(t, "http")
	table := peertest.NewTable("client", "GET", "10 MB up", "10 MB up, as a stream", "events", "WebSocket", "X-TLS-Client names it")
	add := func(name string, ask func(t *testing.T, p *peertest.Proxy) passed) {
		t.Run(name, func(t *testing.T) {
			p := peertest.Start(t, program, "--to", to)
			table.Add(ask(t, p).row(name)...)
			assert.NotContains(t, p.End(t), "level=ERROR")
		})
	}
	for _, version := range []string{"1.1", "2"} {
		add("curl, HTTP/"+version, func(t *testing.T, p *peertest.Proxy) passed {
			return askWithCurl(t, ofProxy(p, site), version)
		})
	}
	add("Python http.client", askWithPython)
	add("openssl s_client", askWithOpenSSL)
	add("h2load", askWithH2load)
	for _, b := range []struct {
		name, family string
		open         func(*testing.T, *sitetest.Site, string, string) *browser
	}{{"Chromium", "Chrom", openChromium}, {"Firefox", "Firefox", openFirefox}} {
		for _, protocol := range []string{"http/1.1", "h2", "h3"} {
			add(b.name+", "+protocol, func(t *testing.T, p *peertest.Proxy) passed {
				return askWithBrowser(t, p, b.open(t, p.Site(), protocol, ""), protocol, b.family)
			})
		}
	}
	table.Compare(t)
}

// threeEvents are those of the backend.
const threeEvents = "id: 0\ndata: event 0\n\nid: 1\ndata: event 1\n\nid: 2\ndata: event 2\n\n"

func askWithCurl(t *testing.T, to target, version string) passed {
	big := filepath.Join(to.site.Dir, "big.bin")
	// The stream does not end: curl ends with status 28 after the time.
	events := to.curl(t, version, "/events", nil, "--no-buffer", "--max-time", "2")
	return passed{
		get:    yes(to.curl(t, version, "/small.txt", nil).is(200, peertest.Small)),
		upload: yes(uploads(t, to, version, big)),
		stream: yes(uploads(t, to, version, "-")),
		events: yes(events.exit == 28 && string(events.body) == threeEvents),
		named:  yes(names(t, "curl", string(to.curl(t, version, "/fields", nil).body))),
	}
}

var clientLine = regexp.MustCompile(`(?m)^X-Tls-Client: (.*)$`)

// names reports whether X-TLS-Client names a client of the family.
func names(t *testing.T, family, fields string) bool {
	t.Helper()
	m := clientLine.FindStringSubmatch(fields)
	require.NotNil(t, m, "%s", fields)
	return strings.Contains(m[1], family)
}

const pythonClient = `
import http.client, json, ssl, sys
name, port, ca = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
class Connection(http.client.HTTPSConnection):
    def connect(self):
        import socket
        self.sock = context.wrap_socket(socket.create_connection(("127.0.0.1", int(port))), server_hostname=name)
def ask(method, path, body=None, **more):
    c = Connection(name, int(port))
    c.request(method, path, body, **more)
    return c.getresponse()
out = {}
out["get"] = ask("GET", "/small.txt").read().decode()
out["upload"] = ask("POST", "/upload", bytes(10_000_000)).read().decode()
out["stream"] = ask("POST", "/upload", (bytes(100_000) for _ in range(100)), encode_chunked=True).read().decode()
events = ask("GET", "/events")
out["events"] = "".join(events.readline().decode() for _ in range(9))
out["fields"] = ask("GET", "/fields").read().decode()
print(json.dumps(out))
`

func askWithPython(t *testing.T, p *peertest.Proxy) passed {
	cmd := exec.Command("/usr/bin/python3", "-c", pythonClient, sitetest.Name, p.Port, p.CA)
	out, err := cmd.Output()
	require.NoError(t, err)
	var got struct{ Get, Upload, Stream, Events, Fields string }
	require.NoError(t, json.Unmarshal(out, &got))
	return passed{
		get:    yes(got.Get == peertest.Small),
		upload: yes(isZeros(got.Upload)),
		stream: yes(isZeros(got.Stream)),
		events: yes(got.Events == threeEvents),
		named:  yes(names(t, "Python", got.Fields)),
	}
}

// isZeros reports whether an answer of /upload is for 10 MB of zeros.
func isZeros(answer string) bool {
	return strings.TrimSpace(answer) == fmt.Sprintf("%s %d", peertest.Digest(make([]byte, peertest.BigSize)), peertest.BigSize)
}

// askWithOpenSSL types the requests.
func askWithOpenSSL(t *testing.T, p *peertest.Proxy) passed {
	ask := func(path string) string {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, "openssl", "s_client", "-quiet", "-connect", p.Addr, "-servername", sitetest.Name, "-CAfile", p.CA, "-verify_return_error")
		cmd.Stdin = strings.NewReader("GET " + path + " HTTP/1.1\r\nHost: " + sitetest.Name + "\r\nConnection: close\r\n\r\n")
		out, err := cmd.Output()
		require.NoError(t, err)
		_, body, _ := strings.Cut(string(out), "\r\n\r\n")
		return body
	}
	return passed{get: yes(ask("/small.txt") == peertest.Small), named: yes(names(t, "OpenSSL", ask("/fields")))}
}

// askWithH2load asks 1,000 times over ten connections.
func askWithH2load(t *testing.T, p *peertest.Proxy) passed {
	out, err := exec.Command("h2load", "-n", "1000", "-c", "10", "-m", "10", "https://127.0.0.1:"+p.Port+"/small.txt").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return passed{get: yes(bytes.Contains(out, []byte("1000 done, 1000 succeeded, 0 failed")) && bytes.Contains(out, []byte("status codes: 1000 2xx")))}
}

// askWithBrowser opens the page, which does the rest.
func askWithBrowser(t *testing.T, p *peertest.Proxy, b *browser, protocol, family string) passed {
	shown, err := b.show(p.URL("/page"))
	// An alternative service is used once it is known to work.
	for n := 0; err == nil && shown.Protocol != protocol && n < 20; n++ {
		shown, err = b.show(p.URL("/page"))
	}
	require.NoError(t, err)
	assert.Equal(t, protocol, shown.Protocol)
	text := ""
	require.Eventually(t, func() bool {
		text, err = b.run(`document.getElementById("result").textContent`)
		return err != nil || text != "waiting"
	}, time.Minute, 100*time.Millisecond)
	require.NoError(t, err)
	var got struct{ Get, Upload, Stream, Events, WebSocket, Fields string }
	require.NoError(t, json.Unmarshal([]byte(text), &got))
	stream := "" // Firefox has none, and Chromium not over HTTP/1.1
	if family == "Chrom" && protocol != "http/1.1" {
		stream = yes(isZeros(strings.TrimPrefix(got.Stream, "200 ")))
	}
	return passed{
		get:       yes(got.Get == "200 "+peertest.Small),
		upload:    yes(isZeros(strings.TrimPrefix(got.Upload, "200 "))),
		stream:    stream,
		events:    yes(got.Events == "event 0, event 1, event 2"),
		websocket: yes(got.WebSocket == "echo of 1000005"),
		named:     yes(names(t, family, got.Fields)),
	}
}
