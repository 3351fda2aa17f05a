package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/quichello"
)

// maxParseInput is how much of a file is read for one hello, in bytes: a hexdump
// of the longest in records of 1 byte.
const maxParseInput = 4 << 20

var (
	errEmpty  = errors.New("empty: give a hello as hex, base64 or bytes")
	errOddHex = errors.New("an odd number of hex digits: one is missing, or one too many")
)

// readInput returns the bytes that r has of a hello, in any form that parse
// takes.
func readInput(r io.Reader) ([]byte, error) {
	input, err := io.ReadAll(io.LimitReader(r, maxParseInput+1))
	switch {
	case err != nil:
		return nil, err
	case len(input) > maxParseInput:
		return nil, fmt.Errorf("more than %d bytes: give one hello", maxParseInput)
	}
	return decodeInput(input)
}

// decodeInput returns the bytes that input stands for: hex, base64, or input
// itself, if it is not text.
func decodeInput(input []byte) ([]byte, error) {
	if !isText(input) {
		return input, nil
	}
	text := strings.TrimSpace(string(input))
	if text == "" {
		return nil, errEmpty
	}
	if b, ok := decodeDump(text); ok {
		return b, nil
	}
	switch b, err := decodeHex(text); {
	case errors.Is(err, hex.ErrLength):
		return nil, errOddHex
	case err == nil && len(b) > 0:
		return b, nil
	}
	compact := strings.TrimRight(strings.NewReplacer("\r", "", "\n", "").Replace(text), "=")
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if b, err := enc.DecodeString(compact); err == nil && len(b) > 0 {
			return b, nil
		}
	}
	return nil, errors.New("text that is neither hex nor base64: give a hello as either, or as bytes")
}

// isText reports whether b is text: ASCII, as hexdump -C writes it, too.
func isText(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf || c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
	}
	return true
}

// decodeHex reads hex digits with blanks, colons, commas, 0x and \x between. The
// error is [hex.ErrLength] if they are hex digits to the last, but not in pairs.
func decodeHex(text string) ([]byte, error) {
	text = strings.NewReplacer("0x", " ", "0X", " ", `\x`, " ", ":", " ", ",", " ", ";", " ", `"`, " ").Replace(text)
	return hex.DecodeString(strings.Join(strings.Fields(text), ""))
}

// decodeDump reads what xxd, hexdump -C and Wireshark print: lines of an
// offset in hex, bytes in hex, and two blanks or a bar before the same bytes as
// text. A line of * stands for as many as the one before it as are missing.
func decodeDump(text string) ([]byte, bool) {
	var b, last []byte
	repeated := false
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		line = strings.TrimRight(line, " \r\t")
		if line == "*" && last != nil {
			repeated = true
			continue
		}
		offset, digits, found := strings.Cut(strings.TrimLeft(line, " \t"), " ")
		at, err := strconv.ParseUint(strings.TrimSuffix(offset, ":"), 16, 32)
		if err == nil && repeated && at <= maxParseInput {
			for len(b) < int(at) {
				b = append(b, last...)
			}
			repeated = false
		}
		if err != nil || len(offset) < 4 || at != uint64(len(b)) {
			return nil, false
		}
		if !found {
			return b, len(b) > 0 && i == len(lines)-1 // hexdump ends with the length
		}
		digits, _, _ = strings.Cut(digits, "|")
		n := len(b)
		for j, group := range strings.Split(strings.TrimLeft(digits, " "), " ") {
			if group == "" && j != 8 { // hexdump has two blanks in the middle of 16 bytes
				break
			}
			data, err := hex.DecodeString(group)
			if err != nil {
				break
			}
			b = append(b, data...)
		}
		if last = b[n:len(b):len(b)]; len(last) == 0 || len(last) > 64 {
			return nil, false
		}
	}
	return b, len(b) > 0
}

// parseHello finds out what b is, and reads the hello in it as far as it can.
func parseHello(b []byte) *parsed {
	version := parser.Version(0)
	if len(b) > 2 {
		version = parser.Version(b[1])<<8 | parser.Version(b[2])
	}
	switch {
	case quichello.IsInitial(b):
		return parseQUIC(b)
	case b[0] == 22 && (version>>8 == 0xfe || version == 0x0100):
		return parseDTLS(b)
	case b[0] >= 20 && b[0] <= 23, len(b) > 3 && b[0]&0x80 != 0 && b[2] == 1:
		return parseRecords(b)
	case b[0] == 1:
		return parseMessage(b)
	}
	return &parsed{errs: []error{fmt.Errorf("first byte 0x%02x begins neither a TLS or DTLS record, nor a ClientHello, nor a QUIC Initial", b[0])}}
}

// parseRecords reads TLS records, or a hello in SSLv2 format.
func parseRecords(b []byte) *parsed {
	var a parser.RecordAssembler
	msg, used, err := a.Next(b)
	form := plural(a.Records(), "TLS record")
	if b[0]&0x80 != 0 {
		form = "SSLv2 format"
	}
	if msg == nil {
		if msg = a.Pending(); err == nil {
			err = fmt.Errorf("the records end at byte %d, before the message does", len(b))
		}
	}
	p := unmarshal(form, parser.TLS, msg, err)
	if rest := len(b) - used; p.errs == nil && rest > 0 && !onlyRecords(b[used:]) {
		p.form += fmt.Sprintf(", and %d bytes after it", rest)
	}
	return p
}

// onlyRecords reports whether b, which follows a message, is more records.
func onlyRecords(b []byte) bool {
	return len(b) > 5 && b[0] >= 20 && b[0] <= 23 && b[1] == 3
}

// parseDTLS reads DTLS records.
func parseDTLS(b []byte) *parsed {
	var a parser.DTLSAssembler
	msg, err := a.Next(b)
	form := plural(a.Records(), "DTLS record")
	if msg == nil {
		if msg = a.Pending(); err == nil {
			err = errors.New("the records do not have all fragments of the message")
		}
	}
	return unmarshal(form, parser.DTLS, msg, err)
}

// parseMessage reads a handshake message.
func parseMessage(b []byte) *parsed {
	const header = 12 // of a DTLS message: with message_seq, fragment_offset and fragment_length
	switch {
	case len(b) > header+1 && b[header] == 0xfe && bytes.Equal(b[1:4], b[9:12]) && bytes.Equal(b[6:9], []byte{0, 0, 0}):
		return unmarshal("DTLS handshake message", parser.DTLS, append(bytes.Clone(b[:4]), b[header:]...), nil)
	case len(b) > 5 && b[4] == 0xfe:
		return unmarshal("DTLS handshake message", parser.DTLS, b, nil)
	}
	return unmarshal("handshake message", parser.TLS, b, nil)
}

// parseQUIC reads a datagram, or several one after the other.
func parseQUIC(b []byte) *parsed {
	var a quichello.Assembler
	hello, err := a.Next(b)
	if hello != nil {
		form := fmt.Sprintf("QUIC version %s, %s, %s", hello.Version, plural(hello.Initials, "Initial"), plural(hello.CryptoFrames, "CRYPTO frame"))
		return unmarshal(form, parser.QUIC, hello.Message, nil)
	}
	if list := a.Pending(); len(list) > 0 {
		if err == nil {
			err = errors.New("the Initial does not have the whole message: append the client's next datagram")
		}
		return unmarshal(fmt.Sprintf("QUIC version %s, %s", list[0].Version, plural(list[0].Initials, "Initial")), parser.QUIC, list[0].Message, err)
	}
	if err == nil {
		err = errors.New("the Initial has no CRYPTO data")
	}
	return &parsed{errs: []error{err}}
}

// unmarshal reads msg, which may be cut because of err.
func unmarshal(form string, transport parser.Transport, msg []byte, err error) *parsed {
	p := &parsed{form: form}
	if err != nil {
		p.errs = []error{err}
		if len(msg) == 0 {
			return p
		}
	}
	p.hello = &parser.ClientHello{Transport: transport}
	if err := p.hello.Unmarshal(msg); err != nil {
		p.errs = append(p.errs, err)
	}
	for _, e := range p.hello.Extensions {
		if e.Err != nil {
			p.errs = append(p.errs, fmt.Errorf("extension %s: %w", e.Type, e.Err))
		}
	}
	return p
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
