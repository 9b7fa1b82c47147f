package fetch

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/registry"
)

// tgz packs files; a name that ends in / is a folder.
func tgz(tb testing.TB, files ...string) []byte {
	tb.Helper()
	var out bytes.Buffer
	zw := gzip.NewWriter(&out)
	tw := tar.NewWriter(zw)
	for i := 0; i < len(files); i += 2 {
		h := &tar.Header{Name: files[i], Mode: 0o644, Size: int64(len(files[i+1])), Typeflag: tar.TypeReg}
		if strings.HasSuffix(files[i], "/") {
			h.Typeflag, h.Size, h.Mode = tar.TypeDir, 0, 0o755
		}
		if err := tw.WriteHeader(h); err != nil {
			tb.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(tw, files[i+1]); err != nil {
				tb.Fatal(err)
			}
		}
	}
	tw.Close()
	zw.Close()
	return out.Bytes()
}

type layer struct {
	mediaType string
	data      []byte
}

// push puts an artifact into the repository at a URL with plain requests and gives the digest
// of its manifest.
func push(tb testing.TB, repo, tag, configType string, layers ...layer) string {
	tb.Helper()
	config := []byte(`{}`)
	m := map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "annotations": map[string]string{"k": "v"},
		"config": map[string]any{"mediaType": configType, "digest": digestOf(config), "size": len(config)},
	}
	var list []any
	for _, l := range append([]layer{{configType, config}}, layers...) {
		put(tb, repo+"/blobs/uploads/?digest="+digestOf(l.data), http.MethodPost, "application/octet-stream", l.data)
	}
	for _, l := range layers {
		list = append(list, map[string]any{"mediaType": l.mediaType, "digest": digestOf(l.data), "size": len(l.data)})
	}
	m["layers"] = list
	return pushJSON(tb, repo, tag, "application/vnd.oci.image.manifest.v1+json", m)
}

func pushJSON(tb testing.TB, repo, tag, mediaType string, v any) string {
	tb.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	put(tb, repo+"/manifests/"+tag, http.MethodPut, mediaType, data)
	return digestOf(data)
}

func put(tb testing.TB, url, method, mediaType string, data []byte) {
	tb.Helper()
	req, err := http.NewRequest(method, url, bytes.NewReader(data))
	if err != nil {
		tb.Fatal(err)
	}
	req.Header.Set("Content-Type", mediaType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		tb.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		text, _ := io.ReadAll(resp.Body)
		tb.Fatalf("push %s: %s %s", url, resp.Status, text)
	}
}

const (
	fluxConfig = "application/vnd.cncf.flux.config.v1+json"
	fluxLayer  = "application/vnd.cncf.flux.content.v1.tar+gzip"
)

func ociRegistry(t *testing.T) (*httptest.Server, *log) {
	t.Helper()
	var seen log
	h := registry.New(registry.Logger(quiet()))
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen.add(r.Method + " " + r.URL.Path)
		h.ServeHTTP(w, r)
	})
	return s, &seen
}

func ociURL(t *testing.T, s *httptest.Server, repo string) string {
	t.Helper()
	return "oci://" + hostOf(t, s) + "/" + repo
}

func TestOCI(t *testing.T) {
	s, seen := ociRegistry(t)
	first, second := tgz(t, "./a.yaml", "a: 1\n", "sub/", "", "sub/b.yaml", "b: 1\n"), tgz(t, "c.yaml", "c: 1\n")
	digest := push(t, s.URL+"/v2/"+"org/app", "6.7.1", fluxConfig, layer{fluxLayer, first}, layer{"application/x", second})
	push(t, s.URL+"/v2/"+"org/app", "6.7.0", fluxConfig, layer{fluxLayer, second})
	push(t, s.URL+"/v2/"+"org/app", "6.8.0-rc.1", fluxConfig, layer{fluxLayer, second})
	push(t, s.URL+"/v2/"+"org/app", "latest", fluxConfig, layer{fluxLayer, second})
	push(t, s.URL+"/v2/"+"org/app", "x7.0.0", fluxConfig, layer{fluxLayer, second})
	url := ociURL(t, s, "org/app")
	files := func(names ...string) []string { return names }
	for name, c := range map[string]struct {
		q        OCIRequest
		revision string // "" is not compared
		files    []string
		data     []byte
		kind     error
	}{
		"tag":          {q: OCIRequest{Tag: "6.7.1"}, revision: "6.7.1@" + digest, files: files("a.yaml", "sub", "sub/b.yaml")},
		"range":        {q: OCIRequest{SemVer: "6.x", Tag: "latest"}, revision: "6.7.1@" + digest, files: files("a.yaml", "sub", "sub/b.yaml")},
		"filter":       {q: OCIRequest{SemVer: ">=6.0.0-0", SemverFilter: ".*-rc.*"}, files: files("c.yaml")},
		"digest":       {q: OCIRequest{Digest: digest, SemVer: "1.x"}, revision: digest, files: files("a.yaml", "sub", "sub/b.yaml")},
		"latest":       {files: files("c.yaml")},
		"copy":         {q: OCIRequest{Tag: "6.7.1", Operation: "copy"}, data: first},
		"media type":   {q: OCIRequest{Tag: "6.7.1", MediaType: "application/x", Operation: "copy"}, data: second},
		"no such type": {q: OCIRequest{Tag: "6.7.1", MediaType: "application/y"}, kind: ErrInvalid},
		"no such tag":  {q: OCIRequest{Tag: "9"}, kind: ErrNotFound},
		"no match":     {q: OCIRequest{SemVer: "7.x"}, kind: ErrNotFound},
		"bad range":    {q: OCIRequest{SemVer: "seven"}, kind: ErrInvalid},
		"bad filter":   {q: OCIRequest{SemVer: "6.x", SemverFilter: "("}, kind: ErrInvalid},
		"bad digest":   {q: OCIRequest{Digest: "sha256:zz"}, kind: ErrInvalid},
		"odd tag":      {q: OCIRequest{Tag: "../../x"}, kind: ErrInvalid},
		"odd op":       {q: OCIRequest{Tag: "6.7.1", Operation: "move"}, kind: ErrInvalid},
		"gone digest":  {q: OCIRequest{Digest: digestOf([]byte("no"))}, kind: ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t)
			c.q.URL = url
			a, err := client.OCI(t.Context(), c.q)
			if c.kind != nil {
				want(t, err, c.kind)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range a.Files {
				got = append(got, f.Name)
			}
			if diff := cmp.Diff(c.files, got); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			if c.revision != "" && a.Revision != c.revision || !bytes.Equal(a.Data, c.data) || a.FromCache || a.Annotations["k"] != "v" {
				t.Errorf("artifact is %+v", a)
			}
			before := len(seen.all())
			again, err := client.OCI(t.Context(), c.q)
			if err != nil || !again.FromCache || len(seen.all()) != before {
				t.Errorf("the second time: %v, from cache %v, requests %v", err, again.FromCache, seen.all()[before:])
			}
			again.FromCache = false
			if diff := cmp.Diff(a, again); diff != "" {
				t.Errorf("the second time (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOCIBadURL(t *testing.T) {
	c := newClient(t)
	for _, url := range []string{"https://ghcr.io/a", "oci://", "oci://ghcr.io/A", "oci://ghcr.io/a:tag", "oci://ghcr.io/a/../b", "oci://ghcr.io/a?x=y"} {
		_, err := c.OCI(t.Context(), OCIRequest{URL: url})
		want(t, err, ErrInvalid)
	}
	if c.Stats().Requests != 0 {
		t.Error("a request was sent")
	}
}

// TestOCIInterval: a tag is asked for again after its interval, and what it
// stands for is not fetched twice.
func TestOCIInterval(t *testing.T) {
	s, seen := ociRegistry(t)
	push(t, s.URL+"/v2/"+"app", "v1", fluxConfig, layer{fluxLayer, tgz(t, "a", "1")})
	c := newClient(t)
	now := time.Now()
	c.now = func() time.Time { return now }
	get := func() *Artifact {
		t.Helper()
		a, err := c.OCI(t.Context(), OCIRequest{URL: ociURL(t, s, "app"), Tag: "v1", Interval: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	get()
	now = now.Add(59 * time.Second)
	n := len(seen.all())
	get()
	if got := seen.all()[n:]; len(got) != 0 {
		t.Errorf("asked too early: %v", got)
	}
	now = now.Add(2 * time.Second)
	get()
	if diff := cmp.Diff([]string{"HEAD /v2/app/manifests/v1"}, seen.all()[n:]); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	push(t, s.URL+"/v2/"+"app", "v1", fluxConfig, layer{fluxLayer, tgz(t, "a", "2")})
	now = now.Add(2 * time.Minute)
	if a := get(); string(a.Files[0].Data) != "2" {
		t.Errorf("a moved tag gives %q", a.Files[0].Data)
	}
	now = now.Add(-time.Hour) // the clock was wrong
	n = len(seen.all())
	get()
	if len(seen.all()) == n {
		t.Error("an entry from the future counts")
	}
	off := newClient(t, func(o *Options) { o.Dir, o.Offline = filepath.Dir(c.cache.dir), true })
	if a, err := off.OCI(t.Context(), OCIRequest{URL: ociURL(t, s, "app"), Tag: "v1"}); err != nil || !a.FromCache {
		t.Errorf("offline: %v", err)
	}
	_, err := off.OCI(t.Context(), OCIRequest{URL: ociURL(t, s, "app"), Tag: "v2"})
	want(t, err, ErrOffline)
}

func TestOCIIndexImage(t *testing.T) {
	s, _ := ociRegistry(t)
	arm := push(t, s.URL+"/v2/"+"app", "arm", fluxConfig, layer{fluxLayer, tgz(t, "arm", "")})
	amd := push(t, s.URL+"/v2/"+"app", "amd", fluxConfig, layer{fluxLayer, tgz(t, "amd", "")})
	const manifest = "application/vnd.oci.image.manifest.v1+json"
	digest := pushJSON(t, s.URL+"/v2/"+"app", "all", "application/vnd.oci.image.index.v1+json", map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []any{
			map[string]any{"mediaType": manifest, "digest": arm, "size": 1, "platform": map[string]string{"os": "linux", "architecture": "arm64"}},
			map[string]any{"mediaType": manifest, "digest": amd, "size": 1, "platform": map[string]string{"os": "linux", "architecture": "amd64"}},
		},
	})
	a, err := newClient(t).OCI(t.Context(), OCIRequest{URL: ociURL(t, s, "app"), Tag: "all"})
	if err != nil {
		t.Fatal(err)
	}
	if a.Revision != "all@"+digest || len(a.Files) != 1 || a.Files[0].Name != "amd" {
		t.Errorf("artifact is %+v", a)
	}
}

// TestOCILies: registries that send something else than they said.
func TestOCILies(t *testing.T) {
	good := tgz(t, "a", "1")
	for name, c := range map[string]struct {
		change func(path string, body []byte) []byte
		kind   error
	}{
		"other manifest": {func(p string, b []byte) []byte { return on(p, "manifests/sha256", append(b, ' '), b) }, ErrInvalid},
		"other layer":    {func(p string, b []byte) []byte { return on(p, "blobs", tgz(t, "a", "2"), b) }, ErrInvalid},
		"shorter layer":  {func(p string, b []byte) []byte { return on(p, "blobs", good[:len(good)-1], b) }, ErrInvalid},
		"no manifest":    {func(p string, b []byte) []byte { return on(p, "manifests/v1", []byte("<html>"), b) }, ErrInvalid},
		"no layers":      {func(p string, b []byte) []byte { return on(p, "manifests/v1", []byte(`{"layers":[]}`), b) }, ErrInvalid},
		"huge layer": {func(p string, b []byte) []byte {
			return on(p, "manifests/v1", []byte(`{"layers":[{"size":99999999999,"digest":"`+digestOf(good)+`"}]}`), b)
		}, ErrInvalid},
		"odd layer digest": {func(p string, b []byte) []byte {
			return on(p, "manifests/v1", []byte(`{"layers":[{"size":1,"digest":"../../etc"}]}`), b)
		}, ErrUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			back, _ := ociRegistry(t)
			digest := push(t, back.URL+"/v2/"+"app", "v1", fluxConfig, layer{fluxLayer, good})
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				rec := httptest.NewRecorder()
				back.Config.Handler.ServeHTTP(rec, r)
				for k, v := range rec.Header() {
					if k != "Content-Length" && k != "Docker-Content-Digest" {
						w.Header()[k] = v
					}
				}
				w.WriteHeader(rec.Code)
				w.Write(c.change(r.URL.Path, rec.Body.Bytes()))
			})
			client := newClient(t)
			q := OCIRequest{URL: ociURL(t, s, "app"), Tag: "v1"}
			if name == "other manifest" {
				q = OCIRequest{URL: q.URL, Digest: digest}
			}
			_, err := client.OCI(t.Context(), q)
			want(t, err, c.kind)
		})
	}
}

func on(path, part string, yes, no []byte) []byte {
	if strings.Contains(path, part) {
		return yes
	}
	return no
}

// authRegistry wants a token, which a service at another address gives for a
// password.
func authRegistry(t *testing.T, realm string, seen *log) *httptest.Server {
	t.Helper()
	back, _ := ociRegistry(t)
	push(t, back.URL+"/v2/"+"org/app", "v1", fluxConfig, layer{fluxLayer, tgz(t, "a", "1")})
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen.add("registry " + r.Header.Get("Authorization"))
		if r.Header.Get("Authorization") != "Bearer good" {
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm=%q,service="test",scope="repository:org/app:pull"`, realm))
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		back.Config.Handler.ServeHTTP(w, r)
	})
}

func TestOCICredentials(t *testing.T) {
	var seen log
	token := serve(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		seen.add("token " + user + ":" + password)
		if password != "hunter22" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"token":"good"}`)
	})
	s := authRegistry(t, token.URL+"/token", &seen)
	q := OCIRequest{URL: ociURL(t, s, "org/app"), Tag: "v1"}
	auth := func(key string) string {
		return fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, key, base64.StdEncoding.EncodeToString([]byte("joe:hunter22")))
	}
	for name, c := range map[string]struct {
		file, env, value string
		key              string
		ok               bool
	}{
		"docker":             {file: ".docker/config.json", key: hostOf(t, s), ok: true},
		"docker by folder":   {file: "d/config.json", env: "DOCKER_CONFIG", value: "d", key: hostOf(t, s), ok: true},
		"for one repository": {file: ".docker/config.json", key: hostOf(t, s) + "/org/app", ok: true},
		"podman":             {file: ".config/containers/auth.json", key: hostOf(t, s), ok: true},
		"helm":               {file: "reg.json", env: "HELM_REGISTRY_CONFIG", value: "reg.json", key: hostOf(t, s), ok: true},
		"another host":       {file: ".docker/config.json", key: "ghcr.io"},
		"nothing":            {},
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			t.Setenv("HOME", home)
			if c.env != "" {
				t.Setenv(c.env, filepath.Join(home, c.value))
			}
			if c.file != "" {
				write(t, filepath.Join(home, c.file), auth(c.key))
			}
			client := newClient(t)
			_, err := client.OCI(t.Context(), q)
			if c.ok {
				if err != nil {
					t.Error(err)
				}
				noSecret(t, filepath.Dir(client.cache.dir), "hunter22")
				return
			}
			if e := want(t, err, ErrDenied); !strings.Contains(e.Hint, "docker login "+hostOf(t, s)) {
				t.Errorf("error is %+v", e)
			}
		})
	}
	for _, line := range seen.all() {
		if strings.HasPrefix(line, "registry ") && line != "registry " && line != "registry Bearer good" {
			t.Errorf("the registry saw %q", line)
		}
	}
}

// noSecret looks through a cache.
func noSecret(t *testing.T, dir, secret string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 && p != dir {
			t.Errorf("%s is open to others: %v", p, info.Mode())
		}
		if d.IsDir() {
			return nil
		}
		data, err := os.ReadFile(p)
		if bytes.Contains(data, []byte(secret)) {
			t.Errorf("%s holds the secret", p)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestTokenServices: the registry names the token service, so it is a host like
// any other.
func TestTokenServices(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	for name, c := range map[string]struct {
		realm string
		kind  error
	}{
		"metadata":    {"http://169.254.169.254/token", ErrPrivate},
		"by name":     {"http://inner.example/token", ErrPrivate},
		"not allowed": {"http://evil.example/token", ErrNotAllowed},
		"file":        {"file:///etc/passwd", nil},
	} {
		t.Run(name, func(t *testing.T) {
			var seen log
			s := authRegistry(t, c.realm, &seen)
			client := newClient(t, func(o *Options) {
				o.All, o.Hosts = false, []string{"127.0.0.1", "169.254.169.254", "inner.example"}
			})
			resolver(client, map[string]string{"inner.example": "10.0.0.1", "evil.example": "8.8.8.8"})
			_, err := client.OCI(t.Context(), OCIRequest{URL: ociURL(t, s, "org/app"), Tag: "v1"})
			if err == nil {
				t.Fatal("no error")
			}
			// oras itself refuses private addresses that are written as such.
			if c.kind != nil && name != "metadata" {
				want(t, err, c.kind)
			}
		})
	}
}

// TestBlobRedirect: registries send layers from elsewhere, without credentials.
func TestBlobRedirect(t *testing.T) {
	var seen log
	data := tgz(t, "a", "1")
	blobs := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen.add("blobs " + r.Header.Get("Authorization"))
		w.Write(data)
	})
	back, _ := ociRegistry(t)
	push(t, back.URL+"/v2/"+"app", "v1", fluxConfig, layer{fluxLayer, data})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _, ok := r.BasicAuth()
		if !ok {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if strings.Contains(r.URL.Path, "/blobs/") {
			http.Redirect(w, r, blobs.URL+"/x?sig=secret", http.StatusTemporaryRedirect)
			return
		}
		back.Config.Handler.ServeHTTP(w, r)
	})
	home := t.TempDir()
	t.Setenv("HOME", home)
	write(t, filepath.Join(home, ".docker/config.json"), fmt.Sprintf(`{"auths":{%q:{"username":"joe","password":"hunter22"}}}`, hostOf(t, s)))
	if _, err := newClient(t).OCI(t.Context(), OCIRequest{URL: ociURL(t, s, "app"), Tag: "v1"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"blobs "}, seen.all()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	c := newClient(t, func(o *Options) { o.All, o.Hosts = false, []string{hostOf(t, s)} })
	_, err := c.OCI(t.Context(), OCIRequest{URL: ociURL(t, s, "app"), Tag: "v1"})
	want(t, err, ErrNotAllowed)
}

// TestNoPasswordInClear: "insecure: true" in somebody's repository does not make
// the user's password go by plain HTTP.
func TestNoPasswordInClear(t *testing.T) {
	var leaked atomic.Bool
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			leaked.Store(true)
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	home := t.TempDir()
	t.Setenv("HOME", home)
	write(t, filepath.Join(home, ".docker/config.json"), fmt.Sprintf(`{"auths":{%q:{"username":"joe","password":"hunter22"}}}`, hostOf(t, s)))
	c := newClient(t, func(o *Options) { o.Private = []string{"127.0.0.0/8"} }) // the network, not the host
	_, err := c.OCI(t.Context(), OCIRequest{URL: ociURL(t, s, "app"), Tag: "v1", Insecure: true})
	want(t, err, ErrDenied)
	_, err = fetchIndex(t, c, "http://joe:hunter22@"+hostOf(t, s))
	want(t, err, ErrDenied)
	if leaked.Load() {
		t.Error("the password went by plain HTTP")
	}
}

// TestHTTPSRegistry is one that speaks TLS.
func TestHTTPSRegistry(t *testing.T) {
	h := registry.New(registry.Logger(quiet()))
	plain := serve(t, h.ServeHTTP)
	push(t, plain.URL+"/v2/"+"app", "v1", fluxConfig, layer{fluxLayer, tgz(t, "a", "1")})
	s := httptest.NewTLSServer(h)
	defer s.Close()
	c := newClient(t)
	trust(c, s)
	if _, err := c.OCI(t.Context(), OCIRequest{URL: ociURL(t, s, "app"), Tag: "v1"}); err != nil {
		t.Error(err)
	}
}

// TestTagPages: a list of tags in pages, and one without end.
func TestTagPages(t *testing.T) {
	t.Parallel()
	endless := false
	var n atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/tags/list") {
			w.WriteHeader(http.StatusOK)
			return
		}
		page := n.Add(1)
		if endless || page < 3 {
			w.Header().Set("Link", fmt.Sprintf(`</v2/app/tags/list?last=%d>; rel="next"`, page))
		}
		fmt.Fprintf(w, `{"tags":["1.0.%d"]}`, page)
	})
	c := newClient(t)
	repo, err := c.parseRepository(ociURL(t, s, "app"), true)
	if err != nil {
		t.Fatal(err)
	}
	tags, err := repo.tags(t.Context(), &report{c: c}, 0)
	if err != nil || len(tags) != 3 {
		t.Errorf("tags are %v, %v", tags, err)
	}
	endless = true
	if _, err := repo.tags(t.Context(), &report{c: c}, -time.Hour); err == nil {
		t.Error("a list without end has an end")
	}
}
