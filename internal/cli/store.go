package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"gocloud.dev/blob"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/bulkhead-dev/bulkhead/internal/cache"
	"github.com/bulkhead-dev/bulkhead/internal/cache/bucket"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// storeOptions say where what was computed is kept for other runs. The zero value is the
// environment's: BULKHEAD_CACHE and the rest, which flags go before.
type storeOptions struct {
	dir      string // or "off"
	remote   string // URL of a bucket
	readOnly bool
}

// off is the folder of who wants none.
const off = "off"

func (o *storeOptions) bind(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.dir, "cache", "", "keep what was computed in the folder `DIR`, or nowhere: off (default: $BULKHEAD_CACHE, else bulkhead/renders in the user's cache folder)")
	f.StringVar(&o.remote, "cache-remote", "", "share it through the bucket at `URL` as well: s3://, gs://, azblob:// or file:/// (default: $BULKHEAD_CACHE_REMOTE)")
	f.BoolVar(&o.readOnly, "cache-read-only", false, "only read that bucket: for jobs that may not write there, such as those of forks (default: $BULKHEAD_CACHE_READ_ONLY)")
	_ = c.MarkFlagDirname("cache")
}

// folder is where entries are kept, "" for nowhere. The error is one of the environment's.
func (o *storeOptions) folder() (string, error) {
	dir := cmp.Or(o.dir, os.Getenv("BULKHEAD_CACHE"))
	if dir == off {
		return "", nil
	}
	if dir == "" {
		dir, err := cache.DefaultDir()
		if err != nil {
			return "", hinted(err, "name a folder: --cache DIR, or --cache off")
		}
		return dir, nil
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find cache folder: %w", err)
	}
	return dir, nil
}

// bucket is what the store is shared through, nil for nothing.
func (o *storeOptions) bucket() (*bucket.Bucket, error) {
	text := cmp.Or(o.remote, os.Getenv("BULKHEAD_CACHE_REMOTE"))
	if text == "" {
		return nil, nil
	}
	b, err := bucket.Parse(text)
	if err != nil {
		return nil, usage("the URL of the shared cache cannot be used: "+err.Error(), "for instance --cache-remote 's3://bucket/prefix?region=eu-central-1'; --cache-remote and BULKHEAD_CACHE_REMOTE give it")
	}
	return b, nil
}

// limit is the size of the folder, in bytes.
func (o *storeOptions) limit() (int64, error) {
	text := os.Getenv("BULKHEAD_CACHE_SIZE")
	if text == "" {
		return cache.DefaultLimit, nil
	}
	q, err := resource.ParseQuantity(strings.TrimSuffix(text, "B"))
	if err != nil || q.Value() <= 0 {
		return 0, usage("BULKHEAD_CACHE_SIZE is no size", "for instance BULKHEAD_CACHE_SIZE=2GiB, 500M or 1073741824")
	}
	return q.Value(), nil
}

func (o *storeOptions) reads() (bool, error) {
	text := os.Getenv("BULKHEAD_CACHE_READ_ONLY")
	if o.readOnly || text == "" {
		return o.readOnly, nil
	}
	only, err := strconv.ParseBool(text)
	if err != nil {
		return false, usage("BULKHEAD_CACHE_READ_ONLY is neither 1 nor 0", "leave it out where the shared cache may be written")
	}
	return only, nil
}

// open gives the store, nil when none is wanted. Neither disk nor network is touched yet.
func (o *storeOptions) open(s *streams) (*cache.Store, error) {
	dir, homeless := o.folder()
	limit, limitErr := o.limit()
	shared, sharedErr := o.bucket()
	readOnly, readErr := o.reads()
	if err := cmp.Or(limitErr, sharedErr, readErr); err != nil {
		return nil, err
	}
	if homeless != nil && shared != nil {
		s.note("the shared cache is not used, as there is no folder beside it: --cache DIR names one")
	}
	if dir == "" || homeless != nil {
		return nil, nil //nolint:nilerr // without a home every run computes everything
	}
	opts := cache.Options{
		Dir: dir, Limit: limit, Secret: []byte(os.Getenv("BULKHEAD_CACHE_SECRET")), RemoteReadOnly: readOnly,
		Warn: func(text string) { s.note("%s", text) },
	}
	if shared != nil {
		opts.RemoteName = shared.String()
		opts.Remote = func(ctx context.Context) (*blob.Bucket, error) { return shared.Open(ctx, !readOnly) }
	}
	return cache.Open(opts)
}

// closeStore writes what is still to be written, once the answer is out: nobody waits for it.
func (f *fleet) closeStore(ctx context.Context) {
	if f.store == nil {
		return
	}
	_ = f.s.out.Flush() // Main sees the error again
	f.store.Close(ctx)
	if !f.opts.stats {
		return
	}
	n := f.store.Stats()
	_, _ = fmt.Fprintf(f.s.err, "bulkhead: stats: cache: %s, %s, %d written, %d damaged, %s read, %s written",
		phrase.Count(int(n.Hits), "hit"), phrase.Count(int(n.Misses), "miss"), n.Written, n.Damaged, size(n.Read), size(n.Wrote))
	if n.Dropped > 0 {
		_, _ = fmt.Fprintf(f.s.err, ", %d not kept", n.Dropped)
	}
	if f.store.Shared() {
		_, _ = fmt.Fprintf(f.s.err, "; shared: %s, %d uploaded", phrase.Count(int(n.RemoteHits), "hit"), n.Uploaded)
	}
	_, _ = fmt.Fprintln(f.s.err)
}
