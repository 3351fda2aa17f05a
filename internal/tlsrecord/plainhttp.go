package tlsrecord

// PlainHTTPAnswer returns what to answer to a client that speaks HTTP without TLS, by the
// header of its first record, or rather the bytes in place of one: as net/http does. It
// returns "" if these are no HTTP.
func PlainHTTPAnswer(header [HeaderLen]byte) string {
	switch string(header[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		return "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
	}
	return ""
}
