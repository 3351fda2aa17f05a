package fingerprint

// A requestTarget has the pseudo-header fields that say what a request asks for.
type requestTarget struct{ method, authority, path http2Value }

func (t *requestTarget) keep(name, value string) {
	switch name {
	case ":method":
		t.method.keep(value)
	case ":authority":
		t.authority.keep(value)
	case ":path":
		t.path.keep(value)
	}
}
