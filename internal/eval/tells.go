package main

import (
	"io"

	"github.com/tlspeek/tlspeek/fingerprint"
)

func (l *labelled) setJA4() { l.entry.JA4 = fingerprint.JA4(l.observation.Hello) }

func tells(w io.Writer, all []labelled, verbose bool) error { return nil }
