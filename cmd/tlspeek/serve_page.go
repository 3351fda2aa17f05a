package main

import (
	"github.com/spf13/pflag"

	"github.com/tlspeek/tlspeek/internal/helloinput"
	"github.com/tlspeek/tlspeek/server/page"
)

// pageFlags has the flags of the page.
type pageFlags struct {
	live          bool
	liveAddresses bool
}

func (f *pageFlags) add(flags *pflag.FlagSet) {
	flags.BoolVar(&f.live, "live", false, "show new hellos to everybody at /live")
	flags.BoolVar(&f.liveAddresses, "live-addresses", false, "let watchers of /live see the addresses of clients")
}

// page returns the page for browsers.
func (f *pageFlags) page() *page.Page {
	p := &page.Page{Read: helloinput.Observations}
	if f.live || f.liveAddresses {
		p.Live = &page.Live{Addresses: f.liveAddresses}
	}
	return p
}
