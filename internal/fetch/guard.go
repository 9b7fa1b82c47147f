package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/http/httpproxy"
)

// Bounds on one round trip; the request as a whole has Limits.Time.
const (
	dialTime      = 10 * time.Second
	handshakeTime = 10 * time.Second
	answerTime    = 30 * time.Second // until the header of an answer
	headerBytes   = 1 << 20
	maxRedirects  = 10
)

// guard is the way to the network, and the only one. Each host is looked up in
// the allow list and each address is checked on the socket it is used for: at
// the first request, after a redirect, for token services and blob stores.
type guard struct {
	hosts   hostList
	all     bool
	private privateList
	lookup  func(ctx context.Context, host string) ([]netip.Addr, error)
	proxy   func(*url.URL) (*url.URL, error)
	waits   []time.Duration
	down    *failures // by address, as "host:port"

	direct, proxied http.RoundTripper
	count           func()      // of requests
	received        func(n int) // of body bytes
}

func newGuard(hosts hostList, all bool, private privateList) *guard {
	g := &guard{
		hosts: hosts, all: all, private: private,
		lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		},
		proxy:    httpproxy.FromEnvironment().ProxyFunc(),
		waits:    []time.Duration{500 * time.Millisecond, 2 * time.Second},
		down:     &failures{},
		count:    func() {},
		received: func(int) {},
	}
	g.direct, g.proxied = g.transports(nil)
	return g
}

// transports makes a transport for direct connections, and one for the proxy
// that the user's environment names.
func (g *guard) transports(t *tls.Config) (direct, proxied http.RoundTripper) {
	base := &http.Transport{
		DialContext:            g.dial,
		TLSClientConfig:        t,
		TLSHandshakeTimeout:    handshakeTime,
		ResponseHeaderTimeout:  answerTime,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: headerBytes,
		DisableCompression:     true, // bytes are counted and hashed as they are sent
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        30 * time.Second,
	}
	through := base.Clone()
	through.DialContext = (&net.Dialer{Timeout: dialTime}).DialContext
	through.Proxy = func(r *http.Request) (*url.URL, error) { return g.proxy(r.URL) }
	return base, through
}

// client is an HTTP client over the guard.
func (g *guard) client() *http.Client {
	return &http.Client{Transport: g, CheckRedirect: redirect}
}

// with is the same guard with other TLS settings: client certificates, a CA.
func (g *guard) with(t *tls.Config) *guard {
	out := *g
	out.direct, out.proxied = out.transports(t)
	return &out
}

// redirect keeps credentials where they belong, and stays on HTTPS.
func redirect(r *http.Request, via []*http.Request) error {
	last := via[len(via)-1]
	if !sameOrigin(last.URL, r.URL) {
		r.Header.Del("Authorization")
		r.Header.Del("Cookie")
	}
	// The standard library copies the first request's header to each one.
	if !sameOrigin(via[0].URL, r.URL) {
		r.Header.Del("Authorization")
	}
	switch {
	case len(via) >= maxRedirects:
		return fault(ErrInvalid, "more than %d redirects", maxRedirects)
	case last.URL.Scheme == "https" && r.URL.Scheme != "https":
		return fault(ErrInvalid, "redirect from HTTPS to %s", cleanURL(r.URL.String()))
	}
	return nil
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && normalHost(a.Hostname()) == normalHost(b.Hostname()) && portOf(a) == portOf(b)
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "http":
		return "80"
	case u.Scheme == "ssh":
		return "22"
	}
	return "443"
}

// allow checks a host against the allow list.
func (g *guard) allow(host, port string) error {
	if host == "" {
		return fault(ErrInvalid, "a URL without a host")
	}
	if g.all || g.hosts.has(host, port) {
		return nil
	}
	name := normalHost(host)
	return &Error{Kind: ErrNotAllowed, Host: name, Hint: "--fetch-host " + name + ", or --fetch for any public host"}
}

// resolve gives the addresses of a host; all of them must be wanted.
func (g *guard) resolve(ctx context.Context, host, port string) ([]netip.Addr, error) {
	addrs := []netip.Addr{}
	if a, err := netip.ParseAddr(host); err == nil {
		addrs = append(addrs, a)
	} else if addrs, err = g.lookup(ctx, host); err != nil {
		return nil, err
	}
	for _, a := range addrs {
		if err := g.check(host, port, a); err != nil {
			return nil, err
		}
	}
	if len(addrs) == 0 {
		return nil, &net.DNSError{Err: "no address", Name: host, IsNotFound: true}
	}
	return addrs, nil
}

func (g *guard) check(host, port string, a netip.Addr) error {
	if g.private.allows(host, port, a) {
		return nil
	}
	name := normalHost(host)
	e := &Error{Kind: ErrPrivate, Host: name, Hint: "--fetch-private " + name}
	if s := a.Unmap().String(); s != name {
		e.Text = "it has the address " + s
	}
	return e
}

// dial connects to an address of a host that has been checked: what is connected
// to is the address, not the name. The socket's address is checked once more. A
// host that could not be connected to is not tried again for a while: a fleet
// may ask for many things from it.
func (g *guard) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("split address: %w", err)
	}
	if err := g.allow(host, port); err != nil {
		return nil, err
	}
	if err := g.down.get(addr, time.Now()); err != nil {
		return nil, err
	}
	parent := ctx
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	conn, err := g.connect(ctx, network, host, port)
	if err != nil && parent.Err() == nil {
		g.down.put(addr, err, time.Now())
	}
	return conn, err
}

func (g *guard) connect(ctx context.Context, network, host, port string) (net.Conn, error) {
	addrs, err := g.resolve(ctx, host, port)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{ControlContext: func(_ context.Context, _, socket string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(socket)
		if err != nil {
			return fmt.Errorf("parse socket address: %w", err)
		}
		return g.check(host, port, at.Addr())
	}}
	var failed []error
	for i, a := range addrs {
		// A share of the time for each address, so that a dead one does not take it all.
		deadline, _ := ctx.Deadline()
		part, done := context.WithTimeout(ctx, time.Until(deadline)/time.Duration(len(addrs)-i))
		conn, err := d.DialContext(part, network, net.JoinHostPort(a.String(), port))
		done()
		if err == nil {
			return conn, nil
		}
		failed = append(failed, err)
	}
	return nil, errors.Join(failed...)
}

// RoundTrip sends a request if its host may be reached. A GET or HEAD is sent
// again, after a wait, when the server is busy or the connection breaks.
func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	transport, err := g.route(r)
	if err != nil {
		closeBody(r)
		return nil, err
	}
	for i := 0; ; i++ {
		g.count()
		resp, err := transport.RoundTrip(r)
		if resp != nil {
			resp.Body = &counted{resp.Body, g.received, budgetOf(r.Context())}
		}
		wait, again := g.again(r, resp, err, i)
		if !again {
			return resp, err
		}
		if resp != nil {
			_ = resp.Body.Close()
		}
		timer := time.NewTimer(wait)
		select {
		case <-r.Context().Done():
			timer.Stop()
			return nil, r.Context().Err()
		case <-timer.C:
		}
	}
}

// route checks a request and says which transport it takes.
func (g *guard) route(r *http.Request) (http.RoundTripper, error) {
	u := r.URL
	if u.Scheme != "https" && u.Scheme != "http" {
		return nil, fault(ErrUnsupported, "scheme %s", u.Scheme)
	}
	host, port := u.Hostname(), portOf(u)
	if err := g.allow(host, port); err != nil {
		return nil, err
	}
	by, err := g.proxy(u)
	if err != nil {
		return nil, fault(ErrUnreachable, "the proxy's URL cannot be read")
	}
	if by == nil {
		return g.direct, nil
	}
	// The proxy resolves the name. Where we can as well, what is private stays so.
	if _, err := g.resolve(r.Context(), host, port); errors.Is(err, ErrPrivate) {
		return nil, err
	}
	return g.proxied, nil
}

// maxWait bounds what a server may ask us to wait before the next try.
const maxWait = 5 * time.Second

func (g *guard) again(r *http.Request, resp *http.Response, err error, tries int) (time.Duration, bool) {
	if tries >= len(g.waits) || r.Context().Err() != nil || r.Body != nil && r.Body != http.NoBody ||
		r.Method != http.MethodGet && r.Method != http.MethodHead {
		return 0, false
	}
	wait := g.waits[tries]
	if err != nil {
		return wait, transient(err)
	}
	switch resp.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
	default:
		return 0, false
	}
	if s, err := time.ParseDuration(resp.Header.Get("Retry-After") + "s"); err == nil && s > wait {
		if s > maxWait {
			return 0, false
		}
		wait = s
	}
	return wait, true
}

// transient reports whether a connection broke in a way that may not repeat.
func transient(err error) bool {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return true
	}
	return strings.Contains(err.Error(), "http2: server sent GOAWAY")
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// counted tells how many bytes of a body were read, and ends one that goes
// beyond the budget of its request.
type counted struct {
	io.ReadCloser
	received func(int)
	budget   *budget
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if n > 0 {
		c.received(n)
		if !c.budget.take(int64(n)) {
			return 0, fault(ErrInvalid, "too many bytes for one request")
		}
	}
	return n, err
}

// budget is how many bytes one request may still receive in all its answers,
// whoever reads them. A nil budget has no end.
type budget struct{ left atomic.Int64 }

func (b *budget) take(n int64) bool { return b == nil || b.left.Add(-n) >= 0 }

type budgetKey struct{}

func withBudget(ctx context.Context, bytes int64) context.Context {
	b := &budget{}
	b.left.Store(bytes)
	return context.WithValue(ctx, budgetKey{}, b)
}

func budgetOf(ctx context.Context) *budget {
	b, _ := ctx.Value(budgetKey{}).(*budget)
	return b
}
