package clientfile

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/tlspeek/tlspeek/capture"
	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// Entry returns an entry with a hello and where it comes from, but not whose it is.
func Entry(h *parser.ClientHello, source string) known.Entry {
	return known.Entry{
		Transport: h.Transport.String(),
		Hello:     hex.EncodeToString(h.Raw),
		Source:    filepath.Base(source),
	}
}

// FromCapture returns an entry for each hello in a capture of the given name. It skips
// hellos that are malformed, in SSLv2 format or answers to a HelloRetryRequest.
func FromCapture(ctx context.Context, r io.Reader, name string) ([]known.Entry, error) {
	var entries []known.Entry
	_, err := capture.Read(ctx, r, func(h *capture.Hello) error {
		if h.Err == nil && h.Index < 2 && !h.ClientHello.SSLv2 {
			e := Entry(h.ClientHello, name)
			e.Date = h.Time.Format(time.DateOnly)
			entries = append(entries, e)
		}
		return nil
	})
	if err == nil && len(entries) == 0 {
		err = errors.New("no hello in this capture")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return entries, nil
}

// Distinct fills the fingerprints of the entries, which are of one client, and keeps
// one entry for each transport, JA3N, JA4 and way to resume. If such hellos differ in
// the order of their extensions, the client permutes the extensions of all hellos.
func Distinct(entries []known.Entry) ([]known.Entry, error) {
	type id struct{ transport, ja3n, ja4, session string }
	first := make(map[id]string) // JA3
	var kept []known.Entry
	permutes := false
	for _, e := range entries {
		permutes = permutes || e.Permutes
		h, err := e.ParseHello()
		if err != nil {
			return nil, err
		}
		k := id{e.Transport, fingerprint.JA3N(h), fingerprint.JA4(h), fingerprint.SessionOf(h).String()}
		ja3, ok := first[k]
		if !ok {
			first[k] = fingerprint.JA3(h)
			kept = append(kept, e)
			continue
		}
		permutes = permutes || ja3 != fingerprint.JA3(h)
	}
	for i := range kept {
		kept[i].Permutes = permutes
		if err := kept[i].Fingerprint(); err != nil {
			return nil, err
		}
	}
	return kept, nil
}
