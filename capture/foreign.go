package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
)

// maxForeign is how many bytes of a file of unknown format are looked at, to name it.
const maxForeign = 4096

// ErrUnsupported is the error for captures in a format that is not read, but that
// another program converts. The text of the error says how.
var ErrUnsupported = errors.New("a capture in a format that is not read")

// A foreign is a format that is not read.
type foreign struct {
	name   string
	advice string // what to do
	offset int    // of magic
	magic  string
	match  func(b []byte) bool // beside magic, or nil
}

// A foreignError names the format of a file that is not read.
type foreignError struct {
	row *foreign
	err error // ErrUnsupported or ErrFormat
}

func (e *foreignError) Error() string {
	return fmt.Sprintf("this is %s: %s", e.row.name, e.row.advice)
}
func (e *foreignError) Unwrap() error { return e.err }

const (
	useEditcap   = "convert it with editcap -F pcap IN OUT"
	useText2pcap = "convert it with text2pcap IN OUT"
	decompressIt = "decompress it first"
	writePackets = "write the packets themselves, with tshark -w or tcpdump -w"
)

// foreignCaptures are captures, which others convert.
var foreignCaptures = []foreign{
	{"a Microsoft Network Monitor 1 file", useEditcap, 0, "RTSS", nil},
	{"a Microsoft Network Monitor 2 file", useEditcap, 0, "GMBU", nil},
	{"a Sniffer (DOS) file", useEditcap, 0, "TRSNIFF data", nil},
	{"a NetXRay or Sniffer (Windows) file", useEditcap, 0, "XCP\x00", nil},
	{"an EtherPeek or OmniPeek file", useEditcap, 0, "\x7fver", nil},
	{"an AIX iptrace file", useEditcap, 0, "iptrace 1.0", nil},
	{"an AIX iptrace file", useEditcap, 0, "iptrace 2.0", nil},
	{"an Observer file", useEditcap, 0, "ObserverPktBuffe", nil},
	{"a Visual Networks file", useEditcap, 0, "\x05VNF", nil},
	{"an HP-UX nettl file", useEditcap, 0, "TR\x00d", nil},
	{"an InfoVista 5View file", useEditcap, 0, "\xaa\xaa\xaa\xaa", nil},
	{"a LANalyzer file", useEditcap, 6, "Trace Display", nil},
	{"a K12 text file", useEditcap, 0, "+---------+-----", nil},
	{"a Tektronix K12 file", useEditcap, 0, "\x00\x00\x02\x00\x12\x05\x00\x10", nil},
	{"a NetScaler trace", useEditcap, 0, "", isNetScaler},
	{"an Ixia capture", useEditcap, 0, "\xac\x01\x00\x1c", nil},
	{"an Ixia capture", useEditcap, 0, "\xab\x01\x00\x1c", nil},
	{"an Ixia capture", useEditcap, 0, "\x1c\x00\x01\xac", nil},
	{"an Ixia capture", useEditcap, 0, "\x1c\x00\x01\xab", nil},
	{"a Catapult DCT2000 file", useEditcap, 0, "Session Transcript", nil},
	{"an EyeSDN file", useEditcap, 0, "EyeSDN", nil},
	{"an EtherPeek file", useEditcap, 0, "", isEtherPeek},
	{"a TamoSoft CommView file", useEditcap, 0, "", isCommView},
	{"an Endace ERF file", useEditcap, 0, "", isERF},
	{"a Windows event trace (ETL)", "convert it with etl2pcapng IN OUT", 0, "", isEventTrace},
	{"a pcapng file that a transfer as text has damaged", "transfer it again, in binary mode", 0, "\x0a\x0d\x0a", hasByteOrder},
	{"a pcapng file that a transfer as text has damaged", "transfer it again, in binary mode", 0, "\x0d\x0a\x0d\x0d", hasByteOrder},
}

var (
	hexDump     = regexp.MustCompile(`^\s*[0-9a-fA-F]{4,8}:?[ \t]+([0-9a-fA-F]{2} ){4}`)
	tcpdumpText = regexp.MustCompile(`^(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d\.\d+ (IP6? |ARP|[0-9a-f:]{17} > )`)
)

// foreignFiles are no captures, but may have come of one, or hold one.
var foreignFiles = []foreign{
	{"a Bluetooth capture (btsnoop)", "it has no TLS", 0, "btsnoop\x00", nil},
	{"a zip archive", "extract it first", 0, "PK\x03\x04", nil},
	{"an empty zip archive", "there is nothing in it", 0, "PK\x05\x06", nil},
	{"a 7z archive", "extract it first", 0, "7z\xbc\xaf\x27\x1c", nil},
	{"a rar archive", "extract it first", 0, "Rar!\x1a\x07", nil},
	{"a cabinet archive", "extract it first", 0, "MSCF", nil},
	{"a tar archive", "extract it first", 257, "ustar", nil},
	{"compressed by lzip", decompressIt, 0, "LZIP", nil},
	{"compressed by lzop", decompressIt, 0, "\x89LZO", nil},
	{"compressed by compress", decompressIt, 0, "\x1f\x9d", nil},
	{"compressed by lzma", decompressIt, 0, "\x5d\x00\x00", nil},
	{"compressed by snappy", decompressIt, 0, "\xff\x06\x00\x00sNaPpY", nil},
	{"JSON", writePackets, 0, "", func(b []byte) bool {
		b = bytes.TrimLeft(b, " \t\r\n\xef\xbb\xbf")
		return len(b) > 1 && (b[0] == '{' || b[0] == '[') && bytes.ContainsAny(b, `"`)
	}},
	{"XML", writePackets, 0, "<?xml", nil},
	{"text of tcpdump", writePackets, 0, "", tcpdumpText.Match},
	{"a text dump of packets", useText2pcap, 0, "", hexDump.Match},
}

// errorOfFormat returns the error for a file that begins with b, whose format cannot be
// read.
func errorOfFormat(b []byte) error {
	for _, list := range []struct {
		rows []foreign
		err  error
	}{{foreignFiles, ErrFormat}, {foreignCaptures, ErrUnsupported}} {
		for i := range list.rows {
			if list.rows[i].is(b) {
				return &foreignError{&list.rows[i], list.err}
			}
		}
	}
	return fmt.Errorf("%w: begins with % x", ErrFormat, b[:min(len(b), 4)])
}

// is reports whether a file that begins with b has the format.
func (f *foreign) is(b []byte) bool {
	return len(b) >= f.offset+len(f.magic) && string(b[f.offset:f.offset+len(f.magic)]) == f.magic &&
		(f.match == nil || f.match(b))
}

// hasByteOrder reports whether b has the byte-order magic of a pcapng file near its
// start.
func hasByteOrder(b []byte) bool {
	b = b[:min(len(b), 24)]
	return bytes.Contains(b, []byte("\x1a\x2b\x3c\x4d")) || bytes.Contains(b, []byte("\x4d\x3c\x2b\x1a"))
}

func isNetScaler(b []byte) bool {
	b = b[:min(len(b), 128)]
	return bytes.Contains(b, []byte("NetScaler")) && bytes.Contains(b, []byte("Performance Data"))
}

// isEtherPeek reports whether b is the header of EtherPeek's older format: a version,
// a status, seven numbers, and 12 bytes that are 0.
func isEtherPeek(b []byte) bool {
	const reserved, headerLen = 38, 50
	return len(b) >= headerLen && b[0] >= 5 && b[0] <= 7 && binary.BigEndian.Uint32(b[6:]) > 0 &&
		bytes.Equal(b[reserved:headerLen], make([]byte, headerLen-reserved))
}

// isCommView reports whether b begins with the header of a packet in one of CommView's
// formats: a length of 2 bytes, twice, and a version, or one of 4 bytes; then a date.
func isCommView(b []byte) bool {
	isDate := func(b []byte) bool {
		year := binary.LittleEndian.Uint16(b)
		return year >= 1990 && year < 2100 && b[2]-1 < 12 && b[3]-1 < 31 && b[4] < 24 && b[5] < 60 && b[6] < 61
	}
	switch {
	case len(b) < 24:
		return false
	case b[4] == 0 && isDate(b[5:]):
		n := binary.LittleEndian.Uint16(b)
		return n > 0 && n <= binary.LittleEndian.Uint16(b[2:])
	}
	return b[2] == 0 && b[3] == 0 && isDate(b[4:])
}

// isERF reports whether b begins with a record of Endace's and the header of another,
// or is such a record: a time, a type, flags, a length of the record, a counter, and
// the length of the packet. There is no magic number.
func isERF(b []byte) bool {
	const (
		headerLen, mostPadding = 16, 16
		maxType                = 48
		minTime, maxTime       = 631152000, 2208988800 // 1990 and 2040
		day                    = 24 * 60 * 60
	)
	secondsOf := func(b []byte) int64 { return int64(binary.LittleEndian.Uint32(b[4:])) }
	isHeader := func(b []byte) bool {
		if len(b) < headerLen {
			return false
		}
		seconds, typ, flags := secondsOf(b), b[8]&0x7f, b[9]
		length, wire := int(binary.BigEndian.Uint16(b[10:])), int(binary.BigEndian.Uint16(b[14:]))
		return seconds >= minTime && seconds < maxTime && typ > 0 && typ <= maxType && flags&0xc0 == 0 &&
			length > headerLen && wire > 0 && length-headerLen-mostPadding <= wire
	}
	if !isHeader(b) {
		return false
	}
	n := int(binary.BigEndian.Uint16(b[10:]))
	if n >= len(b) {
		return n == len(b)
	}
	apart := int64(day)
	if next := b[n:]; isHeader(next) {
		apart = secondsOf(next) - secondsOf(b)
	}
	return apart > -day && apart < day
}

// isEventTrace reports whether b begins with a buffer of Event Tracing for Windows,
// whose first event describes the log file.
func isEventTrace(b []byte) bool {
	const event = 72 // after the header of the buffer
	return len(b) > event+4 && binary.LittleEndian.Uint32(b)&0x3ff == 0 && binary.LittleEndian.Uint32(b) != 0 &&
		b[event] == 2 && b[event+1] == 0 && (b[event+2] == 1 || b[event+2] == 2) && b[event+3] == 0xc0
}
