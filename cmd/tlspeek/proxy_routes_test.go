package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRoutesOfTheEnvironment: several texts are separated by commas or newlines, and none of
// them is lost.
func TestRoutesOfTheEnvironment(t *testing.T) {
	clearEnvironment(t)
	for value, want := range map[string][]string{
		"/a=http://b:1":                          {"/a=http://b:1"},
		"/a=http://b:1,/c=unix:/d":               {"/a=http://b:1", "/c=unix:/d"},
		"/a=http://b:1, /c=unix:/d ,":            {"/a=http://b:1", "/c=unix:/d"},
		"/a=http://b:1\n/c=unix:/d\n":            {"/a=http://b:1", "/c=unix:/d"},
		"\n  /a=http://b:1\r\n\n  /c=unix:/d,\n": {"/a=http://b:1", "/c=unix:/d"},
		`"/a,b=http://c:1"`:                      {"/a,b=http://c:1"},
		"":                                       nil,
	} {
		t.Setenv("TLSPEEK_ROUTE", value)
		cmd := proxyCommand()
		require.NoError(t, fromEnvironment(cmd.Flags()), "%q", value)
		assert.Equal(t, want, cmd.Flags().Lookup("route").Value.(pflag.SliceValue).GetSlice(), "%q", value)
	}
	t.Setenv("TLSPEEK_ROUTE", "/of=http://env:1")
	t.Setenv("TLSPEEK_TRUSTED_PROXIES", "10.0.0.0/8\n192.0.2.1")
	t.Setenv("TLSPEEK_ACME", "a.example\nb.example")
	cmd := proxyCommand()
	require.NoError(t, cmd.Flags().Parse([]string{"--route", "/a=http://b:1", "--route", "/c=http://d:1"}))
	require.NoError(t, fromEnvironment(cmd.Flags()))
	for name, want := range map[string]string{
		"route": "/a=http://b:1,/c=http://d:1", "trusted-proxies": "10.0.0.0/8,192.0.2.1", "acme": "a.example,b.example",
	} {
		assert.Equal(t, want, cmd.Flags().Lookup(name).Value.String())
	}
	t.Setenv("TLSPEEK_ACME", `a"b`)
	assert.ErrorContains(t, fromEnvironment(serveCommand().Flags()), "TLSPEEK_ACME: ")
}

// TestProxyRefusesRoutes: what cannot be served is refused with the flags, with --check and at
// the start alike.
func TestProxyRefusesRoutes(t *testing.T) {
	clearEnvironment(t)
	for _, c := range []struct {
		want string
		args []string
	}{
		{`--route "/api/=http://b:1": there is another route for /api`, []string{"--route", "/api=http://a:1", "--route", "/api/=http://b:1"}},
		{`--route "SHOP.example.=http://b:1": there is another route for shop.example`, []string{"--route", "shop.example=http://a:1,SHOP.example.=http://b:1"}},
		{`--route "A.example.=b:1": there is another route for a.example`, []string{"--pass", "--route", "a.example=a:1", "--route", "A.example.=b:1"}},
		{`--route "*.Example=b:1": there is another route for *.example`, []string{"--pass", "--route", "*.example=a:1\n*.Example=b:1"}},
		{`--to "b:1": there is another route for all other names`, []string{"--pass", "--route", "a:1", "--to", "b:1"}},
		{`--to "a.example=b:1": has a name: use --route`, []string{"--pass", "--to", "a.example=b:1"}},
		{`--route "shop.example=127.0.0.1:1": backend "127.0.0.1:1": no scheme`, []string{"--route", "shop.example=127.0.0.1:1"}},
		{`--to "127.0.0.1:1": no scheme`, []string{"--to", "127.0.0.1:1"}},
		{`--route "/api/*=http://a:1": a path is for all below it`, []string{"--route", "/api/*=http://a:1"}},
		{`--to "https://127.0.0.1:65533": is the address of --listen`, []string{"--to", "https://127.0.0.1:65533"}},
		{`--route "/a=http://localhost:65533": the backend is the address of --listen`, []string{"--route", "/a=http://localhost:65533"}},
		{`--to "127.0.0.1:65533": the backend is the address of --listen`, []string{"--pass", "--to", "127.0.0.1:65533"}},
	} {
		args := append([]string{"proxy", "--listen", "127.0.0.1:65533", "--state-dir", t.TempDir()}, c.args...)
		var out bytes.Buffer
		assert.Equal(t, 1, run(args, strings.NewReader(""), io.Discard, &out), c.want)
		assert.Contains(t, out.String(), c.want)
		assert.NotContains(t, out.String(), "listening on", c.want)
		out.Reset()
		assert.Equal(t, 1, run(append(args, "--check"), strings.NewReader(""), &out, io.Discard), c.want)
		assert.Contains(t, strings.Join(strings.Fields(out.String()), " "), "problem flags "+c.want)
	}
}

func TestIsOwn(t *testing.T) {
	for _, c := range []struct {
		listen, backend string
		want            bool
	}{
		{"127.0.0.1:443", "127.0.0.1:443", true},
		{"127.0.0.1:443", "127.0.0.1:444", false},
		{"127.0.0.1:443", "127.0.0.2:443", false},
		{"127.0.0.1:443", "localhost:443", true},
		{"localhost:443", "127.0.0.1:443", true},
		{"localhost:443", "LocalHost:443", true},
		{"localhost:443", "192.0.2.1:443", false},
		{":443", "127.0.0.1:443", true},
		{":443", "[::1]:443", true},
		{":443", "0.0.0.0:443", true},
		{":443", "10.0.0.1:443", false}, // may be another machine
		{":443", "shop.example:443", false},
		{"[::]:443", "127.0.0.1:443", true},
		{"0.0.0.0:443", "127.0.0.1:443", true},
		{"0.0.0.0:443", "[::1]:443", false},
		{"192.0.2.1:443", "127.0.0.1:443", false},
		{"192.0.2.1:443", "192.0.2.1:443", true},
		{"[2001:db8::1]:443", "[2001:db8:0::1]:443", true},
		{"proxy.example:443", "Proxy.example:443", true},
		{"127.0.0.1:0", "127.0.0.1:0", false},
		{":https", "127.0.0.1:443", true},
		{":nonsense", "127.0.0.1:443", false},
		{"systemd", "127.0.0.1:443", false},
		{":443", "unix:/run/app.sock", false},
	} {
		assert.Equal(t, c.want, isOwn(c.listen, c.backend), "%s %s", c.listen, c.backend)
	}
}
