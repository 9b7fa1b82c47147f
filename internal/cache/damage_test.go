package cache

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// entryOf is the path of a key's entry.
func entryOf(t *testing.T, s *Store, key [32]byte) string {
	t.Helper()
	names, err := derive(s.opts.Secret, key)
	if err != nil {
		t.Fatal(err)
	}
	return s.disk.path(names.hex())
}

// forged is an entry that opens: only who has what the value was made of can make it.
func forged(t *testing.T, key [32]byte, packed []byte) []byte {
	t.Helper()
	names, err := derive(nil, key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := names.aead()
	if err != nil {
		t.Fatal(err)
	}
	return aead.Seal([]byte(magic), nil, packed, names.name[:])
}

// bomb is some kilobytes of zstd that unpack to n bytes, in blocks of 128 KiB that repeat a
// zero; the header declares the size, or not.
func bomb(n int, declared bool) []byte {
	out := []byte{packedZstd, 0x28, 0xb5, 0x2f, 0xfd}
	if declared {
		out = binary.LittleEndian.AppendUint64(append(out, 0xc0, 0x50), uint64(n))
	} else {
		out = append(out, 0x00, 0x50)
	}
	const block = 128 << 10
	for left := n; left > 0; left -= block {
		header := uint32(block<<3 | 1<<1)
		if left == block {
			header |= 1
		}
		out = append(out, byte(header), byte(header>>8), byte(header>>16), 0)
	}
	return out
}

// TestDamage: what is not the entry that was written is a miss, is counted and removed, and
// the next Put repairs it.
func TestDamage(t *testing.T) {
	key, other := keyOf("key"), keyOf("other")
	value := manifests(5000)
	for name, damage := range map[string]func(entry, foreign []byte) []byte{
		"empty":            func([]byte, []byte) []byte { return nil },
		"truncated":        func(e, _ []byte) []byte { return e[:len(e)/2] },
		"header only":      func(e, _ []byte) []byte { return e[:overhead-1] },
		"one byte more":    func(e, _ []byte) []byte { return append(e, 0) },
		"flipped bit":      func(e, _ []byte) []byte { e[len(e)/2] ^= 4; return e },
		"newer format":     func(e, _ []byte) []byte { e[3] = '2'; return e },
		"zeros":            func(e, _ []byte) []byte { return make([]byte, len(e)) },
		"of another key":   func(_, f []byte) []byte { return f },
		"no zstd":          func(e, _ []byte) []byte { return forged(t, key, []byte("\x01garbage")) },
		"packed otherwise": func(e, _ []byte) []byte { return forged(t, key, []byte("\x07garbage")) },
		"unpacks to 3 GiB": func(e, _ []byte) []byte { return forged(t, key, bomb(3<<30, false)) },
		"declares 3 GiB":   func(e, _ []byte) []byte { return forged(t, key, bomb(3<<30, true)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, Options{})
			put(t, s, key, value)
			put(t, s, other, manifests(6000))
			path := entryOf(t, s, key)
			read := func(path string) []byte {
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				return data
			}
			if err := os.WriteFile(path, damage(read(path), read(entryOf(t, s, other))), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := s.Get(t.Context(), key); got != nil {
				t.Errorf("gave %d bytes", len(got))
			}
			if st := s.Stats(); st.Damaged != 1 || st.Misses != 1 || st.Hits != 0 {
				t.Errorf("stats are %+v", st)
			}
			if _, err := os.Stat(path); !os.IsNotExist(err) {
				t.Errorf("the entry is still there: %v", err)
			}
			put(t, s, key, value)
			if got := s.Get(t.Context(), key); !bytes.Equal(got, value) {
				t.Error("not repaired")
			}
			if got := s.Get(t.Context(), other); len(got) != 6000 {
				t.Error("the other entry has gone")
			}
		})
	}
}

// TestBomb: the bomb of the test above is one, and what is within the limit opens.
func TestBomb(t *testing.T) {
	names, err := derive(nil, keyOf("key"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := names.opened(forged(t, keyOf("key"), bomb(8<<20, true))); err != nil || len(got) != 8<<20 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	for name, packed := range map[string][]byte{
		"3 GiB": bomb(3<<30, true), "size not declared": bomb(8<<20, false),
		"another frame behind":               append(bomb(8<<20, true), bomb(3<<30, true)[1:]...),
		"another frame behind, not declared": append(bomb(8<<20, true), bomb(3<<30, false)[1:]...),
	} {
		if got, err := names.opened(forged(t, keyOf("key"), packed)); !errors.Is(err, errDamaged) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

// TestEveryBit: no single bit can change without notice.
func TestEveryBit(t *testing.T) {
	names, err := derive(nil, keyOf("key"))
	if err != nil {
		t.Fatal(err)
	}
	entry, err := names.sealed([]byte("a short value"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(entry) * 8 {
		bad := bytes.Clone(entry)
		bad[i/8] ^= 1 << (i % 8)
		if _, err := names.opened(bad); err == nil {
			t.Errorf("bit %d may change", i)
		}
	}
	if got, err := names.opened(entry); err != nil || string(got) != "a short value" {
		t.Errorf("the entry is %q, %v", got, err)
	}
}

// FuzzOpened: whatever lies under a name, it opens only if it was sealed for it.
func FuzzOpened(f *testing.F) {
	names, err := derive(nil, keyOf("key"))
	if err != nil {
		f.Fatal(err)
	}
	entry, err := names.sealed([]byte("value"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(entry)
	f.Add([]byte(magic))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		same := bytes.Equal(data, entry)
		if value, err := names.opened(bytes.Clone(data)); err == nil && !same {
			t.Errorf("%x opens as %q", data, value)
		}
	})
}

// FuzzUnpack: what is sealed rightly and packed by somebody else does no harm.
func FuzzUnpack(f *testing.F) {
	f.Add([]byte{packedRaw})
	f.Add(encoder().EncodeAll(manifests(300), []byte{packedZstd}))
	f.Add([]byte{packedZstd, 0x28, 0xb5, 0x2f, 0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	names, err := derive(nil, keyOf("key"))
	if err != nil {
		f.Fatal(err)
	}
	aead, err := names.aead()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		value, err := names.opened(aead.Seal([]byte(magic), nil, packed, names.name[:]))
		if err == nil && value == nil || len(value) > MaxValue {
			t.Errorf("%d bytes, %v", len(value), err)
		}
	})
}

// TestNewerVersion: the folder of another format is left alone, by everything.
func TestNewerVersion(t *testing.T) {
	dir := t.TempDir()
	newer := filepath.Join(dir, "v2", "ab", "entry")
	if err := os.MkdirAll(filepath.Dir(newer), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(newer, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	var w warnings
	s := open(t, Options{Dir: dir, Limit: 1 << 20, Warn: w.add})
	put(t, s, keyOf("a"), manifests(5000))
	s.disk.prune()
	s.Close(t.Context())
	if got := reopened(t, Options{Dir: dir}, keyOf("a")); len(got[0]) != 5000 {
		t.Error("the entry is not there")
	}
	if u, err := UsageOf(dir); err != nil || u.Entries != 1 {
		t.Errorf("usage is %+v, %v", u, err)
	}
	if u, err := Clear(dir); err != nil || u.Entries != 1 {
		t.Errorf("cleared %+v, %v", u, err)
	}
	if info, err := os.Stat(newer); err != nil || info.Size() != 1<<20 {
		t.Errorf("the newer version's entry: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, ".gitignore")); err != nil {
		t.Errorf("the mark has gone, which the newer version needs: %v", err)
	}
	w.want(t)
}
