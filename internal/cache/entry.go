package cache

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// An entry on a disk or in a bucket is
//
//	"BHC1"      4 bytes
//	nonce       12 bytes, random
//	ciphertext  AES-256-GCM of one byte that says how the value is packed, and the packed value
//	tag         16 bytes
//
// The name is the additional data of the seal: an entry under another name does not open.
const (
	magic    = "BHC1"
	overhead = len(magic) + 12 + 16 + 1
)

// MaxValue is the largest value that is kept, in bytes.
const MaxValue = 256 << 20

// How a value is packed.
const (
	packedRaw  = 0
	packedZstd = 1
)

// label is what an entry's name and key are derived for. Another format has another.
const label = "bulkhead cache v1"

// secrets are what a key gives for an entry: the name that everybody may see, and the
// key that opens it. Neither leads back to the other, or to the key.
type secrets struct {
	name [32]byte
	seal [32]byte
}

// derive is HKDF-SHA-256 with the store's own secret as the salt; most stores have none.
func derive(secret []byte, key [32]byte) (s secrets, err error) {
	out, err := hkdf.Key(sha256.New, key[:], secret, label, len(s.name)+len(s.seal))
	if err != nil {
		return s, fmt.Errorf("derive keys: %w", err)
	}
	copy(s.name[:], out)
	copy(s.seal[:], out[len(s.name):])
	return s, nil
}

// hex is the name as it is written: 64 characters.
func (s *secrets) hex() string { return hex.EncodeToString(s.name[:]) }

func (s *secrets) aead() (cipher.AEAD, error) {
	block, err := aes.NewCipher(s.seal[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// sealed is the entry of a value.
func (s *secrets) sealed(value []byte) ([]byte, error) {
	if len(value) > MaxValue {
		return nil, fmt.Errorf("seal entry: %d bytes, %d are the limit", len(value), MaxValue)
	}
	packed := append(make([]byte, 0, len(value)/2+64), packedZstd)
	packed = encoder().EncodeAll(value, packed)
	if len(packed) > len(value) {
		packed = append(append(packed[:0], packedRaw), value...)
	}
	aead, err := s.aead()
	if err != nil {
		return nil, fmt.Errorf("seal entry: %w", err)
	}
	out := append(make([]byte, 0, len(packed)+overhead), magic...)
	return aead.Seal(out, nil, packed, s.name[:]), nil //nolint:gosec // G407: this AEAD makes a random nonce itself
}

// errDamaged says that an entry is not what was written under its name.
var errDamaged = errors.New("damaged")

// opened is the value of an entry, which it changes. The error wraps errDamaged.
func (s *secrets) opened(entry []byte) ([]byte, error) {
	if len(entry) < overhead || string(entry[:len(magic)]) != magic {
		return nil, fmt.Errorf("open entry: %w: no header", errDamaged)
	}
	aead, err := s.aead()
	if err != nil {
		return nil, fmt.Errorf("open entry: %w", err)
	}
	packed, err := aead.Open(nil, nil, entry[len(magic):], s.name[:])
	if err != nil {
		return nil, fmt.Errorf("open entry: %w: %w", errDamaged, err)
	}
	switch packed[0] {
	case packedRaw:
		return packed[1:], nil
	case packedZstd:
		return unpacked(packed[1:])
	}
	return nil, fmt.Errorf("unpack entry: %w: packed in an unknown way", errDamaged)
}

// undeclared is the size below which the encoder leaves it out.
const undeclared = 256

// unpacked is a value that was packed with zstd. Ours say how large they are, unless they are
// small, and no more is unpacked than that.
func unpacked(frame []byte) ([]byte, error) {
	var h zstd.Header
	if err := h.Decode(frame); err != nil {
		return nil, fmt.Errorf("unpack entry: %w: %w", errDamaged, err)
	}
	size := uint64(undeclared)
	if h.HasFCS {
		size = h.FrameContentSize
	}
	if size > MaxValue {
		return nil, fmt.Errorf("unpack entry: %w: it would be larger than %d bytes", errDamaged, MaxValue)
	}
	value, err := decoder().DecodeAll(frame, make([]byte, 0, size))
	if err != nil {
		return nil, fmt.Errorf("unpack entry: %w: %w", errDamaged, err)
	}
	return value, nil
}

// encoder packs, from any number of goroutines at once. The tag of the seal covers the
// content, so that a checksum would be the second.
var encoder = sync.OnceValue(func() *zstd.Encoder { //nolint:gochecknoglobals // stateless, and costly to make
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic(err) // the options are constants
	}
	return e
})

var decoder = sync.OnceValue(func() *zstd.Decoder { //nolint:gochecknoglobals // stateless, and costly to make
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(MaxValue), zstd.WithDecodeAllCapLimit(true), zstd.IgnoreChecksum(true))
	if err != nil {
		panic(err) // the options are constants
	}
	return d
})
