package observe_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/capture"
	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/internal/observe"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/quichello"
)

// quicHello returns a hello of which everything that an Observation can have is set.
// Its connection IDs are those of a capture of quic-go.
func quicHello(t *testing.T) *quichello.Hello {
	file, err := os.Open(filepath.Join(hellotest.Dir(), "captures", "quic-go.pcap"))
	require.NoError(t, err)
	defer file.Close()
	q := &quichello.Hello{
		Index: 2, Version: quichello.Version2, TokenLen: 30, PacketNumber: 40, PacketNumberLen: 3,
		FrameTypes: []byte{6}, Datagrams: 50, Initials: 60, OutOfOrder: true,
	}
	_, err = capture.Read(t.Context(), file, func(h *capture.Hello) error {
		q.Message, q.DCID, q.SCID = slices.Clone(h.QUIC.Message), h.QUIC.DCID, h.QUIC.SCID
		return nil
	})
	require.NoError(t, err)
	require.NotEmpty(t, q.Message)
	require.NotEqual(t, q.DCID.Len(), q.SCID.Len())
	return q
}

// TestInitialHasEveryField names a field that Initial leaves out.
func TestInitialHasEveryField(t *testing.T) {
	q := quicHello(t)
	initial := observe.Initial(q)
	v := reflect.ValueOf(initial)
	for i := range v.NumField() {
		assert.False(t, v.Field(i).IsZero(), "Initial leaves out %s", v.Type().Field(i).Name)
	}
	assert.Equal(t, fingerprint.QUICInitial{
		Version: uint32(quichello.Version2), DCIDLen: q.DCID.Len(), SCIDLen: q.SCID.Len(), TokenLen: 30, PacketNumber: 40, PacketNumberLen: 3,
		FrameTypes: []byte{6}, Initials: 60, OutOfOrder: true,
	}, initial)
}

func TestQUIC(t *testing.T) {
	q := quicHello(t)
	var o event.Observation
	var h parser.ClientHello
	observe.QUIC(&o, &h, q)
	initial := observe.Initial(q)
	assert.Equal(t, event.Observation{
		Index:     2,
		Carrier:   event.Carrier{Datagrams: 50, Bytes: len(q.Message)},
		QUIC:      &initial,
		Hello:     &h,
		Transport: parser.QUIC,
	}, o)
	assert.Equal(t, q.Message, h.Raw)
}

func TestMessageThatCannotBeRead(t *testing.T) {
	msg := make([]byte, observe.MaxSeen+1)
	o := event.Observation{}
	observe.Message(&o, &parser.ClientHello{Transport: parser.DTLS}, msg)
	assert.ErrorIs(t, o.Err, parser.ErrNotHello)
	o.Err = nil
	assert.Equal(t, event.Observation{
		Carrier:   event.Carrier{Bytes: observe.MaxSeen + 1},
		Transport: parser.DTLS,
		Received:  msg[:observe.MaxSeen],
	}, o)
}
