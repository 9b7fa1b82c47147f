package fetch

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// chartServer is a Helm repository: an index and packages. Version 1.1.0 has its
// digest in the index, 1.0.0 has none, 1.2.0 a wrong one.
func chartServer(t *testing.T, seen *log) *httptest.Server {
	t.Helper()
	data := func(v string) []byte { return tgz(t, "web/Chart.yaml", "apiVersion: v2\nname: web\nversion: "+v+"\n") }
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		seen.add(r.URL.Path + " " + password)
		switch r.URL.Path {
		case "/charts/index.yaml":
			fmt.Fprintf(w, `apiVersion: v1
entries:
  web:
  - {apiVersion: v2, name: web, version: 1.0.0, urls: [web-1.0.0.tgz]}
  - {apiVersion: v2, name: web, version: 1.1.0, digest: %s, urls: [web-1.1.0.tgz]}
  - {apiVersion: v2, name: web, version: 1.2.0, digest: %s, urls: [http://%s/charts/web-1.2.0.tgz]}
  - {apiVersion: v2, name: web, version: 2.0.0-rc.1, urls: [web-2.0.0-rc.1.tgz]}
  - {apiVersion: v2, name: web, version: 1.5.0, urls: []}
  - {apiVersion: v2, name: web, version: nonsense, urls: [x.tgz]}
`, strings.TrimPrefix(digestOf(data("1.1.0")), "sha256:"), strings.Repeat("ab", 32), r.Host)
		default:
			name := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/charts/web-"), ".tgz")
			if name == r.URL.Path || name == "9.9.9" {
				w.WriteHeader(http.StatusNotFound)
				return
			}
			w.Write(data(name))
		}
	})
}

func TestChart(t *testing.T) {
	for name, c := range map[string]struct {
		version, want string
		notes         int
		kind          error
		again         bool // the package is asked for again after the interval
	}{
		"exact":      {version: "1.0.0", want: "1.0.0", again: true},
		"range":      {version: "~1.1", want: "1.1.0"},
		"digest":     {version: "1.2.0", want: "1.2.0", notes: 1},
		"prerelease": {version: ">=2.0.0-0", want: "2.0.0-rc.1", again: true},
		"no url":     {version: "", kind: ErrInvalid},
		"any":        {version: "*", kind: ErrInvalid},
		"no match":   {version: "3.x", kind: ErrNotFound},
		"bad range":  {version: "three", kind: ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			var seen log
			s := chartServer(t, &seen)
			client := newClient(t)
			now := time.Now()
			client.now = func() time.Time { return now }
			q := ChartRequest{Repository: s.URL + "/charts/", Name: "web", Version: c.version}
			a, err := client.Chart(t.Context(), q)
			if c.kind != nil {
				want(t, err, c.kind)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if a.Version != c.want || a.Revision != c.want || a.Digest != digestOf(a.Data) || len(a.Notes) != c.notes || a.FromCache {
				t.Errorf("artifact is %+v", a)
			}
			now = now.Add(time.Hour)
			before := len(seen.all())
			b, err := client.Chart(t.Context(), q)
			if err != nil || !bytes.Equal(a.Data, b.Data) {
				t.Fatal(err)
			}
			wanted := []string{"/charts/index.yaml "}
			if c.again {
				wanted = append(wanted, "/charts/web-"+c.want+".tgz ")
			}
			if diff := cmp.Diff(wanted, seen.all()[before:]); diff != "" {
				t.Errorf("requests after an hour (-want +got):\n%s", diff)
			}
		})
	}
}

func TestChartCredentials(t *testing.T) {
	var seen log
	s := chartServer(t, &seen)
	home := t.TempDir()
	file := filepath.Join(home, "repos.yaml")
	t.Setenv("HELM_REPOSITORY_CONFIG", file)
	write(t, file, "repositories:\n- {name: x, url: "+s.URL+"/charts, username: joe, password: hunter22}\n")
	if _, err := newClient(t).Chart(t.Context(), ChartRequest{Repository: s.URL + "/charts", Name: "web", Version: "1.1.0"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/charts/index.yaml hunter22", "/charts/web-1.1.0.tgz hunter22"}, seen.all()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}

	// Another host gets them when it is asked to, and no other time.
	var other log
	packages := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		other.add(password)
		fmt.Fprint(w, "x")
	})
	index := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, strings.Replace(anIndex, "web-1.0.0.tgz", packages.URL+"/web.tgz", 1))
	})
	u, _ := url.Parse(index.URL)
	u.User = url.UserPassword("joe", "hunter22")
	for _, pass := range []bool{false, true} {
		if _, err := newClient(t).Chart(t.Context(), ChartRequest{Repository: u.String(), Name: "web", PassCredentials: pass}); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"", "hunter22"}, other.all()); diff != "" {
		t.Errorf("passwords (-want +got):\n%s", diff)
	}
}

func TestChartCA(t *testing.T) {
	var seen log
	plain := chartServer(t, &seen)
	s := httptest.NewUnstartedServer(plain.Config.Handler)
	s.Config.ErrorLog = quiet()
	s.StartTLS()
	defer s.Close()
	home := t.TempDir()
	file := filepath.Join(home, "repos.yaml")
	t.Setenv("HELM_REPOSITORY_CONFIG", file)
	q := ChartRequest{Repository: s.URL + "/charts", Name: "web", Version: "1.1.0"}
	_, err := newClient(t).Chart(t.Context(), q)
	want(t, err, ErrUnreachable)
	write(t, filepath.Join(home, "ca.pem"), pemOf(s))
	write(t, file, "repositories:\n- {name: x, url: "+s.URL+"/charts, caFile: "+filepath.Join(home, "ca.pem")+"}\n")
	if _, err := newClient(t).Chart(t.Context(), q); err != nil {
		t.Error(err)
	}
	write(t, filepath.Join(home, "ca.pem"), "nothing")
	_, err = newClient(t).Chart(t.Context(), q)
	want(t, err, ErrDenied)
}

func TestOCIChart(t *testing.T) {
	s, seen := ociRegistry(t)
	data := func(v string) []byte { return tgz(t, "web/Chart.yaml", "version: "+v) }
	for _, v := range []string{"1.0.0", "1.1.0", "1.1.1_build.5", "2.0.0-rc.1", "latest", "v1.9.0", "1.8"} {
		push(t, s.URL+"/v2/"+"charts/web", v, chartConfig, layer{"application/vnd.cncf.helm.chart.provenance.v1.prov", []byte("prov")}, layer{chartLayer, data(v)})
	}
	push(t, s.URL+"/v2/"+"charts/odd", "1.0.0", fluxConfig, layer{chartLayer, data("1.0.0")})
	push(t, s.URL+"/v2/"+"charts/empty", "1.0.0", chartConfig, layer{"application/x", data("1.0.0")})
	push(t, s.URL+"/v2/"+"charts/old", "1.0.0", chartConfig, layer{legacyChartLayer, data("old")})
	for name, c := range map[string]struct {
		chart, version, want string
		tags                 bool // the list of tags was needed
		kind                 error
	}{
		"exact":     {"web", "1.0.0", "1.0.0", false, nil},
		"build":     {"web", "1.1.1+build.5", "1.1.1+build.5", false, nil},
		"range":     {"web", "1.x", "1.1.1+build.5", true, nil},
		"latest":    {"web", "", "1.1.1+build.5", true, nil},
		"star":      {"web", "*", "1.1.1+build.5", true, nil},
		"rc":        {"web", ">=2.0.0-0", "2.0.0-rc.1", true, nil},
		"legacy":    {"old", "1.0.0", "1.0.0", false, nil},
		"not there": {"web", "7.0.0", "", false, ErrNotFound},
		"no match":  {"web", "7.x", "", true, ErrNotFound},
		"no repo":   {"none", "*", "", true, ErrNotFound},
		"no chart":  {"odd", "1.0.0", "", false, ErrInvalid},
		"no layer":  {"empty", "1.0.0", "", false, ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(seen.all())
			client := newClient(t)
			a, err := client.Chart(t.Context(), ChartRequest{Repository: "oci://" + hostOf(t, s) + "/charts", Name: c.chart, Version: c.version, Insecure: true})
			if got := strings.Contains(strings.Join(seen.all()[before:], " "), "tags/list"); got != c.tags {
				t.Errorf("tags listed: %v", got)
			}
			if c.kind != nil {
				want(t, err, c.kind)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if a.Version != c.want || a.Digest != digestOf(a.Data) {
				t.Errorf("artifact is %+v", a)
			}
		})
	}
}

func TestIndexFile(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{
		"yaml":          {anIndex, true},
		"json":          {`{"apiVersion":"v1","entries":{"web":[{"name":"web","version":"1.0.0","urls":["x"]}]}}`, true},
		"null version":  {"apiVersion: v1\nentries:\n  web:\n  - null\n  - {name: web, version: 1.0.0, urls: [x]}\n", true},
		"empty":         {"", false},
		"no version":    {"entries: {}", false},
		"unknown field": {"apiVersion: v1\nentries:\n  web:\n  - {name: web, version: 1.0.0, colour: red}\n", false},
		"twice":         {"apiVersion: v1\napiVersion: v1\n", false},
		"html":          {"<html></html>", false},
		"aliases":       {"apiVersion: v1\nx: &a [1,1,1,1,1,1,1,1,1]\ny: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nz: [*b,*b,*b,*b,*b,*b,*b,*b]\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			x, err := parseIndex([]byte(c.text))
			if (err == nil) != c.ok {
				t.Fatalf("error is %v", err)
			}
			if c.ok {
				if e, err := x.find("web", "*"); err != nil || e.Version != "1.0.0" {
					t.Errorf("found %v, %v", e, err)
				}
				if _, err := x.find("none", ""); err == nil {
					t.Error("found a chart that is not there")
				}
			}
		})
	}
}

// TestPick: whatever the order of tags, the highest that matches is taken, and it
// is one of them.
func TestPick(t *testing.T) {
	version := rapid.StringMatching(`v?[0-3]\.[0-3]\.[0-3](-rc\.[0-2])?`)
	rapid.Check(t, func(t *rapid.T) {
		tags := rapid.SliceOfDistinct(version, rapid.ID[string]).Draw(t, "tags")
		rng := rapid.SampledFrom([]string{"*", "1.x", ">=1.0.0-0", "~2.1", "<2"}).Draw(t, "range")
		got, err := pickTag(tags, OCIRequest{SemVer: rng})
		reverse := append([]string(nil), tags...)
		for i, j := 0, len(reverse)-1; i < j; i, j = i+1, j-1 {
			reverse[i], reverse[j] = reverse[j], reverse[i]
		}
		again, err2 := pickTag(reverse, OCIRequest{SemVer: rng})
		if (err == nil) != (err2 == nil) {
			t.Fatal(err, err2)
		}
		if err != nil {
			return
		}
		a, _ := parseVersion(got)
		b, _ := parseVersion(again)
		if !a.Equal(b) {
			t.Fatalf("%s, in reverse %s", got, again)
		}
		c, _ := rangeOf(rng)
		for _, tag := range tags {
			if v, err := parseVersion(tag); err == nil && c.Check(v) && a.LessThan(v) {
				t.Fatalf("%s is higher than %s", tag, got)
			}
		}
	})
}

// TestIndexOnce: one download and one parse for the charts of a repository.
func TestIndexOnce(t *testing.T) {
	var n atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "index.yaml") {
			n.Add(1)
			fmt.Fprint(w, anIndex)
			return
		}
		fmt.Fprint(w, "x")
	})
	c := newClient(t)
	for _, v := range []string{"1.0.0", "1.x", "*"} {
		if _, err := c.Chart(t.Context(), ChartRequest{Repository: s.URL, Name: "web", Version: v}); err != nil {
			t.Fatal(err)
		}
	}
	if n.Load() != 1 {
		t.Errorf("%d downloads", n.Load())
	}
	parsed, err := parseIndex([]byte(anIndex))
	if err != nil {
		t.Fatal(err)
	}
	before, err := parsedBefore(c.cache, digestOf([]byte(anIndex)))
	if diff := cmp.Diff(parsed, before); err != nil || diff != "" {
		t.Errorf("the next run reads (-want +got): %v\n%s", err, diff)
	}
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte(anIndex), "web", "1.x")
	f.Add([]byte(`{"apiVersion":"v1","entries":{"a":[null,{}]}}`), "a", "")
	f.Fuzz(func(_ *testing.T, data []byte, name, version string) {
		if x, err := parseIndex(data); err == nil {
			_, _ = x.find(name, version)
		}
	})
}

func BenchmarkIndex(b *testing.B) {
	data := bigIndex()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseIndex(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkIndexAgain(b *testing.B) {
	data := bigIndex()
	c := newCache(b.TempDir(), 1<<30, func(string) {})
	if _, err := (&indexes{}).of(c, digestOf(data), data); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (&indexes{}).of(c, digestOf(data), data); err != nil {
			b.Fatal(err)
		}
	}
}

// bigIndex has 100 charts with 100 versions each.
func bigIndex() []byte {
	var text strings.Builder
	text.WriteString("apiVersion: v1\nentries:\n")
	for i := range 100 {
		fmt.Fprintf(&text, "  chart-%d:\n", i)
		for j := range 100 {
			fmt.Fprintf(&text, "  - apiVersion: v2\n    name: chart-%d\n    version: 1.%d.0\n    created: \"2024-01-01T00:00:00Z\"\n    description: a chart of many\n    digest: %064d\n    urls:\n    - https://example.com/chart-%d-1.%d.0.tgz\n", i, j, j, i, j)
		}
	}
	return []byte(text.String())
}
