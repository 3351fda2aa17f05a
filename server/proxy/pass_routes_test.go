package proxy

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPassRoutes(t *testing.T) {
	rs, err := newPassRoutes([]PassRoute{
		{"Shop.Example.", "127.0.0.1:1"},
		{"*.example", "127.0.0.1:2"},
		{"*.a.example", "127.0.0.1:3"},
		{"", "127.0.0.1:4"},
	})
	require.NoError(t, err)
	for name, want := range map[string]string{
		"shop.example":                          "127.0.0.1:1",
		"SHOP.EXAMPLE.":                         "127.0.0.1:1",
		"other.example":                         "127.0.0.1:2",
		"x.shop.example":                        "127.0.0.1:2",
		"x.a.example":                           "127.0.0.1:3",
		"y.x.a.example":                         "127.0.0.1:3",
		"a.example":                             "127.0.0.1:2",
		"example":                               "127.0.0.1:4",
		".example":                              "127.0.0.1:4",
		"":                                      "127.0.0.1:4",
		".":                                     "127.0.0.1:4",
		"192.0.2.1":                             "127.0.0.1:4",
		"*.example":                             "127.0.0.1:2",
		"example.":                              "127.0.0.1:4",
		"xexample":                              "127.0.0.1:4",
		strings.Repeat("a.", 40000) + "example": "127.0.0.1:4",
	} {
		assert.Equal(t, want, rs.find(name).To, "%.40s", name)
	}
	rs, err = newPassRoutes([]PassRoute{{"shop.example", "127.0.0.1:1"}})
	require.NoError(t, err)
	assert.Nil(t, rs.find("other.example"))
	assert.Nil(t, rs.find(""))
}

func TestPassRoutesOnce(t *testing.T) {
	for _, name := range []string{"", "a.example", "*.example"} {
		_, err := newPassRoutes([]PassRoute{{name, "127.0.0.1:1"}, {strings.ToUpper(name), "127.0.0.1:2"}})
		assert.ErrorContains(t, err, "there are two")
	}
}

func TestParsePassRoute(t *testing.T) {
	for s, want := range map[string]PassRoute{
		"*.example=10.0.0.1:443":        {"*.example", "10.0.0.1:443"},
		"shop.example=unix:/run/a=b":    {"shop.example", "unix:/run/a=b"},
		"127.0.0.1:8443":                {"", "127.0.0.1:8443"},
		"unix:/run/a=b":                 {"", "unix:/run/a=b"},
		"a_b.example=[2001:db8::1]:443": {"a_b.example", "[2001:db8::1]:443"},
		"localhost=backend:443":         {"localhost", "backend:443"},
	} {
		r, err := ParsePassRoute(s)
		require.NoError(t, err, s)
		assert.Equal(t, want, r)
	}
	for s, want := range map[string]string{
		"=127.0.0.1:1":          `the route "=127.0.0.1:1" has no name before its =`,
		"*=127.0.0.1:1":         `the route for "*": a * stands for the first labels only, as in *.example`,
		"a.*.b=127.0.0.1:1":     `the route for "a.*.b": a * stands for the first labels only, as in *.example`,
		"192.0.2.1=127.0.0.1:1": `the route for "192.0.2.1": clients send names, and no addresses`,
		"bücher=127.0.0.1:1":    `the route for "bücher": names of other scripts have the form xn--... in a hello`,
		"a..b=127.0.0.1:1":      `the route for "a..b": it has an empty label`,
		"a/b=127.0.0.1:1":       `the route for "a/b": a name has no '/'`,
		"a=127.0.0.1":           `the backend "127.0.0.1" is not host:port or unix:/path`,
		"a=127.0.0.1:0":         `the backend "127.0.0.1:0": "0" is no port`,
		"a=:443":                `the backend ":443" has no host`,
		"a=http://b:443":        `the backend "http://b:443" is not host:port or unix:/path`,
		"a=unix:run":            `the backend "unix:run": the path of a socket begins with /`,
		"a=":                    `the backend "" is not host:port or unix:/path`,
	} {
		_, err := ParsePassRoute(s)
		assert.EqualError(t, err, want)
	}
}
