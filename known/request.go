package known

import (
	"strconv"
	"strings"
)

// A Request is what an HTTP request says of the client. The caller fills what it
// knows; empty fields are not judged, and the zero value claims nothing.
type Request struct {
	UserAgent string // User-Agent as it was sent
	OS        string // "Windows", "macOS", "Linux", "Android", "iOS", "ChromeOS"; as a parser of User-Agents reports it

	ClientHints string // sec-ch-ua as it was sent
	Platform    string // sec-ch-ua-platform without its quotes
	Headers     string // names of the headers in the order sent, in lower case, with commas between
}

// A parsedUserAgent is what a User-Agent header says of its client.
type parsedUserAgent struct {
	program string  // "Chromium 133"
	browser browser // whose TLS stack that program has
	major   int     // version of the engine, or 0
	family  string  // of its hellos, for what is no browser, or WebKitGTK
	generic bool    // it begins as all browsers do, and then names none
	tooOld  bool    // a version whose hellos are not of a shape that is known here

	// atLeast says that the version may be older than the browser's: Firefox and others
	// on an iPad name one Safari on a Mac for good, without a name of their own.
	atLeast bool
}

// The first versions whose hellos have the shape by which the browser is recognized:
// earlier ones had other cipher suites, no GREASE, or no record_size_limit.
const (
	oldestChromium = 70
	oldestFirefox  = 63
	oldestSafari   = 14 // of iOS, too
)

// parseUserAgent reads from a User-Agent the browser engine that it names, which
// makes the hello. Brands share an engine: Edge, Opera and Brave are Chromium;
// every browser on iOS uses Apple's network stack.
func parseUserAgent(header string) parsedUserAgent {
	if !strings.HasPrefix(header, "Mozilla/") {
		return parseToolUserAgent(header)
	}
	has := func(s string) bool { return strings.Contains(header, s) }
	switch {
	case has("compatible;"), has(" Edge/"), has("Trident/"), has("SeaMonkey/"), has("Goanna/"):
		return parsedUserAgent{} // crawlers, and engines whose hellos are not known here
	case has("(iPhone;"), has("(iPad;"), has("(iPod"):
		n, ok := product(header, " OS ")
		return parsedUserAgent{program: "Safari on iOS", browser: safari, major: safariVersion(header), tooOld: ok && n < oldestSafari}
	}
	if n, ok := product(header, "Chrome/"); ok {
		return parsedUserAgent{program: "Chromium " + strconv.Itoa(n), browser: chromium, major: n, tooOld: n < oldestChromium}
	}
	if n, ok := product(header, " Firefox/"); ok {
		return parsedUserAgent{program: "Firefox " + strconv.Itoa(n), browser: firefox, major: n, tooOld: n < oldestFirefox}
	}
	switch n, ok := product(header, " Version/"); {
	case ok && has("(Macintosh;") && has(" Safari/"):
		return parsedUserAgent{program: "Safari " + strconv.Itoa(n), browser: safari, major: safariVersion(header), tooOld: n < oldestSafari, atLeast: true}
	case ok && has("Linux") && !has("Android") && has(" Safari/"):
		return parsedUserAgent{program: "WebKitGTK", family: "GnuTLS"}
	}
	if namesNone(header) {
		return parsedUserAgent{program: "a browser", generic: true}
	}
	return parsedUserAgent{}
}

// safariVersion returns the major version of Safari itself, or 0. Other browsers on iOS
// may name an old one for good, and their own after it or before it.
func safariVersion(header string) int {
	_, rest, _ := strings.Cut(header, " Gecko) Version/")
	n, _ := product(rest, "")
	_, rest, _ = strings.Cut(rest, " ")
	if strings.HasPrefix(rest, "Mobile/") {
		_, rest, _ = strings.Cut(rest, " ")
	}
	if !strings.HasPrefix(rest, "Safari/") || strings.Contains(rest, " ") {
		return 0
	}
	return n
}

// namesNone reports whether a User-Agent has no product with a version but
// Mozilla, outside parentheses.
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

// tools are programs, by the beginning of their User-Agent.
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

func parseToolUserAgent(header string) parsedUserAgent {
	for _, t := range tools {
		if strings.HasPrefix(header, t.prefix) {
			return parsedUserAgent{program: t.says, family: t.family}
		}
	}
	return parsedUserAgent{}
}
