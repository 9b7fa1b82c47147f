package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"
)

// step is how often a request that receives tells its progress.
const step = 200 * time.Millisecond

// report tells the events of one request. Its reader counts what comes in.
type report struct {
	c         *Client
	what, ref string
	started   bool // the network was used
	bytes     atomic.Int64
	last      atomic.Int64 // when progress was told, in nanoseconds
}

// online is asked for before the network is used.
func (r *report) online() error {
	if r.c.opts.Offline {
		return &Error{Kind: ErrOffline}
	}
	if !r.started {
		r.started = true
		r.tell(Started)
	}
	return nil
}

func (r *report) tell(kind EventKind) {
	if r.c.opts.Progress != nil {
		r.c.opts.Progress(Event{Kind: kind, What: r.what, Ref: r.ref, Bytes: r.bytes.Load()})
	}
}

// end tells how it went.
func (r *report) end(err error) {
	switch {
	case err != nil:
		r.tell(Failed)
	case r.started:
		r.tell(Done)
	default:
		r.c.hits.Add(1)
		r.tell(Cached)
	}
}

func (r *report) add(n int) {
	r.bytes.Add(int64(n))
	now, last := time.Now().UnixNano(), r.last.Load()
	if now-last >= int64(step) && r.last.CompareAndSwap(last, now) {
		r.tell(Progress)
	}
}

// note says something once.
func (c *Client) note(text string) {
	if c.opts.Progress != nil {
		c.opts.Progress(Event{Kind: Note, Text: text})
	}
}

// all reads a body whole, at most limit bytes. size is what it is said to have,
// -1 if nothing is said.
func (r *report) all(body io.Reader, size, limit int64) ([]byte, error) {
	if size > limit {
		return nil, fault(ErrInvalid, "%d bytes, more than %d", size, limit)
	}
	data, err := io.ReadAll(io.LimitReader(&telling{body, r}, limit+1))
	switch {
	case int64(len(data)) > limit:
		return nil, fault(ErrInvalid, "more than %d bytes", limit)
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET):
		r.bytes.Add(-int64(len(data)))
		return nil, fmt.Errorf("%w: %w", errBroken, fault(ErrUnreachable, "the connection broke after %d bytes", len(data)))
	}
	return data, err
}

type telling struct {
	io.Reader
	r *report
}

func (t *telling) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	if n > 0 {
		t.r.add(n)
	}
	return n, err
}

// ask is a GET request.
type ask struct {
	url     string
	limit   int64               // bytes of the answer
	prepare func(*http.Request) // adds to the request; may be nil
	show    func(http.Header)   // is shown the header of the answer; may be nil
}

// get reads a URL whole. A body that breaks off is asked for once more.
func (r *report) get(ctx context.Context, client *http.Client, a ask) ([]byte, error) {
	for try := 0; ; try++ {
		data, err := r.getOnce(ctx, client, a)
		if err == nil || try > 0 || !errors.Is(err, errBroken) {
			return data, err
		}
	}
}

// errBroken marks a body that ended too early.
var errBroken = errors.New("body broke off")

func (r *report) getOnce(ctx context.Context, client *http.Client, a ask) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url, nil)
	if err != nil {
		return nil, fault(ErrInvalid, "%s is not a URL", cleanURL(a.url))
	}
	req.Header.Set("User-Agent", userAgent)
	if a.prepare != nil {
		a.prepare(req)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if err := statusError(resp.StatusCode, req.URL.Hostname()); err != nil {
		return nil, err
	}
	if a.show != nil {
		a.show(resp.Header)
	}
	return r.all(resp.Body, resp.ContentLength, a.limit)
}

const userAgent = "bulkhead"

// statusError is the error of an HTTP status, nil for 200.
func statusError(status int, host string) error {
	switch status {
	case http.StatusOK:
		return nil
	case http.StatusUnauthorized, http.StatusForbidden:
		return denied(host, status)
	case http.StatusNotFound, http.StatusGone:
		return fault(ErrNotFound, "the server answers %d", status)
	}
	return fault(ErrUnreachable, "the server answers %d %s", status, http.StatusText(status))
}

func denied(host string, status int) error {
	return &Error{Kind: ErrDenied, Host: normalHost(host), Text: fmt.Sprintf("the server answers %d", status)}
}
