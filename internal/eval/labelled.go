package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// A labelled is a hello whose sender is known.
type labelled struct {
	observation known.Observation
	entry       known.Entry // of the sender, without a hello
	file        string
	request     known.Request
	made        bool // the User-Agent of request is not from the capture, but that of the profile
}

// newLabelled returns a labelled whose request is r, with the User-Agent of its profile if
// the sender is an impersonator: who imitates a browser also says that it is that browser.
func newLabelled(o known.Observation, sender known.Entry, file string, r known.Request) labelled {
	l := labelled{observation: o, entry: sender, file: file, request: r}
	if sender.Kind == known.KindImpersonator {
		l.request, l.made = requestAs(l.client(), r)
	}
	return l
}

// client returns the name of the sender with its version, which is a profile's name in the
// database of clients.
func (l *labelled) client() string { return l.entry.Name + " " + l.entry.Version }

func fromEntries(entries []known.Entry) ([]labelled, error) {
	var all []labelled
	for _, e := range entries {
		h, err := e.ModelHello()
		if err != nil {
			return nil, err
		}
		all = append(all, newLabelled(known.Observation{Hello: h, Index: 1, HTTP2: e.HTTP2}, e, e.Source, known.Request{}))
	}
	return all, nil
}

type expectedLine struct {
	File          string `json:"file"`
	N             int    `json:"n"`
	Proto         string `json:"proto"`
	RecordVersion string `json:"record_version"`
	Second        bool   `json:"hrr_second"`
}

type helloLine struct {
	File  string `json:"file"`
	N     int    `json:"n"`
	Proto string `json:"proto"`
	JA4   string `json:"ja4"`
	Hex   string `json:"handshake_hex"`
}

// fromCaptures reads the hellos of a directory of captures. The sender is the built-in
// entry of the same client and version. If there are several, because a program may
// use more than one TLS library, it is the one with the same JA4.
func fromCaptures(dir string, entries []known.Entry) ([]labelled, error) {
	manifest, err := readLines[manifestLine](filepath.Join(dir, "manifest.jsonl"))
	if err != nil {
		return nil, err
	}
	expected, err := readLines[expectedLine](filepath.Join(dir, "expected.jsonl"))
	if err != nil {
		return nil, err
	}
	hellos, err := readLines[helloLine](filepath.Join(dir, "hellos.jsonl"))
	if err != nil {
		return nil, err
	}
	captures := make(map[string]manifestLine)
	for _, m := range manifest {
		captures[strings.TrimPrefix(m.File, "pcap/")] = m
	}
	senders := make(map[string]known.Entry) // by client and version, and by these with the JA4
	for _, e := range entries {
		if m, ok := captures[e.Source]; ok {
			e.Hello = ""
			id := string(m.Client + "\x00" + m.Version)
			senders[id], senders[id+"\x00"+e.JA4] = e, e
		}
	}
	seen := make(map[string]expectedLine)
	for _, e := range expected {
		seen[e.File+"\x00"+strconv.Itoa(e.N)] = e
	}
	var all []labelled
	for _, line := range hellos {
		m := captures[strings.TrimPrefix(line.File, "pcap/")]
		if m.Group == "edge" {
			continue // replays of other clients' hellos
		}
		id := string(m.Client + "\x00" + m.Version)
		e, ok := senders[id+"\x00"+line.JA4]
		if !ok {
			e, ok = senders[id]
		}
		if !ok {
			e = known.Entry{Name: string(m.Client), Version: string(m.Version), Kind: known.ParseKind(string(m.Kind))}
		}
		h, err := parse(line)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", line.File, err)
		}
		x := seen[line.File+"\x00"+strconv.Itoa(line.N)]
		o := known.Observation{Hello: h, Index: 1, HTTP2: string(m.HTTP2)}
		if x.Second {
			o.Index = 2
		}
		if v, err := strconv.ParseUint(x.RecordVersion, 16, 16); err == nil {
			o.RecordVersion = parser.Version(v)
		}
		all = append(all, newLabelled(o, e, m.ID, m.request()))
	}
	return all, nil
}

func parse(line helloLine) (*parser.ClientHello, error) {
	msg, err := hex.DecodeString(line.Hex)
	if err != nil {
		return nil, err
	}
	transport, _ := parser.ParseTransport(line.Proto)
	h := &parser.ClientHello{Transport: transport}
	return h, h.Unmarshal(msg)
}

func readLines[T any](name string) ([]T, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []T
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var v T
		if err := json.Unmarshal(s.Bytes(), &v); err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		all = append(all, v)
	}
	return all, s.Err()
}
