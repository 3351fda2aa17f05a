// Package http3name names the settings and frames of HTTP/3.
package http3name

// Setting returns the name of the setting whose identifier is id in decimal (IANA's
// registry of HTTP/3 settings, and drafts that clients still speak), or "".
func Setting(id string) string {
	switch id {
	case "1":
		return "QPACK_MAX_TABLE_CAPACITY"
	case "6":
		return "MAX_FIELD_SECTION_SIZE"
	case "7":
		return "QPACK_BLOCKED_STREAMS"
	case "8":
		return "ENABLE_CONNECT_PROTOCOL"
	case "51":
		return "H3_DATAGRAM"
	case "19780":
		return "ENABLE_METADATA"
	case "16765559":
		return "H3_DATAGRAM of draft 04"
	case "727725890":
		return "ENABLE_WEBTRANSPORT of draft 02"
	}
	return ""
}

// Frame returns the name of the frame of a control stream whose type is typ in decimal,
// or "".
func Frame(typ string) string {
	switch typ {
	case "3":
		return "CANCEL_PUSH"
	case "7":
		return "GOAWAY"
	case "12":
		return "ORIGIN"
	case "13":
		return "MAX_PUSH_ID"
	case "984832":
		return "PRIORITY_UPDATE of a request"
	case "984833":
		return "PRIORITY_UPDATE of a push"
	}
	return ""
}
