// Package http2setting names the settings of HTTP/2.
package http2setting

// Name returns IANA's name of the setting whose identifier is id in decimal
// (RFC 9113, section 6.5.2; RFC 8441; RFC 9218), or "".
func Name(id string) string {
	switch id {
	case "1":
		return "HEADER_TABLE_SIZE"
	case "2":
		return "ENABLE_PUSH"
	case "3":
		return "MAX_CONCURRENT_STREAMS"
	case "4":
		return "INITIAL_WINDOW_SIZE"
	case "5":
		return "MAX_FRAME_SIZE"
	case "6":
		return "MAX_HEADER_LIST_SIZE"
	case "8":
		return "ENABLE_CONNECT_PROTOCOL"
	case "9":
		return "NO_RFC7540_PRIORITIES"
	}
	return ""
}
