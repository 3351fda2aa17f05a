package known

import (
	"strconv"
	"strings"
)

// An Agent is who a client says it is in an HTTP request. It is filled by
// whoever has the request; the zero value claims nothing. What is not known is
// left empty, and is then not judged.
type Agent struct {
	Header string // User-Agent as it was sent
	OS     string // "Windows", "macOS", "Linux", "Android", "iOS", "ChromeOS", if a parser of User-Agents has told

	ClientHints string // sec-ch-ua as it was sent
	Platform    string // sec-ch-ua-platform without its quotes
	Headers     string // names of the headers in the order sent, in lower case, with commas between
}

// A claimed is what a User-Agent header comes to.
type claimed struct {
	says    string  // "Chromium 133"
	browser browser // whose TLS stack that program has
	major   int     // version of the engine, or 0
	family  string  // of its hellos, for what is no browser, or WebKitGTK
	nobody  bool    // it begins as all browsers do, and then names none
	old     bool    // a version whose hellos are not of a shape that is known here
}

// The first versions whose hellos have the shape by which their browser is told:
// those before had other cipher suites, no GREASE, or no record_size_limit.
const (
	oldestChromium = 70
	oldestFirefox  = 63
	oldestSafari   = 14 // of iOS, too
)

// claimedBy reads a User-Agent for the engine that it names, which is what
// makes the hello. Brands share an engine: Edge, Opera and Brave are Chromium;
// every browser on iOS has Apple's network stack.
func claimedBy(header string) claimed {
	if !strings.HasPrefix(header, "Mozilla/") {
		return claimedTool(header)
	}
	has := func(s string) bool { return strings.Contains(header, s) }
	switch {
	case has("compatible;"), has(" Edge/"), has("Trident/"), has("SeaMonkey/"), has("Goanna/"):
		return claimed{} // crawlers, and engines whose hellos are not known here
	case has("(iPhone;"), has("(iPad;"), has("(iPod"):
		n, ok := product(header, " OS ")
		return claimed{says: "Safari on iOS", browser: safari, old: ok && n < oldestSafari}
	}
	if n, ok := product(header, "Chrome/"); ok {
		return claimed{says: "Chromium " + strconv.Itoa(n), browser: chromium, major: n, old: n < oldestChromium}
	}
	if n, ok := product(header, " Firefox/"); ok {
		return claimed{says: "Firefox " + strconv.Itoa(n), browser: firefox, major: n, old: n < oldestFirefox}
	}
	switch n, ok := product(header, " Version/"); {
	case ok && has("(Macintosh;") && has(" Safari/"):
		return claimed{says: "Safari " + strconv.Itoa(n), browser: safari, old: n < oldestSafari}
	case ok && has("Linux") && !has("Android") && has(" Safari/"):
		return claimed{says: "WebKitGTK", family: "GnuTLS"}
	}
	if namesNone(header) {
		return claimed{says: "a browser", nobody: true}
	}
	return claimed{}
}

// namesNone reports whether a User-Agent has, but for what stands in brackets,
// no product but Mozilla with a version.
func namesNone(header string) bool {
	_, rest, _ := strings.Cut(header, "/")
	depth := 0
	for i := range len(rest) - 1 {
		switch next := rest[i+1]; {
		case rest[i] == '(':
			depth++
		case rest[i] == ')':
			depth--
		case rest[i] == '/' && depth == 0 && next >= '0' && next <= '9':
			return false
		}
	}
	return true
}

// product returns the major version that follows name in a User-Agent.
func product(header, name string) (int, bool) {
	_, rest, ok := strings.Cut(header, name)
	if !ok {
		return 0, false
	}
	n := 0
	for n < len(rest) && n < 4 && rest[n] >= '0' && rest[n] <= '9' {
		n++
	}
	major, err := strconv.Atoi(rest[:n])
	return major, err == nil
}

// tools are programs by the beginning of their User-Agent.
var tools = [...]struct{ prefix, says, family string }{
	{"curl/", "curl", "OpenSSL+curl"},
	{"Go-http-client/", "Go net/http", "Go"},
	{"quic-go", "quic-go", "Go"},
	{"python-requests/", "Python requests", "Python"},
	{"Python-urllib/", "Python urllib", "Python"},
	{"python-urllib3/", "Python urllib3", "Python"},
	{"python-httpx/", "Python httpx", "Python"},
	{"Python/", "Python aiohttp", "Python"},
	{"Tornado/", "Python tornado", "Python"},
	{"HTTPie/", "HTTPie", "Python"},
	{"node", "Node", "Node"},
	{"undici", "Node undici", "Node"},
	{"axios/", "Node axios", "Node"},
	{"Needle/", "Node needle", "Node"},
	{"got (", "Node got", "Node"},
	{"Java-http-client/", "Java HttpClient", "Java"},
	{"Java/", "Java", "Java"},
	{"Apache-HttpClient/", "Apache HttpClient", "Java"},
	{"okhttp/", "okhttp", "Java"},
	{"Wget/", "wget", "GnuTLS"},
	{"wget2/", "wget2", "GnuTLS"},
	{"Deno/", "Deno", "rustls"},
	{"Bun/", "Bun", "Bun"},
}

func claimedTool(header string) claimed {
	for _, t := range tools {
		if strings.HasPrefix(header, t.prefix) {
			return claimed{says: t.says, family: t.family}
		}
	}
	return claimed{}
}
