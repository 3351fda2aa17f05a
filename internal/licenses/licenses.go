// Package licenses has the licences of what is linked into the program, which every
// copy of it must carry.
package licenses

import _ "embed"

// The generator is a module of its own: the program does not need what it imports.
//
//go:generate go -C gen run . -out ../licenses_gen.txt

// Text has the licence and NOTICE of tlspeek, a list of the modules that it is built
// of, on any system, and their licences in full.
//
//go:embed licenses_gen.txt
var Text string
