package quichello

import (
	"crypto/sha256"
	"errors"
	"hash"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestStateOfSHA256 fails with a release of Go whose SHA-256 lays out its state
// in another way. Initials are then still opened, at 1.8 times the cost.
func TestStateOfSHA256(t *testing.T) {
	var m hmacSHA256
	m.initialKeys(suiteV1, nil)
	assert.Equal(t, hmacFromState, m.mode)
}

// A fakeHash is a SHA-256 that lays out its state as a future release might.
type fakeHash struct {
	hashState
	save    func(dst, state []byte) ([]byte, error)
	restore func(state []byte) ([]byte, error)
}

func (h *fakeHash) AppendBinary(dst []byte) ([]byte, error) {
	state, err := h.hashState.AppendBinary(nil)
	if err != nil {
		return dst, err
	}
	return h.save(dst, state)
}

func (h *fakeHash) UnmarshalBinary(state []byte) error {
	state, err := h.restore(state)
	if err != nil {
		return err
	}
	return h.hashState.UnmarshalBinary(state)
}

// A plainHash is a SHA-256 whose state cannot be saved.
type plainHash struct{ hash.Hash }

// unsuitableHashes returns hashes from whose states the keys cannot be derived.
func unsuitableHashes() map[string]hash.Hash {
	sha := func() hashState { return sha256.New().(hashState) }
	keep := func(state []byte) ([]byte, error) { return state, nil }
	broken := errors.New("broken")
	return map[string]hash.Hash{
		"no state": plainHash{sha256.New()},
		"longer magic": &fakeHash{sha(),
			func(dst, state []byte) ([]byte, error) { return append(append(dst, "sha2:"...), state...), nil },
			func(state []byte) ([]byte, error) { return state[5:], nil }},
		"another order": &fakeHash{sha(),
			func(dst, state []byte) ([]byte, error) {
				return append(append(append(dst, state[:4]...), state[36:]...), state[4:36]...), nil
			},
			func(state []byte) ([]byte, error) {
				end := len(state) - 32
				return append(append(append([]byte{}, state[:4]...), state[end:]...), state[4:end]...), nil
			}},
		"short": &fakeHash{sha(),
			func(dst, state []byte) ([]byte, error) { return append(dst, state[:3]...), nil }, keep},
		"cannot save": &fakeHash{sha(),
			func(dst, _ []byte) ([]byte, error) { return nil, broken }, keep},
		"cannot restore": &fakeHash{sha(),
			func(dst, state []byte) ([]byte, error) { return append(dst, state...), nil },
			func([]byte) ([]byte, error) { return nil, broken }},
	}
}

func TestKeysAreTheSameWithoutState(t *testing.T) {
	for name, h := range unsuitableHashes() {
		var fallback, fast hmacSHA256
		fallback.check(h)
		require.Equal(t, hmacStandard, fallback.mode, name)
		fast.check(sha256.New())
		require.Equal(t, hmacFromState, fast.mode)
		for s := suiteV1; s < numSuites; s++ {
			for n := range 21 {
				dcid := helloMessage(25, byte(n))[4:][:n]
				want := fast.initialKeys(s, dcid)
				require.Equal(t, want, fallback.initialKeys(s, dcid), name)
				require.NotZero(t, want)
			}
		}
	}
}

// An Assembler opens Initials with crypto/hmac as well.
func TestOpenWithoutState(t *testing.T) {
	hello := helloMessage(900, 1)
	for name, h := range unsuitableHashes() {
		for _, version := range []Version{Version1, Version2, 0xff00001d} {
			var o Opener
			o.hmac.check(h)
			client := sealer{version: version, dcid: []byte("8 bytes.")}
			hellos := next(t, &Assembler{Opener: &o}, client.datagram(0, cryptoFrame(0, hello)))
			require.Len(t, hellos, 1, name)
			assert.Equal(t, hello, hellos[0].Message)
		}
	}
}
