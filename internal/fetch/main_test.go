package fetch

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMain keeps the user's own configuration and proxies out of the tests.
func TestMain(m *testing.M) {
	home, err := os.MkdirTemp("", "fetch-home-")
	if err != nil {
		panic(err)
	}
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if strings.HasPrefix(name, "HELM_") || strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "XDG_") || strings.HasSuffix(strings.ToLower(name), "_proxy") {
			os.Unsetenv(name)
		}
	}
	for _, name := range []string{"DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "NETRC", "SSH_AUTH_SOCK", "SSH_KNOWN_HOSTS", "MC_CONFIG_DIR"} {
		os.Unsetenv(name)
	}
	os.Setenv("HOME", home)
	code := m.Run()
	os.RemoveAll(home)
	os.Exit(code)
}

// newClient makes a client that may reach loopback, waits little and keeps its
// cache in a folder of the test.
func newClient(t *testing.T, change ...func(*Options)) *Client {
	t.Helper()
	o := Options{Dir: t.TempDir(), All: true, Private: []string{"127.0.0.1", "::1", "localhost"}, Limits: Limits{Time: 20 * time.Second}}
	for _, f := range change {
		f(&o)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	c.guard.waits = []time.Duration{time.Millisecond, 2 * time.Millisecond}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// trust lets a client take the certificates of a test server.
func trust(c *Client, s *httptest.Server) {
	pool := s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	c.guard.direct, c.guard.proxied = c.guard.transports(&tls.Config{RootCAs: pool})
}

// resolver names hosts that do not exist.
func resolver(c *Client, hosts map[string]string) {
	system := c.guard.lookup
	c.guard.lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
		list, ok := hosts[host]
		if !ok {
			return system(ctx, host)
		}
		var out []netip.Addr
		for a := range strings.SplitSeq(list, ",") {
			out = append(out, netip.MustParseAddr(a))
		}
		return out, nil
	}
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func hostOf(t *testing.T, s *httptest.Server) string {
	t.Helper()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// log records requests.
type log struct {
	mu    sync.Mutex
	lines []string
}

func (l *log) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
}

func (l *log) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.lines...)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// index fetches the index of a repository: the simplest of all requests.
func fetchIndex(t *testing.T, c *Client, repository string) (*Artifact, error) {
	t.Helper()
	return c.HelmIndex(t.Context(), IndexRequest{Repository: repository})
}

// pemOf is the certificate of a TLS server.
func pemOf(s *httptest.Server) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}
