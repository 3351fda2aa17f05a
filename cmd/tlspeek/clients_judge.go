package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/tlspeek/tlspeek/capture"
	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/clientfile"
	"github.com/tlspeek/tlspeek/internal/jsonw"
	"github.com/tlspeek/tlspeek/known"
)

// maxJudgeLine is the longest line that clients judge reads, in bytes: a hello of 64 KiB
// in hex, and its request.
const maxJudgeLine = 1 << 20

func clientsJudgeCommand(file *string) *cobra.Command {
	return &cobra.Command{
		Use:   "judge [FILE...]",
		Short: "Judge hellos with what their clients say they are",
		Long: `Read hellos as JSON lines, from files or standard input, and print a JSON line for
each: its id, and client, tells and claim as an Event has them.

The keys of a line, of which only hello is required:

  id              any JSON value, which is printed again
  hello           the handshake message, or the records or QUIC Initials, in hex
  transport       tls, quic or dtls; tls for a bare message
  hello_index     2 for the hello after a HelloRetryRequest; 1 otherwise
  record_version  of the record that the hello begins in: "0301"
  http2           the HTTP/2 fingerprint in Akamai's format
  http2_wire      how HTTP/2 is written, as an Event has it
  http3           the HTTP/3 fingerprint, in the format of pingly, fp.impersonate.pro or browserleaks.com
  user_agent      the User-Agent of the first request
  headers         its header fields in their order: names, "name: value", or pairs
                  of name and value; User-Agent, Sec-CH-UA and Sec-CH-UA-Platform count
  date            when it was sent: "2026-11-30" or with a time, as RFC 3339 has it

Other keys are ignored, and a null is no value. A line without an id has its number
in the output, as line. handshake_hex, proto, h2 and h2_akamai are other names of hello,
transport and http2. A line that cannot be judged gives {"id":...,"line":...,"error":...},
and the next one is read; the exit status is 1 then.`,
		Example: `  tlspeek clients judge hellos.jsonl
  echo '{"id":1,"hello":"0100...","user_agent":"curl/8.5.0"}' | tlspeek clients judge`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			users, err := clientfile.Database(*file)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				args = []string{"-"}
			}
			j := judge{observer: event.Observer{Clients: users}, out: bufio.NewWriter(cmd.OutOrStdout())}
			for _, name := range args {
				if err := j.file(name, cmd.InOrStdin()); err != nil {
					return err
				}
			}
			if err := j.out.Flush(); err != nil {
				return err
			}
			if j.failed > 0 {
				return fmt.Errorf("%d of %d lines could not be judged: see error in the output", j.failed, j.lines)
			}
			return nil
		},
	}
}

// A judge judges lines.
type judge struct {
	observer      event.Observer
	event         event.Event
	out           *bufio.Writer
	buf           []byte
	lines, failed int // in all files
}

func (j *judge) file(name string, stdin io.Reader) error {
	r := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		r = f
	}
	in := bufio.NewReaderSize(r, maxJudgeLine)
	if first, err := in.Peek(1); err == nil && first[0] != '{' {
		format, all, _ := capture.Detect(in)
		if format != capture.FormatUnknown {
			return fmt.Errorf("%s is a capture: give JSON lines; scan --full judges the hellos of a capture", orStdin(name))
		}
		in = bufio.NewReaderSize(all, maxJudgeLine)
	}
	for n := 1; ; n++ {
		line, err := in.ReadSlice('\n')
		tooLong := errors.Is(err, bufio.ErrBufferFull)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = in.ReadSlice('\n')
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		switch line = bytes.TrimSpace(line); {
		case tooLong:
			j.fail(nil, n, fmt.Errorf("longer than %d bytes", maxJudgeLine))
		case len(line) > 0:
			j.line(line, n)
		}
		if in.Buffered() == 0 { // the next line may be long in coming
			if err := j.out.Flush(); err != nil {
				return err
			}
		}
		if err != nil {
			return nil
		}
	}
}

// line judges a line, whose number is n.
func (j *judge) line(line []byte, n int) {
	var q question
	if err := json.Unmarshal(line, &q); err != nil {
		if bad := (*json.UnmarshalTypeError)(nil); errors.As(err, &bad) {
			err = typeError(bad)
		}
		var named struct{ ID json.RawMessage }
		_ = json.Unmarshal(line, &named) // the id may come after what is wrong
		j.fail(named.ID, n, err)
		return
	}
	o, err := q.observation()
	if err != nil {
		j.fail(q.ID, n, err)
		return
	}
	j.lines++
	e := &j.event
	j.observer.Fill(e, o, event.Full)
	b := append(j.buf[:0], '{')
	if len(q.ID) > 0 {
		b = append(append(b, `"id":`...), q.ID...)
	} else {
		b = strconv.AppendInt(append(b, `"line":`...), int64(n), 10)
	}
	b = jsonw.List(b, jsonw.KeyOf("client"), e.Client, (*known.Candidate).AppendJSON)
	b = jsonw.List(b, jsonw.KeyOf("tells"), e.Tells, (*known.Tell).AppendJSON)
	if e.Claim != nil {
		b = e.Claim.AppendJSON(jsonw.KeyOf("claim").Begin(b))
	}
	j.buf = append(b, "}\n"...)
	_, _ = j.out.Write(j.buf) // Flush returns the error
}

// typeError says what a value of the wrong type is, without the types of Go.
func typeError(bad *json.UnmarshalTypeError) error {
	switch {
	case bad.Field == "":
		return fmt.Errorf("a JSON %s, not an object", bad.Value)
	case bad.Type.Kind() == reflect.Int:
		return fmt.Errorf("%s: a JSON %s is neither 1 nor 2", bad.Field, bad.Value) // hello_index is the only one
	}
	return fmt.Errorf("%s: a JSON %s, not a %s", bad.Field, bad.Value, bad.Type)
}

// fail writes why the line n cannot be judged.
func (j *judge) fail(id json.RawMessage, n int, err error) {
	j.lines++
	j.failed++
	b := append(j.buf[:0], '{')
	if len(id) > 0 {
		b = append(append(append(b, `"id":`...), id...), ',')
	}
	b = strconv.AppendInt(append(b, `"line":`...), int64(n), 10)
	b = jsonw.KeyOf("error").Quoted(b, err.Error())
	j.buf = append(b, "}\n"...)
	_, _ = j.out.Write(j.buf)
}
