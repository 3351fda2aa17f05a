package helloinput

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/observe"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/quichello"
)

// A Parsed is what Parse found in its input.
type Parsed struct {
	Form  string                   // of the input, such as "2 TLS records"
	Hello *parser.ClientHello      // nil if there is no message
	QUIC  *fingerprint.QUICInitial // of a whole hello in QUIC Initials; otherwise nil
	Errs  []error                  // also those of extensions, which come last
}

// FramingErr returns the errors of p that are not those of single extensions. That of
// the message comes first, and has an offset in the message. Hello must not be nil.
func (p *Parsed) FramingErr() error {
	malformed := 0
	for i := range p.Hello.Extensions {
		if p.Hello.Extensions[i].Err != nil {
			malformed++
		}
	}
	err := p.Hello.Unmarshal(p.Hello.Raw)
	for _, e := range p.Errs[:len(p.Errs)-malformed] {
		switch {
		case err == nil:
			err = e
		case err.Error() != e.Error():
			err = fmt.Errorf("%w; %w", err, e)
		}
	}
	return err
}

// Parse finds the form of b, which is not empty, and reads the hello in it. If
// something is wrong with it, Parse reads as much as it can.
func Parse(b []byte) *Parsed {
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
	return &Parsed{Errs: []error{fmt.Errorf("first byte 0x%02x begins neither a TLS or DTLS record, nor a ClientHello, nor a QUIC Initial", b[0])}}
}

// parseRecords reads TLS records or a hello in SSLv2 format.
func parseRecords(b []byte) *Parsed {
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
	p := Message(form, parser.TLS, msg, err)
	if rest := len(b) - used; p.Errs == nil && rest > 0 && !onlyRecords(b[used:]) {
		p.Form += fmt.Sprintf(", and %d bytes after it", rest)
	}
	return p
}

// onlyRecords reports whether b, which follows a message, begins with a record.
func onlyRecords(b []byte) bool {
	return len(b) > 5 && b[0] >= 20 && b[0] <= 23 && b[1] == 3
}

// parseDTLS reads DTLS records.
func parseDTLS(b []byte) *Parsed {
	var a parser.DTLSAssembler
	msg, err := a.Next(b)
	form := plural(a.Records(), "DTLS record")
	if msg == nil {
		if msg = a.Pending(); err == nil {
			err = errors.New("the records do not have all fragments of the message")
		}
	}
	return Message(form, parser.DTLS, msg, err)
}

// parseMessage reads a handshake message of TLS or DTLS.
func parseMessage(b []byte) *Parsed {
	const header = 12 // of a DTLS message: with message_seq, fragment_offset and fragment_length
	switch {
	case len(b) > header+1 && b[header] == 0xfe && bytes.Equal(b[1:4], b[9:12]) && bytes.Equal(b[6:9], []byte{0, 0, 0}):
		return Message("DTLS handshake message", parser.DTLS, append(bytes.Clone(b[:4]), b[header:]...), nil)
	case len(b) > 5 && b[4] == 0xfe:
		return Message("DTLS handshake message", parser.DTLS, b, nil)
	}
	return Message("handshake message", parser.TLS, b, nil)
}

// parseQUIC reads one or more datagrams, one after the other.
func parseQUIC(b []byte) *Parsed {
	var a quichello.Assembler
	hello, err := a.Next(b)
	if hello != nil {
		form := fmt.Sprintf("QUIC version %s, %s, %s", hello.Version, plural(hello.Initials, "Initial"), plural(hello.CryptoFrames, "CRYPTO frame"))
		p := Message(form, parser.QUIC, hello.Message, nil)
		if err == nil {
			initial := observe.Initial(hello)
			p.QUIC = &initial
		}
		return p
	}
	if list := a.Pending(); len(list) > 0 {
		if err == nil {
			err = errors.New("the Initial does not have the whole message: append the client's next datagram")
		}
		return Message(fmt.Sprintf("QUIC version %s, %s", list[0].Version, plural(list[0].Initials, "Initial")), parser.QUIC, list[0].Message, err)
	}
	if err == nil {
		err = errors.New("the Initial has no CRYPTO data")
	}
	return &Parsed{Errs: []error{err}}
}

// Message reads a handshake message of the given form. With err it may be truncated.
func Message(form string, transport parser.Transport, msg []byte, err error) *Parsed {
	p := &Parsed{Form: form}
	if err != nil {
		p.Errs = []error{err}
		if len(msg) == 0 {
			return p
		}
	}
	p.Hello = &parser.ClientHello{Transport: transport}
	if err := p.Hello.Unmarshal(msg); err != nil {
		p.Errs = append(p.Errs, err)
	}
	for _, e := range p.Hello.Extensions {
		if e.Err != nil {
			p.Errs = append(p.Errs, fmt.Errorf("extension %s: %w", e.Type, e.Err))
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
