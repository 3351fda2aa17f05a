package known

// An Agent is who a client says it is in its HTTP request. It is read from the
// User-Agent header by whoever has the request; the zero value claims nothing.
type Agent struct {
	Header  string // User-Agent as it was sent
	Name    string // of the program: "Chrome", "Firefox", "curl"
	Version string
	OS      string // "Windows", "macOS", "Linux", "Android", "iOS", or empty

	// ClientHints is the header sec-ch-ua as it was sent, and Platform what
	// sec-ch-ua-platform names.
	ClientHints string
	Platform    string
}
