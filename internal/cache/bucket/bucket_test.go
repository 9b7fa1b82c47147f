package bucket_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gocloud.dev/blob"

	"github.com/bulkhead-dev/bulkhead/internal/cache"
	"github.com/bulkhead-dev/bulkhead/internal/cache/bucket"
)

// TestMain keeps the user's own clouds out of the tests, and remembers where the lab is.
func TestMain(m *testing.M) {
	home, err := os.MkdirTemp("", "bucket-home-")
	if err != nil {
		panic(err)
	}
	if dir, err := os.UserCacheDir(); err == nil && os.Getenv("BULKHEAD_LAB_CACHE") == "" {
		os.Setenv("BULKHEAD_LAB_CACHE", filepath.Join(dir, "bulkhead", "lab"))
	}
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		for _, prefix := range []string{"AWS_", "AZURE_", "GOOGLE_", "GCE_", "STORAGE_", "XDG_", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
			if strings.HasPrefix(name, prefix) {
				os.Unsetenv(name)
			}
		}
	}
	os.Setenv("HOME", home)
	os.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	code := m.Run()
	os.RemoveAll(home)
	os.Exit(code)
}

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"s3://acme":                          "s3://acme",
		"s3://acme/":                         "s3://acme",
		"s3://acme/flux/prod/?region=x":      "s3://acme/flux/prod",
		"s3://acme/flux?prefix=/prod/":       "s3://acme/flux/prod",
		"gs://acme?prefix=prod":              "gs://acme/prod",
		"azblob://renders?storage_account=a": "azblob://renders",
		"file:///var/cache/bulkhead":         "file:///var/cache/bulkhead",
	} {
		if b, err := bucket.Parse(text); err != nil || b.String() != want {
			t.Errorf("%s is %v, %v, want %s", text, b, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                           "begins with none of",
		"acme":                       "begins with none of",
		"https://acme.example/cache": "begins with none of",
		"mem://":                     "begins with none of",
		"s3://":                      "names no bucket",
		"gs:///x":                    "names no bucket",
		"file://cache":               "file:///absolute/path",
		"file:///":                   "file:///absolute/path",
		"file:cache":                 "file:///absolute/path",
		"s3://key:secret@acme":       "holds credentials",
		"s3://acme\x7f":              "not a URL",
	} {
		if b, err := bucket.Parse(text); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q is %v, %v, want %q", text, b, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("s3://acme/flux?region=x&endpoint=http://localhost")
	f.Add("file:///a/../b?x=%zz")
	f.Fuzz(func(t *testing.T, text string) {
		b, err := bucket.Parse(text)
		if err == nil && b.String() == "" {
			t.Error("no name")
		}
	})
}

// warnings records what a store says.
type warnings struct {
	mu    sync.Mutex
	texts []string
}

func (w *warnings) add(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, text)
}

func (w *warnings) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.texts...)
}

func keyOf(i int) [32]byte { return sha256.Sum256([]byte(fmt.Sprint("key ", i))) }
func valueOf(i int) []byte { return []byte(strings.Repeat(fmt.Sprint("value ", i, "\n"), 100)) }

// store is that of a machine with a folder of its own.
func store(t *testing.T, url string, readOnly bool, timeout time.Duration, w *warnings) *cache.Store {
	t.Helper()
	b, err := bucket.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	s, err := cache.Open(cache.Options{
		Dir:    filepath.Join(t.TempDir(), "cache"),
		Remote: func(ctx context.Context) (*blob.Bucket, error) { return b.Open(ctx, !readOnly) }, RemoteName: b.String(),
		RemoteReadOnly: readOnly, RemoteTimeout: timeout, Drain: time.Minute, Warn: w.add,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// share is the work of two machines: the first fills the bucket, the second reads from it.
func share(t *testing.T, url string) {
	t.Helper()
	const n = 30
	var w warnings
	for machine, want := range []cache.Stats{
		{Misses: n, Written: n, Uploaded: n},
		{Hits: n, RemoteHits: n, Written: n},
		{Hits: n, RemoteHits: n, Written: n}, // for jobs that may not write
	} {
		s := store(t, url, machine == 2, 20*time.Second, &w)
		for i := range n {
			got := s.Get(t.Context(), keyOf(i))
			if got == nil {
				s.Put(keyOf(i), valueOf(i))
			} else if string(got) != string(valueOf(i)) {
				t.Errorf("machine %d: value %d is another", machine, i)
			}
		}
		s.Close(t.Context())
		got := s.Stats()
		got.Read, got.Wrote = 0, 0
		if got != want {
			t.Errorf("machine %d: stats are %+v, want %+v", machine, got, want)
		}
	}
	if got := w.all(); len(got) > 0 {
		t.Errorf("warnings: %q", got)
	}
}

func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "by", "us")
	share(t, "file://"+filepath.ToSlash(dir))
	if left, _ := filepath.Glob(filepath.Join(dir, "*", "*", "*.attrs")); len(left) > 0 {
		t.Errorf("metadata: %v", left)
	}
}

// TestNoFolder: a job that may not write makes no folder, and says that there is none.
func TestNoFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	var w warnings
	s := store(t, "file://"+filepath.ToSlash(dir), true, 20*time.Second, &w)
	for i := range 10 {
		s.Get(t.Context(), keyOf(i))
		s.Put(keyOf(i), valueOf(i))
	}
	s.Close(t.Context())
	if got := w.all(); len(got) != 1 || !strings.Contains(got[0], "no such file") {
		t.Errorf("warnings: %q", got)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("it was made: %v", err)
	}
}

// TestBadServers: whatever answers in place of a bucket, there is one warning, and what was
// put is in the folder.
func TestBadServers(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "example-secret")
	denied := func(w http.ResponseWriter) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`)
	}
	missing := func(w http.ResponseWriter, code string) {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>%s</Code><Message>not here</Message></Error>`, code)
	}
	for name, c := range map[string]struct {
		serve http.HandlerFunc
		want  []string // in the one warning; none for no warning
	}{
		"no permission": {func(w http.ResponseWriter, _ *http.Request) { denied(w) }, []string{"left alone", "permission denied"}},
		"may only read": {func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut {
				denied(w)
				return
			}
			missing(w, "NoSuchKey")
		}, []string{"nothing is uploaded", "permission denied", "--cache-read-only"}},
		"no such bucket":  {func(w http.ResponseWriter, _ *http.Request) { missing(w, "NoSuchBucket") }, []string{"left alone", "NoSuchBucket"}},
		"garbage":         {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>Log in to the network</html>") }, nil},
		"garbled answers": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot); fmt.Fprint(w, "\x00{") }, []string{"left alone"}},
		"hangs":           {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, []string{"left alone", "no answer in time"}},
		"breaks off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5000")
			fmt.Fprint(w, "BHC1")
		}, []string{"left alone"}},
		"nobody": {nil, []string{"left alone"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := "http://127.0.0.1:1"
			if c.serve != nil {
				s := httptest.NewServer(c.serve)
				t.Cleanup(s.Close)
				t.Cleanup(s.CloseClientConnections)
				address = s.URL
			}
			b, err := bucket.Parse("s3://acme/flux?region=us-east-1&endpoint=" + address)
			if err != nil {
				t.Fatal(err)
			}
			var w warnings
			s, err := cache.Open(cache.Options{
				Dir:    filepath.Join(t.TempDir(), "cache"),
				Remote: func(ctx context.Context) (*blob.Bucket, error) { return b.Open(ctx, true) }, RemoteName: b.String(),
				RemoteTimeout: 500 * time.Millisecond, Drain: time.Minute, Warn: w.add,
			})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 12 {
				if s.Get(t.Context(), keyOf(i)) != nil {
					t.Errorf("there is a value %d", i)
				}
				s.Put(keyOf(i), valueOf(i))
				if got := s.Get(t.Context(), keyOf(i)); string(got) != string(valueOf(i)) {
					t.Errorf("value %d is %q", i, got)
				}
			}
			s.Close(t.Context())
			got := w.all()
			t.Logf("%q %+v", got, s.Stats())
			if c.want == nil && len(got) > 0 || c.want != nil && len(got) != 1 {
				t.Fatalf("warnings: %q, want one with %q", got, c.want)
			}
			for _, word := range c.want {
				if !strings.Contains(got[0], word) {
					t.Errorf("the warning is %q, without %q", got[0], word)
				}
			}
			for _, text := range got {
				if strings.Contains(text, "AKIA") || strings.Contains(text, "example-secret") {
					t.Errorf("a secret in %q", text)
				}
			}
			if st := s.Stats(); st.Written != 12 {
				t.Errorf("stats are %+v", st)
			}
		})
	}
}

// TestClouds: a bucket of Google's or Azure's with no credentials at hand is one warning, and
// nothing is printed behind our back.
func TestClouds(t *testing.T) {
	stdout := os.Stdout
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	os.Stdout = write
	defer func() { os.Stdout = stdout }()
	t.Setenv("GCE_METADATA_HOST", closedPort(t))
	t.Setenv("AZURE_STORAGE_ACCOUNT", "acme")
	for _, url := range []string{"gs://acme/flux", "gs://acme?private_key_path=/etc/passwd", "azblob://renders?domain=127.0.0.1:1&protocol=http"} {
		var w warnings
		s := store(t, url, false, time.Second, &w)
		for i := range 5 {
			s.Get(t.Context(), keyOf(i))
			s.Put(keyOf(i), valueOf(i))
		}
		s.Close(t.Context())
		if got := w.all(); len(got) != 1 || !strings.Contains(got[0], "left alone") {
			t.Errorf("%s: warnings: %q", url, got)
		}
		t.Logf("%q", w.all())
	}
	write.Close()
	out := make([]byte, 1000)
	if n, _ := read.Read(out); n > 0 {
		t.Errorf("printed: %q", out[:n])
	}
}

// closedPort is an address of this machine that refuses connections: one of a connection, which nobody else is given.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.LocalAddr().String()
}
