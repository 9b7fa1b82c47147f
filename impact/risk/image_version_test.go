package risk

import "testing"

func TestStepOf(t *testing.T) {
	for pair, want := range map[[2]string]step{
		{"a:1.2.3", "a:2.0.0"}:                            major,
		{"a:v1.2.3", "a:v1.3.0"}:                          minor,
		{"a:1.2.3", "a:1.2.4"}:                            patch,
		{"a:1.2.3", "a:1.2.3-rc.1"}:                       down,
		{"a:1.2.3-rc.1", "a:1.2.3"}:                       patch,
		{"a:1.2.3-rc2", "a:1.2.3-rc10"}:                   patch,
		{"a:1.2.3-rc10", "a:1.2.3-rc2"}:                   down,
		{"a:1.2.3-beta1", "a:1.2.3-rc1"}:                  patch,
		{"a:1.2.3-debian-12-r9", "a:1.2.3-debian-12-r10"}: patch,
		{"a:1.2.3-debian-12-r9", "a:1.2.3-debian-13-r0"}:  other,
		{"a:2.0", "a:1.9"}:                                down,
		{"a:1", "a:2"}:                                    major,
		{"a:1", "a:1.25"}:                                 other,
		{"a:1.25-alpine", "a:1.26-alpine"}:                minor,
		{"a:1.25-alpine", "a:1.25-bookworm"}:              other,
		{"a:v1.2.3", "a:1.2.3"}:                           other,
		{"a:20240101", "a:20250101"}:                      other,
		{"a:main-12", "a:main-13"}:                        other,
		{"a:1.2.3", "a:latest"}:                           other,
		{"a", "a:latest"}:                                 none,
		{"a:1.2.3", "a:1.2.3@" + digestA}:                 none,
		{"a:1.2.3@" + digestA, "a:1.2.3@" + digestB}:      content,
		{"a@" + digestA, "a@" + digestB}:                  content,
		{"a:1.2.3@" + digestA, "a:1.3.0@" + digestB}:      minor,
		{"a:1.2.3@" + digestA, "a:1.3.0"}:                 minor,
		{"a:99999999999999999999999.1", "a:1.2"}:          other,
	} {
		was, okA := readImage(pair[0])
		is, okB := readImage(pair[1])
		if got := stepOf(was, is); got != want || !okA || !okB {
			t.Errorf("%s to %s: step %d, want %d (%v, %v)", pair[0], pair[1], got, want, okA, okB)
		}
	}
}

const (
	digestA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func TestReadImage(t *testing.T) {
	for s, want := range map[string]image{
		"nginx":                      {"index.docker.io/library/nginx", "", ""},
		"docker.io/library/nginx:1":  {"index.docker.io/library/nginx", "1", ""},
		"localhost:5000/a/b:v1":      {"localhost:5000/a/b", "v1", ""},
		"localhost:5000/a/b":         {"localhost:5000/a/b", "", ""},
		"ghcr.io/a/b:1.0@" + digestA: {"ghcr.io/a/b", "1.0", digestA},
		"ghcr.io/a/b:${TAG}":         {},
		"ghcr.io/a/b@sha256:1":       {},
		"UPPER/case:1":               {},
		"":                           {},
	} {
		if got, ok := readImage(s); got != want || ok != (want != image{}) {
			t.Errorf("%q: %+v, %v; want %+v", s, got, ok, want)
		}
	}
}

func TestMoves(t *testing.T) {
	for tag, want := range map[string]bool{
		"latest": true, "main": true, "edge-alpine": true, "1.2.3-SNAPSHOT": true, "Stable": true, "nightly": true,
		"nightly-2024-01-31": false, "1.2.3": false, "main-4f2a-1700000000": false, "v1": false, "bookworm": false,
	} {
		if moves(tag) != want {
			t.Errorf("tag %s moves: %v", tag, !want)
		}
	}
}

// FuzzImages: whatever a manifest holds for an image, nothing panics, and no image is further than nothing from itself.
func FuzzImages(f *testing.F) {
	f.Add("nginx:1.25", "nginx:1.26-alpine@"+digestA)
	f.Add("a:1.2.3-rc.1", "b:v2_1")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, _ := readImage(a)
		y, _ := readImage(b)
		stepOf(x, y)
		moves(x.tag)
		if s := stepOf(x, x); s != none {
			t.Errorf("%q: step %d to itself", a, s)
		}
	})
}
