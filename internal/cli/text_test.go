package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// TestEscaper cuts the JSON at any place: what comes out means the same, and has
// no control character.
func TestEscaper(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.String().Draw(t, "text") + "\u009b\u007f\u00e4"
		data, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		e := &escaper{w: &out}
		at := rapid.IntRange(0, len(data)).Draw(t, "cut")
		for _, part := range [][]byte{data[:at], data[at:]} {
			if n, err := e.Write(part); err != nil || n != len(part) {
				t.Fatalf("Write = %d, %v", n, err)
			}
		}
		var got string
		if err := json.Unmarshal(out.Bytes(), &got); err != nil || got != want {
			t.Fatalf("%q, %v, want %q", got, err, want)
		}
		if i := strings.IndexFunc(out.String(), func(r rune) bool { return r == 0x7f || r >= 0x80 && r <= 0x9f }); i >= 0 {
			t.Fatalf("%q has a control character", out.String())
		}
	})
}

func TestNear(t *testing.T) {
	known := []string{"prod-eu", "dev"}
	for word, want := range map[string]string{
		"prod-us": `did you mean "prod-eu"?`,
		"Dev":     `did you mean "dev"?`,
		"nothing": "known here: dev, prod-eu",
	} {
		if got := near(word, slices.Clone(known)); got != want {
			t.Errorf("near(%s) = %s, want %s", word, got, want)
		}
	}
	if got := near("x", nil); got != "" {
		t.Errorf("near of nothing = %s", got)
	}
}

func TestChangedFiles(t *testing.T) {
	base := map[string]string{"same/a": "1", "same/b": "2", "dir/x": "1", "dir/y": "1", "turns": "file", "gone/deep/z": "1"}
	a := tree.FromMap(base)
	b := tree.FromBlobs(map[string]tree.Blob{
		"same/a": {Data: "1"},
		"same/b": {Data: "2"},
		"dir/x":  {Data: "2"},
		"dir/y":  {Data: "1", Mode: tree.Executable},
		"turns/into/a": {
			Data: "folder",
		},
		"new": {Data: "same/a", Mode: tree.Symlink},
	})
	want := []string{"dir/x", "dir/y", "gone/deep/z", "new", "turns", "turns/into/a"}
	for name, pair := range map[string][2]*tree.Tree{"forth": {a, b}, "back": {b, a}} {
		got, err := changedFiles(pair[0], pair[1])
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
	if got, err := changedFiles(a, tree.FromMap(base)); err != nil || len(got) != 0 {
		t.Errorf("equal trees: %v, %v", got, err)
	}
}

func TestParseSource(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(dir+"/at@home", 0o755); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]mapping{
		"ssh://git@host/x=" + dir:                 {url: "ssh://git@host/x", path: dir},
		"https://host/x=" + dir + "@v1":           {url: "https://host/x", path: dir, rev: "v1"},
		"https://host/x=" + dir + "/at@home":      {url: "https://host/x", path: dir + "/at@home"},
		"https://host/x=" + dir + "/at@home@main": {url: "https://host/x", path: dir + "/at@home", rev: "main"},
	} {
		got, err := parseSource(text)
		if err != nil || got.url != want.url || got.path != want.path || got.rev != want.rev {
			t.Errorf("parseSource(%s) = %+v, %v", text, got, err)
		}
	}
}

// TestSeal checks that nothing gets out while a command runs, and that all is as
// before afterwards.
func TestSeal(t *testing.T) {
	before, transport := os.Stderr, http.DefaultTransport
	restore := seal()
	if os.Stderr == before || os.Getenv("GIT_ALLOW_PROTOCOL") != "none" {
		t.Error("not sealed")
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:1/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err == nil {
		_ = resp.Body.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "does not use the network") {
		t.Errorf("a request gave %v", err)
	}
	restore()
	if _, set := os.LookupEnv("GIT_ALLOW_PROTOCOL"); set || os.Stderr != before || http.DefaultTransport != transport {
		t.Error("not restored")
	}
}

// TestWatch shows a line on a terminal at most, seldom, and erases it.
func TestWatch(t *testing.T) {
	var out bytes.Buffer
	s := newStreams(io.Discard, &out)
	if progress, erase := s.watch(); progress != nil {
		t.Error("progress without a terminal")
	} else {
		erase()
	}
	s.progress = true
	progress, erase := s.watch()
	for i := range 1000 {
		progress(i, 1000)
	}
	erase()
	erase()
	if got, want := out.String(), "\rrendering 0/1000 appliers\x1b[K\r\x1b[K"; got != want {
		t.Errorf("progress wrote %q, want %q", got, want)
	}
}

// TestFluxRelease ties the Flux release that is named to the controller that is
// linked: Flux 2.N has kustomize-controller 1.N.
func TestFluxRelease(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	minor := strings.TrimPrefix(fluxRelease, "2.")
	if want := fmt.Sprintf("github.com/fluxcd/kustomize-controller/api v1.%s.", minor); !strings.Contains(string(mod), want) {
		t.Errorf("go.mod has no %s", want)
	}
}
