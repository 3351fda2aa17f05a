package main

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/tlspeek/tlspeek/known"
)

// A profile is the browser, or the system of a client, that an impersonator copies.
type profile struct {
	browser string // "chrome", "edge", "opera", "firefox", "safari", "okhttp"
	version string // "133", "15.5"
	ios     bool
	android bool
}

// profileNames matches the name of a browser in that of a profile, and its version
// behind it: "chrome133", "HelloChrome_120", "safari_ios_17_0", "safari-17-2-ios".
var profileNames = regexp.MustCompile(`(chrome|chromium|edge|opera|firefox|safari|ios|okhttp)[-_ ]?(?:ios|android|private)?[-_ ]?v?([0-9]+)(?:[-_.]([0-9]+))?`)

// profileOf returns the profile that the name of an impersonator has, as in
// "uTLS HelloChrome_120". It reports whether there is one with a version.
func profileOf(client string) (p profile, ok bool) {
	name := strings.ToLower(client)
	m := profileNames.FindStringSubmatch(name)
	if m == nil {
		return profile{}, false
	}
	p = profile{browser: m[1], version: m[2], ios: strings.Contains(name, "ios") || strings.Contains(name, "ipad"), android: strings.Contains(name, "android")}
	switch p.browser {
	case "chromium":
		p.browser = "chrome"
	case "ios":
		p.browser = "safari"
	}
	if p.browser == "safari" {
		minor := cmp.Or(m[3], "0")
		if m[3] == "" && len(p.version) == 3 { // safari155 is 15.5
			minor, p.version = p.version[2:], p.version[:2]
		}
		p.version += "." + minor
	}
	return p, true
}

// product returns what the User-Agent of the profile has of the browser's version.
func (p *profile) product() string {
	switch p.browser {
	case "edge":
		return "Edg/" + p.version + "."
	case "opera":
		return "OPR/" + p.version + "."
	case "firefox":
		return "Firefox/" + p.version + "."
	case "safari":
		return "Version/" + p.version
	case "okhttp":
		return "okhttp/" + p.version + "."
	}
	return "Chrome/" + p.version + "."
}

// requestAs returns the request of an impersonator with the User-Agent of the profile
// that its name has. made reports that the request had another one.
func requestAs(client string, r known.Request) (as known.Request, made bool) {
	if p, ok := profileOf(client); ok && !p.isClaimedBy(r.UserAgent) {
		r.UserAgent, made = p.userAgent(), true
	}
	return r, made
}

// isClaimedBy reports whether a User-Agent is of the browser and the version of the
// profile.
func (p *profile) isClaimedBy(userAgent string) bool {
	for _, other := range []string{"Edg/", "OPR/"} {
		if p.browser == "chrome" && strings.Contains(userAgent, other) {
			return false
		}
	}
	return strings.Contains(userAgent, p.product())
}

// userAgent returns the User-Agent that the browser of the profile sends.
func (p *profile) userAgent() string {
	chrome := func(version, more string) string {
		system, mobile := "Windows NT 10.0; Win64; x64", ""
		if p.android {
			system, mobile = "Linux; Android 10; K", "Mobile "
		}
		return fmt.Sprintf("Mozilla/5.0 (%s) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%s.0.0.0 %sSafari/537.36%s", system, version, mobile, more)
	}
	switch {
	case p.browser == "okhttp":
		return p.product() + "0.0"
	case p.ios:
		return fmt.Sprintf("Mozilla/5.0 (iPhone; CPU iPhone OS %s like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/%s Mobile/15E148 Safari/604.1",
			strings.ReplaceAll(p.version, ".", "_"), p.version)
	case p.browser == "safari":
		return fmt.Sprintf("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/%s Safari/605.1.15", p.version)
	case p.browser == "firefox":
		return fmt.Sprintf("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:%s.0) Gecko/20100101 Firefox/%s.0", p.version, p.version)
	case p.browser == "edge":
		return chrome(p.version, " Edg/"+p.version+".0.0.0")
	case p.browser == "opera":
		return chrome(operaEngine(p.version), " OPR/"+p.version+".0.0.0")
	}
	return chrome(p.version, "")
}

// operaEngine returns the version of Chromium in a version of Opera, which is 14 more
// from Opera 45 to 113.
func operaEngine(version string) string {
	var n int
	if _, err := fmt.Sscan(version, &n); err != nil {
		return version
	}
	return fmt.Sprint(n + 14)
}
