package fetch

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Masterminds/semver/v3"
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
		c, err := semver.NewConstraint(rng)
		if err != nil {
			t.Fatal(err)
		}
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
	// The next run neither parses it nor reads its text, be it still there or not.
	next := newClient(t, func(o *Options) { o.Dir, o.Offline = filepath.Dir(c.cache.dir), true })
	os.Remove(c.cache.path("blobs", hexOf(digestOf([]byte(anIndex)))))
	a, err := next.Chart(t.Context(), ChartRequest{Repository: s.URL, Name: "web", Version: "1.x"})
	if err != nil || !a.FromCache || a.Version != "1.0.0" {
		t.Errorf("the next run has %v, %v", a, err)
	}
}

// TestIndexDamaged: what is kept of an index and cannot be read is made again.
func TestIndexDamaged(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, anIndex) })
	c := newClient(t)
	q := ChartRequest{Repository: s.URL, Name: "web"}
	if _, err := c.Chart(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	key := parsedKey + digestOf([]byte(anIndex))
	good, ok := c.cache.ref(key)
	if !ok {
		t.Fatal("nothing is kept of the index")
	}
	for name, kept := range map[string]string{"another blob": c.cache.put([]byte("another")), "no blob": digestOf([]byte("none")), "no digest": "x"} {
		c.cache.setRef(entry{Key: key, Digest: kept})
		next := newClient(t, func(o *Options) { o.Dir, o.Offline = filepath.Dir(c.cache.dir), true })
		if a, err := next.Chart(t.Context(), q); err != nil || a.Version != "1.0.0" {
			t.Errorf("%s: %v, %v", name, a, err)
		}
		if e, _ := c.cache.ref(key); e.Digest != good.Digest {
			t.Errorf("%s: not repaired: %+v", name, e)
		}
	}
}

// TestIndexFaults: what is wrong with an index is said as Flux says it, and by its kind.
func TestIndexFaults(t *testing.T) {
	for name, c := range map[string]struct {
		index, chart, version string
		kind                  error
		text                  string
	}{
		"empty":         {"", "web", "", ErrInvalid, "the index is empty"},
		"HTML":          {"<html></html>", "web", "", ErrInvalid, "read index"},
		"no version":    {"entries: {}", "web", "", ErrInvalid, "apiVersion"},
		"unknown field": {strings.Replace(anIndex, "urls", "urlz", 1), "web", "", ErrInvalid, "urlz"},
		"no chart":      {anIndex, "api", "", ErrNotFound, "no chart name found: api"},
		"no versions":   {"apiVersion: v1\nentries: {web: []}\n", "web", "", ErrNotFound, "no chart version found: web"},
		"no match":      {anIndex, "web", "9.x", ErrNotFound, "no 'web' chart with version matching '9.x' found"},
		"no range":      {anIndex, "web", "nine", ErrInvalid, "improper constraint"},
		"no URL":        {strings.Replace(anIndex, "web-1.0.0.tgz", "", 1), "web", "", ErrInvalid, "chart 'web' has no downloadable URLs"},
		"bad URL":       {strings.Replace(anIndex, "web-1.0.0.tgz", "'http://joe:hunter22@[x'", 1), "web", "", ErrInvalid, "is not a URL"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, c.index) })
			_, err := newClient(t).Chart(t.Context(), ChartRequest{Repository: s.URL, Name: c.chart, Version: c.version})
			e := want(t, err, c.kind)
			if !strings.Contains(e.Text, c.text) || strings.Contains(e.Text, "hunter22") {
				t.Errorf("error is %+v, want %q", e, c.text)
			}
		})
	}
}

// TestIndexTooLarge: the limit of render/chart holds whatever the client's is.
func TestIndexTooLarge(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Length", fmt.Sprint(100<<20)) })
	_, err := newClient(t).Chart(t.Context(), ChartRequest{Repository: s.URL, Name: "web"})
	want(t, err, ErrInvalid)
	_, err = (&indexes{}).parse(newCache(t.TempDir(), 1<<30, func(string) {}), "sha256:", make([]byte, 100<<20))
	want(t, err, ErrInvalid)
}

func BenchmarkIndex(b *testing.B) {
	data := bigIndex()
	c := newCache(b.TempDir(), 1<<30, func(string) {})
	digest := digestOf(data)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		c.setRef(entry{Key: parsedKey + digest})
		if _, err := (&indexes{}).parse(c, digest, data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkIndexAgain(b *testing.B) {
	data := bigIndex()
	c := newCache(b.TempDir(), 1<<30, func(string) {})
	if _, err := (&indexes{}).parse(c, digestOf(data), data); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if (&indexes{}).get(c, digestOf(data)) == nil {
			b.Fatal("gone")
		}
	}
}

// bigIndex has 200 charts with 100 versions each.
func bigIndex() []byte {
	var text strings.Builder
	text.WriteString("apiVersion: v1\nentries:\n")
	for i := range 200 {
		fmt.Fprintf(&text, "  chart-%d:\n", i)
		for j := range 100 {
			fmt.Fprintf(&text, "  - apiVersion: v2\n    name: chart-%d\n    version: 1.%d.0\n    created: \"2024-01-01T00:00:00Z\"\n    description: a chart of many\n    digest: %064d\n    urls:\n    - chart-%d-1.%d.0.tgz\n", i, j, j, i, j)
		}
	}
	return []byte(text.String())
}
