package output

import (
	"bytes"
	"slices"
)

// CSV has an Event as a row of comma-separated values (RFC 4180, but with LF at the
// end of lines), after a row with the names of the columns.
var CSV = &Format{
	Name:      "csv",
	About:     "print CSV, with a header line",
	separator: ',',
	escape:    quoteCSV,
}

// quoteCSV puts the value in dst[start:] into quotes if it needs them.
func quoteCSV(dst []byte, start int) []byte {
	if !bytes.ContainsAny(dst[start:], ",\"\r\n") {
		return dst
	}
	end, more := len(dst), bytes.Count(dst[start:], []byte{'"'})+2
	dst = slices.Grow(dst, more)[:end+more]
	to := len(dst) - 1
	dst[to] = '"'
	for from := end - 1; from >= start; from-- { // backwards, because both overlap
		to--
		if dst[to] = dst[from]; dst[from] == '"' {
			to--
			dst[to] = '"'
		}
	}
	dst[start] = '"'
	return dst
}
