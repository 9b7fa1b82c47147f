package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// remote is a bucket of entries, under the names v1/ab/abcd.... It is off for the rest of a
// run once it has shown that it does not help: a run must not wait for it without end.
type remote struct {
	open     func(context.Context) (*blob.Bucket, error)
	name     string
	readOnly bool
	timeout  time.Duration
	warn     func(string)

	behind  *behind
	run     context.Context // uploads outlive the call that asked for them
	cancel  context.CancelFunc
	opening sync.Once
	ready   chan struct{} // closed when bucket and err are set
	bucket  *blob.Bucket
	err     error

	said             sync.Once
	noReads, noWrite atomic.Bool
	uploaded         *atomic.Int64
	dropped          *atomic.Int64

	mu       sync.Mutex
	failures [2]int          // in a row, of reads and of uploads
	asked    int             // requests that were answered
	mean     time.Duration   // that an answer took, of the last few
	absent   map[string]bool // names that the bucket is known not to hold, or to hold damaged
}

const (
	requestTimeout  = 5 * time.Second
	failuresInARow  = 3
	uploads         = 8         // at once
	perSecond       = 512 << 10 // bytes that a large entry is given a second for
	slowMean        = time.Second
	slowAfter       = 8 // answers
	uploadsTimeouts = 4 // an upload has as many times the timeout of an answer: nobody waits for it
)

func newRemote(o Options) *remote {
	r := &remote{
		open: o.Remote, name: o.RemoteName, readOnly: o.RemoteReadOnly, timeout: o.RemoteTimeout,
		warn: o.Warn, ready: make(chan struct{}), absent: map[string]bool{},
	}
	if r.timeout <= 0 {
		r.timeout = requestTimeout
	}
	r.run, r.cancel = context.WithCancel(context.Background())
	r.behind = &behind{workers: uploads, limit: queueBytes, run: r.upload}
	return r
}

// objectName is where an entry lies in the bucket.
func objectName(name string) string { return version + "/" + name[:2] + "/" + name }

// errSlow ends a request that takes too long.
var errSlow = errors.New("no answer in time")

// bounded gives a context that ends with errSlow unless it is given more time.
func (r *remote) bounded(ctx context.Context, d time.Duration) (context.Context, *time.Timer, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(d, func() { cancel(errSlow) })
	return ctx, timer, func() { timer.Stop(); cancel(nil) }
}

// connected is the bucket, opened by whoever needs it first.
func (r *remote) connected(ctx context.Context) (*blob.Bucket, error) {
	r.opening.Do(func() {
		go func() {
			r.bucket, r.err = r.open(r.run)
			close(r.ready)
		}()
	})
	select {
	case <-r.ready:
		return r.bucket, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// get reads an entry, nil when there is none or the bucket does not help. One that is larger
// than any of ours reads as empty.
func (r *remote) get(ctx context.Context, name string) []byte {
	if r.noReads.Load() {
		return nil
	}
	within, timer, done := r.bounded(ctx, r.timeout)
	defer done()
	start := time.Now()
	entry, err := r.read(within, timer, name)
	switch {
	case ctx.Err() != nil: // the caller has gone
	case err != nil:
		r.fail(reads, context.Cause(within), err)
	default:
		r.answered(reads, time.Since(start))
	}
	return entry
}

func (r *remote) read(ctx context.Context, timer *time.Timer, name string) ([]byte, error) {
	b, err := r.connected(ctx)
	if err != nil {
		return nil, err
	}
	from, err := b.NewReader(ctx, objectName(name), nil)
	if gcerrors.Code(err) == gcerrors.NotFound && !noBucket(err) {
		r.note(name)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = from.Close() }()
	const most = MaxValue + int64(overhead)
	if from.Size() > most {
		return []byte{}, nil
	}
	timer.Reset(r.timeout + time.Duration(from.Size()/perSecond)*time.Second)
	entry, err := io.ReadAll(io.LimitReader(from, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(entry)) > most {
		return []byte{}, nil
	}
	return entry, nil
}

// note remembers that an upload of this entry need not ask first.
func (r *remote) note(name string) {
	if r.readOnly {
		return
	}
	r.mu.Lock()
	r.absent[name] = true
	r.mu.Unlock()
}

// damaged says that the entry of the bucket is to be replaced.
func (r *remote) damaged(name string) { r.note(name) }

// put leaves an entry for upload.
func (r *remote) put(name string, entry []byte, replace bool) {
	if r.readOnly || r.noWrite.Load() {
		return
	}
	if !r.behind.add(item{name: name, entry: entry, size: int64(len(entry)), replace: replace}) {
		r.dropped.Add(1)
	}
}

func (r *remote) upload(it item) {
	if r.noWrite.Load() {
		return
	}
	within, _, done := r.bounded(r.run, uploadsTimeouts*r.timeout+time.Duration(it.size/perSecond)*time.Second)
	defer done()
	put, err := r.write(within, it)
	switch {
	case r.run.Err() != nil: // the store is closed
	case err == nil:
		r.answered(writes, 0)
	case put && gcerrors.Code(err) == gcerrors.PermissionDenied: // who may not write may still read
		r.noWrite.Store(true)
		r.tell(fmt.Sprintf("nothing is uploaded to the shared cache %s (%s): --cache-read-only says that this is meant", r.name, reason(context.Cause(within), err)))
	default:
		r.fail(writes, context.Cause(within), err)
	}
}

// write uploads an entry that the bucket does not have, or has to have anew. Put reports whether it came to that.
func (r *remote) write(ctx context.Context, it item) (put bool, err error) {
	b, err := r.connected(ctx)
	if err != nil {
		return false, err
	}
	r.mu.Lock()
	known := r.absent[it.name]
	delete(r.absent, it.name)
	r.mu.Unlock()
	if !known && !it.replace {
		if there, err := b.Exists(ctx, objectName(it.name)); err != nil || there {
			return false, err
		}
	}
	if err := b.WriteAll(ctx, objectName(it.name), it.entry, &blob.WriterOptions{ContentType: "application/octet-stream"}); err != nil {
		return true, err
	}
	r.uploaded.Add(1)
	return true, nil
}

// What failures are counted for: a bucket that takes everything may still give nothing.
const (
	reads  = 0
	writes = 1
)

// answered counts an answer, and how long it took where somebody waited for it.
func (r *remote) answered(what int, took time.Duration) {
	r.mu.Lock()
	r.failures[what] = 0
	if what == reads {
		r.asked++
		r.mean += (took - r.mean) / time.Duration(min(r.asked, slowAfter))
	}
	slow := r.asked >= slowAfter && r.mean > slowMean
	mean := r.mean
	r.mu.Unlock()
	if slow {
		r.off(fmt.Sprintf("an answer takes %.1f s", mean.Seconds()))
	}
}

// fail counts a failure; some in a row, or one that will not get better, are the end.
func (r *remote) fail(what int, cause, err error) {
	if r.last(what, err) {
		r.off(reason(cause, err))
	}
}

// last counts a failure and reports whether no more is to be tried.
func (r *remote) last(what int, err error) bool {
	if noBucket(err) || gcerrors.Code(err) == gcerrors.PermissionDenied {
		return true
	}
	select {
	case <-r.ready:
		if r.err != nil { // it will not open another time
			return true
		}
	default: // not even its credentials were found in time
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures[what]++
	return r.failures[what] >= failuresInARow
}

// off ends the use of the bucket.
func (r *remote) off(why string) {
	r.noReads.Store(true)
	r.noWrite.Store(true)
	r.tell(fmt.Sprintf("the shared cache %s is left alone for the rest of this run (%s): what is not at hand is computed again", r.name, why))
}

func (r *remote) tell(text string) { r.said.Do(func() { r.warn(text) }) }

// close waits for uploads until ctx ends and gives how many were dropped.
func (r *remote) close(ctx context.Context) int {
	lost := r.behind.wait(ctx)
	if r.noWrite.Load() {
		lost = 0 // that was told
	}
	r.cancel()
	select {
	case <-r.ready:
		if r.bucket != nil {
			_ = r.bucket.Close()
		}
	default:
	}
	return lost
}

// noBucket tells a bucket that is not there from an object that is not: the code is the same.
func noBucket(err error) bool {
	if err == nil {
		return false
	}
	text := err.Error()
	for _, s := range []string{"NoSuchBucket", "ContainerNotFound", "bucket does not exist"} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// What an error of a cloud's library may quote and a log must not show.
var (
	query    = regexp.MustCompile(`\?[^\s"']+`)
	userInfo = regexp.MustCompile(`//[^/@\s]+@`)
	object   = regexp.MustCompile(`blob \(key "[^"]*"\) \(code=\w+\): `) // says nothing to anybody
)

// reason is an error in one line, without credentials.
func reason(cause, err error) string {
	if errors.Is(cause, errSlow) {
		return errSlow.Error()
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	text = object.ReplaceAllString(text, "")
	text = query.ReplaceAllString(text, "?...")
	text = userInfo.ReplaceAllString(text, "//...@")
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "..."
	}
	switch gcerrors.Code(err) {
	case gcerrors.PermissionDenied:
		return "permission denied: " + text
	default:
		return text
	}
}
