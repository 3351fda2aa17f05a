package proxy

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseBackend(t *testing.T) {
	for _, c := range []struct{ in, scheme, host, network, address, path string }{
		{"http://127.0.0.1:8080", "http", "127.0.0.1:8080", "tcp", "127.0.0.1:8080", ""},
		{"http://app", "http", "app", "tcp", "app:80", ""},
		{"http://app/", "http", "app", "tcp", "app:80", ""},
		{"HTTP://App:81/base/", "http", "App:81", "tcp", "App:81", "/base"},
		{"http://app/a%2Fb", "http", "app", "tcp", "app:80", "/a%2Fb"},
		{"https://[::1]", "https", "[::1]", "tcp", "[::1]:443", ""},
		{"h2c://grpc:50051", "http", "grpc:50051", "tcp", "grpc:50051", ""},
		{"unix:/run/app.sock", "http", "localhost", "unix", "/run/app.sock", ""},
		{"unix:///run/app.sock", "http", "localhost", "unix", "/run/app.sock", ""},
		{"unix+h2c:/run/app.sock", "http", "localhost", "unix", "/run/app.sock", ""},
	} {
		b, err := ParseBackend(c.in)
		require.NoError(t, err, c.in)
		assert.Equal(t, c.in, b.String())
		assert.Equal(t, c.scheme, b.scheme, c.in)
		assert.Equal(t, c.host, b.host, c.in)
		assert.Equal(t, c.network, b.network, c.in)
		assert.Equal(t, c.address, b.address, c.in)
		assert.Equal(t, c.path, b.path.EscapedPath(), c.in)
		assert.Equal(t, len(c.in) > 5 && (c.in[:3] == "h2c" || c.in[:5] == "unix+"), b.h2c, c.in)
	}
	for in, want := range map[string]string{
		"":                      `backend "": no scheme: http://?`,
		"127.0.0.1:8080":        `backend "127.0.0.1:8080": no scheme: http://127.0.0.1:8080?`,
		"localhost:8080":        `backend "localhost:8080": no scheme: http://localhost:8080?`,
		"ftp://app":             `backend "ftp://app": the scheme is none of http, https, h2c, unix and unix+h2c`,
		"http://":               `backend "http://": no valid host`,
		"http:app":              `backend "http:app": no valid host`,
		"http://a_b c":          `backend "http://a_b c": invalid character " " in host name`,
		"http://app:0":          `backend "http://app:0": the port is not from 1 to 65535`,
		"http://app:65536":      `backend "http://app:65536": the port is not from 1 to 65535`,
		"http://app:http":       `backend "http://app:http": invalid port ":http" after host`,
		"http://me:pw@app":      `backend "http://me:pw@app": remove the user`,
		"http://app?x":          `backend "http://app?x": remove the query`,
		"http://app?":           `backend "http://app?": remove the query`,
		"http://app#x":          `backend "http://app#x": remove the fragment`,
		"http://app/#":          `backend "http://app/#": remove the fragment`,
		"http://app/a/../b":     `backend "http://app/a/../b": the path has . or .. in it`,
		"http://app/%2e%2e/b":   `backend "http://app/%2e%2e/b": the path has . or .. in it`,
		"unix:":                 `backend "unix:": not the absolute path of a Unix socket`,
		"unix:app.sock":         `backend "unix:app.sock": not the absolute path of a Unix socket`,
		"unix+h2c://app.sock":   `backend "unix+h2c://app.sock": not the absolute path of a Unix socket`,
		"unix:/":                `backend "unix:/": not the absolute path of a Unix socket`,
		"http://[fe80::1%25e0]": `backend "http://[fe80::1%25e0]": no valid host`,
	} {
		_, err := ParseBackend(in)
		assert.EqualError(t, err, want)
	}
}

func TestParseRoute(t *testing.T) {
	for in, want := range map[string][2]string{
		"shop.example=http://app":          {"shop.example", ""},
		"Shop.Example.=http://app":         {"shop.example", ""},
		"shop.example/=http://app":         {"shop.example", ""},
		"shop.example/a/b=http://app":      {"shop.example", "/a/b"},
		"shop.example/a%20b/=http://app":   {"shop.example", "/a b"},
		"/api=http://app/x=y":              {"", "/api"},
		"*.example=http://app":             {"*.example", ""},
		"*.shop.example/api=h2c://app:1":   {"*.shop.example", "/api"},
		"bücher.example=http://app":        {"xn--bcher-kva.example", ""},
		"under_score.example=http://app":   {"under_score.example", ""},
		"127.0.0.1=http://app":             {"127.0.0.1", ""},
		"[2001:DB8:0::1]/x=http://app":     {"[2001:db8::1]", "/x"},
		"/a%2Cb/%2A=http://app":            {"", "/a,b/*"},
		"/a*/b=http://app":                 {"", "/a*/b"},
		"/.well-known/acme=http://app":     {"", "/.well-known/acme"},
		"localhost/a=unix:/run/app=1.sock": {"localhost", "/a"},
	} {
		r, err := ParseRoute(in)
		require.NoError(t, err, in)
		assert.Equal(t, want, [2]string{r.Host, r.Path}, in)
		assert.NotNil(t, r.Backend)
	}
	for in, want := range map[string]string{
		"http://app":             `route "http://app": not host/path=URL`,
		"=http://app":            `route "=http://app": neither host nor path: that is the default backend`,
		"/=http://app":           `route "/=http://app": for every host and path: that is the default backend`,
		"a.*.b=http://app":       `route "a.*.b=http://app": a wildcard is the whole first label: *.example; for every host, write the path alone`,
		"*=http://app":           `route "*=http://app": a wildcard is the whole first label: *.example; for every host, write the path alone`,
		"*.=http://app":          `route "*.=http://app": no valid host`,
		"shop.example:443=http:": `route "shop.example:443=http:": write the host without scheme and port, such as shop.example`,
		"https://a.b=http://app": `route "https://a.b=http://app": write the host without scheme and port, such as shop.example`,
		"/api/*=http://app":      `route "/api/*=http://app": a path is for all below it: write /api in the place of /api/*, and %2A for an asterisk`,
		"a.b/api*=http://app":    `route "a.b/api*=http://app": a path is for all below it: write /api in the place of /api/*, and %2A for an asterisk`,
		"a b=http://app":         `route "a b=http://app": no valid host`,
		"/a?b=http://app":        `route "/a?b=http://app": a path without query and fragment`,
		"/a/../b=http://app":     `route "/a/../b=http://app": a path without empty segments, dots and parameters`,
		"//b=http://app":         `route "//b=http://app": a path without empty segments, dots and parameters`,
		"/a;b=http://app":        `route "/a;b=http://app": a path without empty segments, dots and parameters`,
		"/%zz=http://app":        `route "/%zz=http://app": invalid URL escape "%zz"`,
		"shop.example=app":       `route "shop.example=app": backend "app": no scheme: http://app?`,
	} {
		_, err := ParseRoute(in)
		assert.EqualError(t, err, want)
	}
}

// tableOf has a target for each route, with the route as its name.
func tableOf(t testing.TB, routes ...string) *routeTable {
	table := &routeTable{exact: make(map[string][]*target), below: make(map[string][]*target)}
	for _, s := range routes {
		b, err := ParseBackend("http://app")
		require.NoError(t, err)
		r := Route{Backend: b}
		if s != "default" {
			r, err = ParseRoute(s + "=http://app")
			require.NoError(t, err)
		}
		assert.Equal(t, s, r.String())
		table.add(&target{r, s, nil})
	}
	return table
}

func TestRoutes(t *testing.T) {
	table := tableOf(t, "/api", "default", "shop.example/api", "shop.example/api/v2", "*.example", "*.deep.example/x", "*.deep.example", "[2001:db8::1]")
	for _, c := range []struct{ host, path, want string }{
		{"shop.example", "/api", "shop.example/api"},
		{"shop.example", "/api/", "shop.example/api"},
		{"shop.example", "/api/v2/x", "shop.example/api/v2"},
		{"shop.example", "/api/v22", "shop.example/api"},
		{"shop.example", "/apis", "*.example"},
		{"SHOP.example.:8443", "/api", "shop.example/api"},
		{"other.example", "/api", "*.example"},
		{"a.b.example", "/", "*.example"},
		{"example", "/api/x", "/api"},
		{"example", "/", "default"},
		{"", "/api", "/api"},
		{"a.deep.example", "/x/y", "*.deep.example/x"},
		{"a.deep.example", "/y", "*.deep.example"},
		{"deep.example", "/x", "*.example"},
		{"[2001:db8:0::1]:443", "/", "[2001:db8::1]"},
		{"shop.example", "", "*.example"},
	} {
		to, ok := table.resolve(routeHost(c.host), c.path)
		require.True(t, ok)
		assert.Equal(t, c.want, to.name, "%s%s", c.host, c.path)
	}
	to, ok := tableOf(t, "shop.example/api").resolve("shop.example", "/")
	assert.True(t, ok)
	assert.Nil(t, to)
}

// TestPathsLeadNowhereElse: no way of writing a path gets it to a backend that reads it
// as another route's.
func TestPathsLeadNowhereElse(t *testing.T) {
	table := tableOf(t, "/api", "/a b", "default", "plain.example")
	for path, want := range map[string]string{
		"/api/x": "/api", "/%61pi/x": "/api", "/api%2Fx": "/api", "/api/group%2Fproject": "/api", "/api//x": "/api", "/api/x;y=1": "/api", "/api;y/x": "",
		"/": "default", "/x": "default", "/x//y": "default", "/x;y/z": "default", "/.well-known/x": "default", "/...": "default", "/x/.y": "default", "/100%25": "default",
		"/API": "default", "/a%20b/c": "/a b", "/a+b": "default",
		"//api": "", "/x/../api": "", "/./api": "", "/api/../x": "", "/api/..": "", "/%2e%2e/api": "", "/x/%2E%2E/api": "", "/x/..%2fapi": "", "/x%2f..%2fapi": "",
		"/%2fapi": "", "/%5capi": "", `/\api`: "", `/x\..\api`: "", "/x/..%5capi": "", "/..;/api": "", "/x/..;a=b/api": "", "/;x/api": "", "/%2561pi": "", "/%252e%252e/api": "", "/x/%25252e./api": "",
		"/api%00x": "", "/api/.": "", "/./": "",
		"/%2561pi/x%25zz": "", "/%252e%252e/api%25zz": "", "/x%25zz/%252e%252e/api": "", "/%252525252561pi/x": "", "/%25252525252525252e./api": "", "/%00/api": "", "/%2500/api": "",
		"/%25%36%31pi": "", "/%25%2561pi": "default", "/x%25zz": "default", "/x%25": "default",
	} {
		u, err := url.ParseRequestURI(path)
		require.NoError(t, err, path)
		to, ok := table.resolve("shop.example", u.Path)
		assert.Equal(t, want != "", ok, path)
		if ok {
			assert.Equal(t, want, to.name, path)
		}
	}
	to, ok := tableOf(t, "default").resolve("shop.example", "/a/../b;c//%2e")
	assert.True(t, ok, "there is nothing to get around")
	assert.Equal(t, "default", to.name)
	to, ok = tableOf(t, "plain.example", "other.example/x").resolve("plain.example", "/a/../x")
	assert.True(t, ok, "the paths are another host's")
	assert.Equal(t, "plain.example", to.name)
	based := tableOf(t, "default")
	based.any[0].Backend.path = url.URL{Path: "/base"}
	for _, path := range []string{"/../secret", "/%2e%2e/secret%zz", "/%2525252e%2e/secret/%", "/\x00/secret"} {
		_, ok = based.resolve("x", path)
		assert.False(t, ok, path)
	}
}

// TestRoutingDoesNotAllocate: that of usual requests.
func TestRoutingDoesNotAllocate(t *testing.T) {
	table := tableOf(t, "/api", "default", "shop.example/api", "*.example")
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		table.resolve(routeHost("shop.example:8443"), "/api/x")
		table.resolve(routeHost("other.example"), "/x")
		table.resolve(routeHost("elsewhere"), "/x")
	}))
}

func TestValidHost(t *testing.T) {
	for _, s := range []string{"a", "shop.example", "shop.example.", "SHOP.example:443", "under_score", "1.2.3.4", "1.2.3.4:80", "[::1]", "[::1]:443", "a:"} {
		assert.True(t, validHost(s), s)
	}
	for _, s := range []string{"", " ", "a b", "a,b", "a/b", "a@b", "a:b", "a:1:2", "a:123456", "::1", "[::1", "[::1]x", "[1.2.3.4]", "[fe80::1%25eth0]", ".a", "a..b", "ü", "a\x00", "a\tb", "a%20b", "a\\b", "a?b", "a#b", "[]", "*", "a;b", "a'b", "(a)"} {
		assert.False(t, validHost(s), s)
	}
}
