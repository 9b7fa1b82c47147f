package fetch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const anIndex = `apiVersion: v1
entries:
  web:
  - {apiVersion: v2, name: web, version: 1.0.0, urls: [web-1.0.0.tgz]}
`

// want fails the test unless err has the kind, and gives its *Error.
func want(t *testing.T, err, kind error) *Error {
	t.Helper()
	var e *Error
	if !errors.Is(err, kind) || !errors.As(err, &e) {
		t.Fatalf("error is %v, want %v", err, kind)
	}
	return e
}

func TestNothingIsReachedUnasked(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the server was reached") })
	c := newClient(t, func(o *Options) { o.All = false })
	_, err := fetchIndex(t, c, s.URL)
	e := want(t, err, ErrNotAllowed)
	if e.Host != "127.0.0.1" || !strings.Contains(e.Hint, "--fetch-host 127.0.0.1") {
		t.Errorf("error is %+v", e)
	}
	_, err = c.OCI(t.Context(), OCIRequest{URL: "oci://ghcr.io/a/b"})
	if e := want(t, err, ErrNotAllowed); e.Host != "ghcr.io" {
		t.Errorf("error is %+v", e)
	}
	_, err = c.Bucket(t.Context(), BucketRequest{Endpoint: "s3.example.com", Bucket: "abc"})
	want(t, err, ErrNotAllowed)
	_, err = c.Git(t.Context(), GitRequest{URL: "https://example.com/a.git"})
	want(t, err, ErrNotAllowed)
	if c.Stats().Requests != 0 {
		t.Error("a request was counted")
	}
}

func TestPrivateAddresses(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the server was reached") })
	_, port, _ := net.SplitHostPort(hostOf(t, s))
	c := newClient(t, func(o *Options) { o.Private = nil })
	resolver(c, map[string]string{"rebind.example": "127.0.0.1", "half.example": "8.8.8.8,10.0.0.1", "meta.example": "169.254.169.254", "six.example": "::ffff:127.0.0.1"})
	for _, host := range []string{"127.0.0.1", "[::ffff:127.0.0.1]", "rebind.example", "half.example", "meta.example", "six.example", "169.254.169.254", "10.0.0.1", "[::1]", "[fe80::1%25lo]", "0.0.0.0"} {
		_, err := fetchIndex(t, c, "http://"+host+":"+port)
		if e := want(t, err, ErrPrivate); !strings.Contains(e.Hint, "--fetch-private ") {
			t.Errorf("%s: hint is %q", host, e.Hint)
		}
	}
}

// TestRebinding answers a name with a public address first and a private one
// afterwards: the address that was checked is the one that is used.
func TestRebinding(t *testing.T) {
	var asked atomic.Int32
	s := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the server was reached") })
	_, port, _ := net.SplitHostPort(hostOf(t, s))
	c := newClient(t, func(o *Options) { o.Private = nil; o.Limits.Time = 300 * time.Millisecond })
	c.guard.lookup = func(context.Context, string) ([]netip.Addr, error) {
		if asked.Add(1) == 1 {
			return []netip.Addr{netip.MustParseAddr("192.88.99.1")}, nil // not public either
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	_, err := fetchIndex(t, c, "http://rebind.example:"+port)
	want(t, err, ErrPrivate)
	if asked.Load() != 1 {
		t.Errorf("the name was looked up %d times", asked.Load())
	}
}

func TestRedirects(t *testing.T) {
	elsewhere := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, anIndex) })
	for name, c := range map[string]struct {
		to   string
		kind error
	}{
		"metadata service": {"http://169.254.169.254/latest/meta-data", ErrPrivate},
		"private":          {"http://10.0.0.1/x", ErrPrivate},
		"name of private":  {"http://inner.example/x", ErrPrivate},
		"not allowed":      {"http://evil.example/x", ErrNotAllowed},
		"file":             {"file:///etc/passwd", ErrUnsupported},
		"loop":             {"/index.yaml", ErrInvalid},
		"other port":       {elsewhere.URL, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, c.to, http.StatusFound) })
			client := newClient(t, func(o *Options) {
				o.All, o.Hosts, o.Private = false, []string{"127.0.0.1", "10.0.0.1", "169.254.169.254", "inner.example"}, []string{"127.0.0.1"}
			})
			resolver(client, map[string]string{"inner.example": "192.168.0.1", "evil.example": "8.8.8.8"})
			_, err := fetchIndex(t, client, s.URL)
			if c.kind == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			want(t, err, c.kind)
		})
	}
}

func TestRedirectFromHTTPS(t *testing.T) {
	plain := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, anIndex) })
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, plain.URL, http.StatusFound) }))
	defer s.Close()
	c := newClient(t)
	trust(c, s)
	_, err := fetchIndex(t, c, s.URL)
	want(t, err, ErrInvalid)
}

func TestCredentialsStayAtTheirHost(t *testing.T) {
	var seen log
	elsewhere := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen.add("elsewhere " + r.Header.Get("Authorization"))
		fmt.Fprint(w, anIndex)
	})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		seen.add("home " + password)
		http.Redirect(w, r, elsewhere.URL, http.StatusFound)
	})
	u, _ := url.Parse(s.URL)
	u.User = url.UserPassword("joe", "hunter22")
	if _, err := fetchIndex(t, newClient(t), u.String()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(seen.all(), ","); got != "home hunter22,elsewhere " {
		t.Errorf("servers saw %q", got)
	}
}

func TestUnknownAuthority(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = quiet()
	s.StartTLS()
	defer s.Close()
	_, err := fetchIndex(t, newClient(t), s.URL)
	if e := want(t, err, ErrUnreachable); !strings.Contains(e.Text, "unknown authority") || !strings.Contains(e.Hint, "SSL_CERT_FILE") {
		t.Errorf("error is %+v", e)
	}
}

func TestServerThatHangs(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-done:
		case <-r.Context().Done():
		}
	})
	defer close(done)
	c := newClient(t, func(o *Options) { o.Limits.Time = 100 * time.Millisecond })
	start := time.Now()
	_, err := fetchIndex(t, c, s.URL)
	e := want(t, err, ErrUnreachable)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > time.Minute {
		t.Errorf("after %v: %+v", time.Since(start), e)
	}
	if _, err := fetchIndex(t, c, s.URL); !errors.Is(err, ErrUnreachable) {
		t.Errorf("a failure is not remembered: %v", err)
	}
}

func TestServerThatDrips(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write([]byte("x")); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			time.Sleep(5 * time.Millisecond)
		}
	})
	c := newClient(t, func(o *Options) { o.Limits.Time = 150 * time.Millisecond })
	_, err := fetchIndex(t, c, s.URL)
	want(t, err, ErrUnreachable)
}

func TestTooBig(t *testing.T) {
	t.Parallel()
	chunk := make([]byte, 64<<10)
	var sent atomic.Int64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for range 100 << 20 / len(chunk) {
			n, err := w.Write(chunk)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	c := newClient(t, func(o *Options) { o.Limits.Index = 1 << 20 })
	_, err := fetchIndex(t, c, s.URL)
	want(t, err, ErrInvalid)
	if n := c.Stats().Bytes; n > 2<<20 {
		t.Errorf("%d bytes were read", n)
	}
	said := serve(t, func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Length", "99999999999") })
	_, err = fetchIndex(t, c, said.URL)
	want(t, err, ErrInvalid)
}

func TestRetry(t *testing.T) {
	for name, c := range map[string]struct {
		bad   int // answers before the good one
		fail  http.HandlerFunc
		kind  error
		tries int32
	}{
		"busy once":     {1, status(429), nil, 2},
		"broken twice":  {2, status(500), nil, 3},
		"always broken": {9, status(503), ErrUnreachable, 3},
		"not found":     {9, status(404), ErrNotFound, 1},
		"denied":        {9, status(403), ErrDenied, 1},
		"teapot":        {9, status(418), ErrUnreachable, 1},
		"told to wait": {9, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
		}, ErrUnreachable, 1},
		"breaks off":       {1, breakOff, nil, 2},
		"always truncated": {9, breakOff, ErrUnreachable, 2},
		"hangs up once":    {1, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil, 2},
	} {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int32
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if n.Add(1) <= int32(c.bad) {
					c.fail(w, r)
					return
				}
				fmt.Fprint(w, anIndex)
			})
			a, err := fetchIndex(t, newClient(t), s.URL)
			if c.kind == nil && (err != nil || string(a.Data) != anIndex) {
				t.Errorf("answer is %v, %v", a, err)
			}
			if c.kind != nil {
				want(t, err, c.kind)
			}
			if n.Load() != c.tries {
				t.Errorf("%d tries, want %d", n.Load(), c.tries)
			}
		})
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func breakOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	fmt.Fprint(w, "apiVersion")
}

func TestProxy(t *testing.T) {
	var seen log
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen.add(r.URL.Host)
		fmt.Fprint(w, anIndex)
	})
	at, _ := url.Parse(proxy.URL)
	c := newClient(t, func(o *Options) { o.All, o.Hosts, o.Private = false, []string{"*.example", "10.0.0.1"}, nil })
	c.guard.proxy = func(*url.URL) (*url.URL, error) { return at, nil }
	resolver(c, map[string]string{"good.example": "8.8.8.8", "inner.example": "10.0.0.1"})
	if _, err := fetchIndex(t, c, "http://good.example"); err != nil {
		t.Error(err)
	}
	c.guard.lookup = func(_ context.Context, host string) ([]netip.Addr, error) {
		if host == "inner.example" {
			return []netip.Addr{netip.MustParseAddr("10.0.0.1")}, nil
		}
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	if _, err := fetchIndex(t, c, "http://outside-only.example"); err != nil {
		t.Error(err)
	}
	_, err := fetchIndex(t, c, "http://inner.example")
	want(t, err, ErrPrivate)
	_, err = fetchIndex(t, c, "http://10.0.0.1")
	want(t, err, ErrPrivate)
	_, err = fetchIndex(t, c, "http://evil.com")
	want(t, err, ErrNotAllowed)
	// The proxy itself is no more reachable than any other host.
	_, err = fetchIndex(t, c, proxy.URL)
	want(t, err, ErrNotAllowed)
	if got := strings.Join(seen.all(), ","); got != "good.example,outside-only.example" {
		t.Errorf("the proxy saw %s", got)
	}
}

// TestShared: many callers, one request; a caller that goes away does not take
// the answer from the others.
func TestShared(t *testing.T) {
	var n atomic.Int32
	release := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		<-release
		fmt.Fprint(w, anIndex)
	})
	c := newClient(t)
	ctx, leave := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		_, err := c.HelmIndex(ctx, IndexRequest{Repository: s.URL})
		gone <- err
	}()
	for n.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	answers := make(chan error, 20)
	for range cap(answers) {
		go func() {
			_, err := c.HelmIndex(t.Context(), IndexRequest{Repository: s.URL})
			answers <- err
		}()
	}
	time.Sleep(20 * time.Millisecond)
	leave()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("who left got %v", err)
	}
	close(release)
	for range cap(answers) {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	if n.Load() > 3 {
		t.Errorf("%d requests for one answer", n.Load())
	}
}

// TestHostThatIsDown is tried once for all that is asked of it.
func TestHostThatIsDown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	held, err := net.Dial("tcp", l.Addr().String()) // nobody else is given its port, where nobody listens
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	at := "http://down.example:" + strings.TrimPrefix(held.LocalAddr().String(), "127.0.0.1:")
	c := newClient(t, func(o *Options) { o.Private = append(o.Private, "down.example") })
	var n atomic.Int32
	c.guard.lookup = func(context.Context, string) ([]netip.Addr, error) {
		n.Add(1)
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	for i := range 5 {
		_, err := fetchIndex(t, c, fmt.Sprintf("%s/%d", at, i))
		want(t, err, ErrUnreachable)
	}
	if n.Load() != 1 {
		t.Errorf("%d tries", n.Load())
	}
}

// TestQueue: waiting for a place does not count as time of the request.
func TestQueue(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(150 * time.Millisecond)
		fmt.Fprint(w, anIndex)
	})
	c := newClient(t, func(o *Options) { o.Limits.Parallel, o.Limits.Time = 1, 2*time.Second }) // less than all of them take
	answers := make(chan error, 15)
	for i := range cap(answers) {
		go func() {
			_, err := c.HelmIndex(t.Context(), IndexRequest{Repository: fmt.Sprintf("%s/%d", s.URL, i)})
			answers <- err
		}()
	}
	for range cap(answers) {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
}
