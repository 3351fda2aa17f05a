package capture

import (
	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/observe"
)

// Observation returns what the capture shows of the hello. The name of the file is
// left to the caller. The Observation shares memory with h, and is valid as long as
// h is.
func (h *Hello) Observation() event.Observation {
	o := event.Observation{
		Time:          h.Time,
		Src:           h.Src,
		Dst:           h.Dst,
		Protocol:      h.protocol,
		SrcMAC:        h.SrcMAC,
		DstMAC:        h.DstMAC,
		Packet:        h.Packet,
		Index:         h.Index,
		RecordVersion: h.RecordVersion,
		Hello:         h.ClientHello,
		Transport:     h.Transport,
		Err:           h.Err,
		Carrier: event.Carrier{
			Records:   h.Records,
			Segments:  h.Segments,
			Datagrams: h.Datagrams,
			Bytes:     len(h.ClientHello.Raw),
			Overlap:   h.Overlap,
			Prefix:    h.Prefix,
		},
	}
	if h.Err != nil {
		o.Received = h.ClientHello.Raw
	}
	for _, l := range h.Encapsulation {
		o.Via = append(o.Via, l.String())
	}
	if h.QUIC != nil {
		if h.initial == nil {
			h.initial = new(fingerprint.QUICInitial)
		}
		*h.initial = observe.Initial(h.QUIC)
		o.QUIC = h.initial
	}
	return o
}
