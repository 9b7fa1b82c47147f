package fetch

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// diskCache keeps blobs by their SHA-256 and small entries that say which blob a
// reference stood for, and when. The files are
//
//	v1/blobs/ab/abcd...   content
//	v1/refs/ab/abcd...    JSON of an entry; the name is the hash of its key
//	v1/git/abcd.../       bare repositories, written once
//	v1/tmp/               what is being written
//
// Files and repositories appear by rename alone, so that several processes may
// share a cache without locks. What cannot be written is kept in memory, or in
// a temporary folder, until close.
type diskCache struct {
	dir   string // "" if there is none
	limit int64  // bytes
	note  func(text string)
	now   func() time.Time

	mu      sync.Mutex
	written int64 // bytes since the last prune
	pruned  bool
	said    bool
	blobs   map[string][]byte // by digest, when the folder cannot be written
	refs    map[string]entry
	temp    string // in place of v1/git and v1/tmp
}

// entry is what is known of a reference. It holds no credentials: keys are made
// of URLs without them.
type entry struct {
	Key    string    `json:"key"`
	Time   time.Time `json:"time"`             // when the other side was asked last
	Digest string    `json:"digest,omitempty"` // of a blob: "sha256:..."
	Value  string    `json:"value,omitempty"`  // anything else that is small
}

// version is that of the layout. Another one is another folder.
const version = "v1"

func newCache(dir string, limit int64, note func(string)) *diskCache {
	c := &diskCache{dir: dir, limit: limit, note: note, now: time.Now, blobs: map[string][]byte{}, refs: map[string]entry{}}
	if dir == "" {
		if base, err := os.UserCacheDir(); err == nil {
			c.dir = filepath.Join(base, "bulkhead", "fetch")
		}
	}
	if c.dir != "" {
		c.dir = filepath.Join(c.dir, version)
	}
	return c
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// hexOf is the hexadecimal part of a SHA-256 digest, "" if it is none.
func hexOf(digest string) string {
	sum, ok := strings.CutPrefix(digest, "sha256:")
	if !ok || len(sum) != sha256.Size*2 || strings.Trim(sum, "0123456789abcdef") != "" {
		return ""
	}
	return sum
}

func (c *diskCache) path(kind, sum string) string { return filepath.Join(c.dir, kind, sum[:2], sum) }

// blob reads the content with a digest. What is damaged is removed.
func (c *diskCache) blob(digest string) ([]byte, bool) {
	sum := hexOf(digest)
	if sum == "" {
		return nil, false
	}
	c.mu.Lock()
	data, ok := c.blobs[digest]
	c.mu.Unlock()
	if ok || c.dir == "" {
		return data, ok
	}
	path := c.path("blobs", sum)
	data, err := os.ReadFile(path) //nolint:gosec // the name is a hash
	if err != nil {
		return nil, false
	}
	if digestOf(data) != digest {
		_ = os.Remove(path)
		return nil, false
	}
	c.touch(path)
	return data, true
}

// put keeps content and gives its digest.
func (c *diskCache) put(data []byte) string {
	digest := digestOf(data)
	if c.dir != "" {
		path := c.path("blobs", hexOf(digest))
		if have, err := os.Stat(path); err == nil && have.Size() == int64(len(data)) {
			c.touch(path)
			return digest
		}
		if err := c.write(path, data); err == nil {
			return digest
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.blobs[digest] = data
	return digest
}

// ref reads the entry of a key.
func (c *diskCache) ref(key string) (entry, bool) {
	c.mu.Lock()
	e, ok := c.refs[key]
	c.mu.Unlock()
	if ok || c.dir == "" {
		return e, ok
	}
	path := c.path("refs", hexOf(digestOf([]byte(key))))
	data, err := os.ReadFile(path) //nolint:gosec // the name is a hash
	if err != nil || json.Unmarshal(data, &e) != nil || e.Key != key {
		return entry{}, false
	}
	c.touch(path)
	return e, true
}

// fresh reads the entry of a key if it is not older than age. An entry from the
// future is not fresh: a clock was wrong.
func (c *diskCache) fresh(key string, age time.Duration) (entry, bool) {
	e, ok := c.ref(key)
	if !ok {
		return e, false
	}
	if old := c.now().Sub(e.Time); age != forever && (old < -time.Minute || old > age) {
		return e, false
	}
	return e, true
}

func (c *diskCache) setRef(e entry) {
	e.Time = c.now().UTC()
	if data, err := json.Marshal(e); err == nil && c.dir != "" {
		if c.write(c.path("refs", hexOf(digestOf([]byte(e.Key)))), data) == nil {
			return
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refs[e.Key] = e
}

// write puts a file in place by rename.
func (c *diskCache) write(path string, data []byte) error {
	err := c.writeFile(path, data)
	if err != nil {
		c.unwritable(err)
		return err
	}
	c.grew(int64(len(data)))
	return nil
}

func (c *diskCache) writeFile(path string, data []byte) error {
	tmp := filepath.Join(c.dir, "tmp")
	for _, dir := range []string{tmp, filepath.Dir(path)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	f, err := os.CreateTemp(tmp, "w-")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// unwritable says once that the folder does not take anything.
func (c *diskCache) unwritable(err error) {
	c.mu.Lock()
	said := c.said
	c.said = true
	c.mu.Unlock()
	if said {
		return
	}
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		err = path.Err
	}
	c.note(fmt.Sprintf("the cache %s cannot be written (%v): what is fetched is kept for this run only", c.dir, err))
}

// folder gives the finished folder of a name, made by fill when there is none
// yet. It is never changed afterwards.
func (c *diskCache) folder(name string, fill func(dir string) error) (string, error) {
	root := c.dir
	if err := os.MkdirAll(filepath.Join(root, "tmp"), 0o700); root == "" || err != nil {
		if root != "" {
			c.unwritable(err)
		}
		if root, err = c.temporary(); err != nil {
			return "", err
		}
	}
	dir := filepath.Join(root, "git", name)
	tmp, err := os.MkdirTemp(filepath.Join(root, "tmp"), "d-")
	if err != nil && root == c.dir {
		c.unwritable(err)
		if root, err = c.temporary(); err == nil {
			dir = filepath.Join(root, "git", name)
			tmp, err = os.MkdirTemp(filepath.Join(root, "tmp"), "d-")
		}
	}
	if err != nil {
		return "", fmt.Errorf("make folder in cache: %w", err)
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	if err := fill(tmp); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return "", fmt.Errorf("make folder in cache: %w", err)
	}
	if err := os.Rename(tmp, dir); err != nil {
		if _, there := c.hasFolder(name); !there { // else another process was first
			return "", fmt.Errorf("make folder in cache: %w", err)
		}
	}
	c.grew(sizeOf(dir))
	return dir, nil
}

// hasFolder finds a finished folder.
func (c *diskCache) hasFolder(name string) (string, bool) {
	c.mu.Lock()
	temp := c.temp
	c.mu.Unlock()
	for _, root := range []string{c.dir, temp} {
		if root == "" {
			continue
		}
		dir := filepath.Join(root, "git", name)
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			c.touch(dir)
			return dir, true
		}
	}
	return "", false
}

func (c *diskCache) temporary() (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.temp == "" {
		dir, err := os.MkdirTemp("", "bulkhead-fetch-")
		if err != nil {
			return "", fmt.Errorf("make temporary folder: %w", err)
		}
		if err := os.Mkdir(filepath.Join(dir, "tmp"), 0o700); err != nil {
			return "", fmt.Errorf("make temporary folder: %w", err)
		}
		c.temp = dir
	}
	return c.temp, nil
}

// touch notes that something was used; pruning takes the longest unused first.
func (c *diskCache) touch(path string) {
	now := c.now()
	_ = os.Chtimes(path, now, now)
}

func (c *diskCache) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.temp == "" {
		return nil
	}
	err := os.RemoveAll(c.temp)
	c.temp = ""
	return err
}
