// Package fetch opens what sources refer to and Git does not hold: OCI artifacts,
// Helm charts, buckets and other Git repositories. Nothing is reached unless
// [Options] allow its host, and never a private address that was not named.
// Start with [New].
package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

// Options say what may be reached and where answers are kept. The zero value
// reaches nothing and reads what the cache in the user's cache folder holds.
type Options struct {
	Dir     string        // of the cache; "" is bulkhead/fetch in the user's cache folder
	Hosts   []string      // that may be reached: "example.com", "example.com:5000", "*.example.com" (not example.com itself)
	All     bool          // any public host may be reached
	Private []string      // hosts, as in Hosts, and CIDRs whose addresses need not be public; this alone does not allow a host
	MaxAge  time.Duration // how long an answer about a tag, range, index or branch counts when a request says nothing; 0 is 10 minutes
	Offline bool          // use the cache only, whatever its age
	Limits  Limits
	// Progress is told what happens, from several goroutines at once; nil is silent.
	Progress func(Event)
}

// Limits bound one request, and the cache. A field that is 0 has its default.
type Limits struct {
	Archive  int64         // bytes of one layer, or of one object of a bucket; 100 MiB
	Chart    int64         // bytes of one chart package of a HelmRepository; 10 MiB, as source-controller
	Index    int64         // bytes of a Helm repository index; 50 MiB, as source-controller, and no more is ever read
	Manifest int64         // bytes of an OCI manifest or a list of tags; 4 MiB
	Pack     int64         // bytes of a Git pack; 512 MiB, and the most that any request receives
	Unpacked int64         // bytes of all files of one artifact; 256 MiB; a Git commit may have four times as many
	Files    int           // files and folders of one artifact; 20000
	Time     time.Duration // of one request with all its round trips; 2 minutes
	Parallel int           // requests under way at once; 8
	Cache    int64         // bytes on disk, oldest out first; 2 GiB
}

func (l Limits) orDefault() Limits {
	set := func(v *int64, d int64) {
		if *v == 0 {
			*v = d
		}
	}
	set(&l.Archive, 100<<20)
	set(&l.Chart, 10<<20)
	set(&l.Index, 50<<20)
	set(&l.Manifest, 4<<20)
	set(&l.Pack, 512<<20)
	set(&l.Unpacked, 256<<20)
	set(&l.Cache, 2<<30)
	if l.Files == 0 {
		l.Files = 20000
	}
	if l.Time == 0 {
		l.Time = 2 * time.Minute
	}
	if l.Parallel == 0 {
		l.Parallel = 8
	}
	return l
}

// Client fetches. It is safe for concurrent use. Equal requests under way at
// once are one request. Close it when what it gave is no longer read.
type Client struct {
	opts   Options
	limits Limits
	guard  *guard
	http   *http.Client // over guard
	cache  *diskCache
	flight singleflight.Group
	slots  chan struct{}
	now    func() time.Time
	home   string // where credentials are looked for; "" if unknown

	secrets secrets
	failed  failures
	schemes sync.Map // registry host -> "http" or "https"
	tokens  sync.Map // scheme://host/repository -> *auth.Client
	indexes indexes

	requests, hits, bytes atomic.Int64
}

// defaultAge is how long an answer about a mutable reference counts.
const defaultAge = 10 * time.Minute

// New makes a client. The cache folder is made when something is written. The
// error says that Hosts or Private cannot be read.
func New(o Options) (*Client, error) {
	hosts, err := parseHosts(o.Hosts)
	if err != nil {
		return nil, fmt.Errorf("parse allowed hosts: %w", err)
	}
	private, err := parsePrivate(o.Private)
	if err != nil {
		return nil, fmt.Errorf("parse private hosts: %w", err)
	}
	c := &Client{opts: o, limits: o.Limits.orDefault(), now: time.Now}
	if c.opts.MaxAge == 0 {
		c.opts.MaxAge = defaultAge
	}
	c.cache = newCache(o.Dir, c.limits.Cache, c.note)
	c.cache.now = func() time.Time { return c.now() }
	c.slots = make(chan struct{}, c.limits.Parallel)
	c.home = homeDir()
	c.guard = newGuard(hosts, o.All, private)
	c.guard.count = func() { c.requests.Add(1) }
	c.guard.received = func(n int) { c.bytes.Add(int64(n)) }
	c.http = c.guard.client()
	return c, nil
}

// Close removes what was kept outside the cache folder and closes idle
// connections.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return c.cache.close()
}

// Stats count what a client did.
type Stats struct {
	Requests int64 // HTTP requests and SSH sessions, with retries
	Hits     int64 // answers that the cache alone gave
	Bytes    int64 // received in bodies and packs
}

// Stats gives the counts so far.
func (c *Client) Stats() Stats {
	return Stats{Requests: c.requests.Load(), Hits: c.hits.Load(), Bytes: c.bytes.Load()}
}

// age is how long an answer counts for a request with this interval.
func (c *Client) age(interval time.Duration) time.Duration {
	switch {
	case c.opts.Offline:
		return forever
	case interval > 0:
		return interval
	}
	return c.opts.MaxAge
}

// forever is the age of what does not change.
const forever = time.Duration(1<<63 - 1)

// job is a request: its key tells it from others, what names it for people.
type job struct{ key, what, ref string }

// errLeft says that the caller that began a request has gone before its end.
var errLeft = errors.New("the caller has gone")

// once runs fn for the first of equal requests that are under way, within the
// limits of time and of parallel requests, and remembers a failure for a while.
// A caller whose ctx ends stops waiting; the others get their answer.
func once[T any](ctx context.Context, c *Client, j job, fn func(context.Context, *report) (T, error)) (T, error) {
	var none T
	for {
		if err := ctx.Err(); err != nil {
			return none, c.explain(j.what, err)
		}
		if err := c.failed.get(j.key, c.now()); err != nil {
			return none, err
		}
		answer := c.flight.DoChan(j.key, func() (any, error) { return run(ctx, c, j, fn) })
		select {
		case <-ctx.Done():
			return none, c.explain(j.what, ctx.Err())
		case r := <-answer:
			if errors.Is(r.Err, errLeft) {
				continue
			}
			if r.Err != nil {
				return none, r.Err
			}
			v, ok := r.Val.(T)
			if !ok {
				return none, fmt.Errorf("fetch %s: two kinds of request share a key", j.what)
			}
			return v, nil
		}
	}
}

// run does the work of a request for the caller with ctx.
func run[T any](ctx context.Context, c *Client, j job, fn func(context.Context, *report) (T, error)) (v any, err error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return nil, errLeft
	}
	work, cancel := context.WithTimeout(withBudget(ctx, c.limits.Pack), c.limits.Time)
	defer cancel()
	r := &report{c: c, what: c.clean(j.what), ref: c.clean(j.ref)}
	defer func() {
		if p := recover(); p != nil { // an engine gave up on what a server sent
			err = fault(ErrInvalid, "%v", p)
		}
		switch {
		case err == nil:
		case ctx.Err() != nil:
			err = errLeft
		default:
			err = c.explain(j.what, err)
			c.failed.put(j.key, err, c.now())
		}
		r.end(err)
	}()
	return fn(work, r)
}
