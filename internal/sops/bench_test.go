package sops

import (
	"testing"

	"github.com/getsops/sops/v3"
)

func BenchmarkDecrypt(b *testing.B) {
	identity, key := ageKey(b)
	d := decrypter(b, Options{AgeKeys: identity})
	data := encrypt(b, plain[YAML], YAML, sops.Metadata{}, sops.KeyGroup{key})
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := d.Decrypt(data, YAML); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFingerprint(b *testing.B) {
	_, key := ageKey(b)
	data := encrypt(b, plain[YAML], YAML, sops.Metadata{}, sops.KeyGroup{key})
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		Fingerprint(data, YAML)
	}
}
