// Package cache keeps what was computed, by a hash of all that it was computed from, in a
// folder and in a bucket that machines share. An entry that is lost, damaged or forged is
// an entry that is not there: it costs time and changes no result. Start with [Open].
package cache

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"gocloud.dev/blob"
)

// DefaultLimit is the size of a folder when nothing else is said, in bytes.
const DefaultLimit = 2 << 30

// Options say where entries are kept. The zero value keeps them in the user's cache folder.
type Options struct {
	Dir    string // of the entries; "" is [DefaultDir]
	Limit  int64  // bytes on disk, what was not used for longest goes first; 0 is DefaultLimit
	Secret []byte // goes into names and keys: who has another one, or none, shares nothing; may be empty

	// Remote opens the bucket that is asked for what the folder does not hold; nil for none. It
	// is called at the first use, in the background, and again never.
	Remote         func(context.Context) (*blob.Bucket, error)
	RemoteName     string        // for warnings; without credentials
	RemoteReadOnly bool          // upload nothing
	RemoteTimeout  time.Duration // of one request; 0 is 5 seconds
	Drain          time.Duration // that Close waits for what is still to be written; 0 is 10 seconds

	// Warn is told what the user should know, from any goroutine: at most one text about the
	// folder, one about the bucket and one about what Close has dropped. Nil is silent.
	Warn func(text string)
}

// DefaultDir is bulkhead/renders in the user's cache folder. The error says that the
// environment names no home.
func DefaultDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache folder: %w", err)
	}
	return filepath.Join(base, "bulkhead", "renders"), nil
}

// Stats count what a store did.
type Stats struct {
	Hits       int64 // answers, those of the bucket included
	RemoteHits int64 // answers of the bucket
	Misses     int64
	Damaged    int64 // entries that were there and did not open
	Written    int64 // entries written to the folder
	Uploaded   int64 // entries written to the bucket
	Dropped    int64 // values that were not kept: too many at once, too large, or no time left
	Read       int64 // bytes of the entries that gave an answer, as they are stored
	Wrote      int64 // bytes of the entries written to the folder
}

// Store keeps values. It is safe for concurrent use, and any number of processes may have
// one on the same folder. Close it.
type Store struct {
	opts    Options
	disk    *disk
	remote  *remote // nil for none
	behind  *behind
	mu      sync.Mutex
	pending map[[32]byte][]byte // put and not yet written

	hits, remoteHits, misses, damaged, uploaded, dropped, read atomic.Int64
}

const (
	queueBytes = 64 << 20 // of values that wait for the disk, and of entries that wait for the network
	drain      = 10 * time.Second
)

// Open makes a store. It touches neither the folder nor the bucket; what is wrong with them
// is told through Warn when they are used. The error says that there is no folder to use.
func Open(o Options) (*Store, error) {
	if o.Dir == "" {
		dir, err := DefaultDir()
		if err != nil {
			return nil, err
		}
		o.Dir = dir
	}
	if o.Limit <= 0 {
		o.Limit = DefaultLimit
	}
	if o.Drain <= 0 {
		o.Drain = drain
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	s := &Store{opts: o, disk: newDisk(o.Dir, o.Limit, o.Warn), pending: map[[32]byte][]byte{}}
	s.behind = &behind{workers: min(runtime.GOMAXPROCS(0), 4), limit: queueBytes, run: s.write}
	if o.Remote != nil {
		s.remote = newRemote(o)
		s.remote.uploaded = &s.uploaded
		s.remote.dropped = &s.dropped
	}
	return s, nil
}

// Get gives what was put under key; nil when nothing was, or when it is lost or damaged. It
// waits for the disk, and for the bucket within its timeout and ctx. The answer is shared:
// do not change it.
func (s *Store) Get(ctx context.Context, key [32]byte) []byte {
	s.mu.Lock()
	value, ok := s.pending[key]
	s.mu.Unlock()
	if ok {
		s.hits.Add(1)
		return value
	}
	names, err := derive(s.opts.Secret, key)
	if err != nil {
		return nil // only a build of Go that forbids SHA-256 could
	}
	if value = s.local(&names); value == nil {
		value = s.distant(ctx, &names)
	}
	if value == nil {
		s.misses.Add(1)
		return nil
	}
	s.hits.Add(1)
	return value
}

// local is the value in the folder, nil if there is none.
func (s *Store) local(names *secrets) []byte {
	name := names.hex()
	entry, err := s.disk.get(name)
	if entry == nil && err == nil {
		return nil
	}
	var value []byte
	if err == nil {
		value, err = names.opened(entry)
	}
	if err != nil {
		s.damaged.Add(1)
		s.disk.remove(name)
		return nil
	}
	s.read.Add(int64(len(entry)))
	return value
}

// distant is the value in the bucket, nil if there is none. It goes into the folder, too.
func (s *Store) distant(ctx context.Context, names *secrets) []byte {
	if s.remote == nil {
		return nil
	}
	entry := s.remote.get(ctx, names.hex())
	if entry == nil {
		return nil
	}
	value, err := names.opened(entry)
	if err != nil {
		s.damaged.Add(1)
		s.remote.damaged(names.hex())
		return nil
	}
	s.remoteHits.Add(1)
	s.read.Add(int64(len(entry)))
	s.behind.add(item{name: names.hex(), entry: entry, size: int64(len(entry))})
	return value
}

// Put keeps value, which must not change afterwards. It waits for neither disk nor network,
// and what cannot be kept is lost in silence, or with one warning. Equal keys have equal
// values: the second of two is not written.
func (s *Store) Put(key [32]byte, value []byte) { s.put(key, value, false) }

// Replace is Put of a value that changes with time: the newest counts.
func (s *Store) Replace(key [32]byte, value []byte) { s.put(key, value, true) }

func (s *Store) put(key [32]byte, value []byte, replace bool) {
	if value == nil {
		value = []byte{} // nil would say that there is none
	}
	s.mu.Lock()
	_, twice := s.pending[key]
	if !twice || replace {
		s.pending[key] = value
	}
	s.mu.Unlock()
	if twice && !replace {
		return
	}
	if len(value) > MaxValue || !s.behind.add(item{key: &key, value: value, size: int64(len(value)), replace: replace}) {
		s.dropped.Add(1)
		s.forget(key)
	}
}

func (s *Store) forget(key [32]byte) {
	s.mu.Lock()
	delete(s.pending, key)
	s.mu.Unlock()
}

// write does what Put and a remote hit have left for later.
func (s *Store) write(it item) {
	if it.key == nil {
		s.disk.put(it.name, it.entry)
		return
	}
	defer s.forget(*it.key)
	names, err := derive(s.opts.Secret, *it.key)
	if err != nil {
		return
	}
	entry, err := names.sealed(it.value)
	if err != nil {
		s.dropped.Add(1)
		return
	}
	name := names.hex()
	if !s.disk.put(name, entry) {
		s.dropped.Add(1)
	}
	if s.remote != nil {
		s.remote.put(name, entry, it.replace)
	}
}

// Close writes what is still to be written, for some seconds at most and no longer than
// ctx; the rest is dropped with a warning. The store must not be used afterwards.
func (s *Store) Close(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, s.opts.Drain)
	defer cancel()
	lost := s.behind.wait(within)
	s.disk.flush()
	if s.remote != nil {
		lost += s.remote.close(within)
	}
	s.dropped.Add(int64(lost))
	if lost > 0 && ctx.Err() == nil {
		s.opts.Warn(fmt.Sprintf("the cache took too long: %d of its entries were not written, and will be computed again", lost))
	}
}

// Shared reports whether there is a bucket.
func (s *Store) Shared() bool { return s.remote != nil }

// Stats gives the counts so far. Those of writing are complete after Close.
func (s *Store) Stats() Stats {
	return Stats{
		Hits: s.hits.Load(), RemoteHits: s.remoteHits.Load(), Misses: s.misses.Load(), Damaged: s.damaged.Load(),
		Written: s.disk.files.Load(), Uploaded: s.uploaded.Load(), Dropped: s.dropped.Load(),
		Read: s.read.Load(), Wrote: s.disk.bytes.Load(),
	}
}
