package cache

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// disk is a folder of entries:
//
//	CACHEDIR.TAG, .gitignore   keep the folder out of backups and of Git
//	v1/ab/abcd...              an entry by its name, in 256 folders
//	v1/ab/w-123                one that is being written
//	v1/growth                  when somebody looked at the size last, and what was written since
//
// An entry appears by rename alone and never changes. It is not flushed to the platter: what
// a power cut tears is found by its seal and is a miss, and a flush would cost more than the
// entry. There are no locks; the time of the last change of a file is that of its last use.
type disk struct {
	root  string
	dir   string // root/v1
	limit int64
	warn  func(string)
	now   func() time.Time

	said   sync.Once
	failed atomic.Int32 // writes in a row
	growth growth
	files  atomic.Int64 // written
	bytes  atomic.Int64
}

const (
	version  = "v1"
	tempName = "w-"
	// refresh is how old the time of use may be before a read renews it: not each read writes.
	refresh = 4 * time.Hour
	// giveUp is the number of failed writes in a row after which no more is tried.
	giveUp = 3
)

func newDisk(root string, limit int64, warn func(string)) *disk {
	return &disk{root: root, dir: filepath.Join(root, version), limit: limit, warn: warn, now: time.Now}
}

func (d *disk) path(name string) string { return filepath.Join(d.dir, name[:2], name) }

// get reads an entry, nil if there is none. The error wraps errDamaged.
func (d *disk) get(name string) ([]byte, error) {
	path := d.path(name)
	f, err := os.Open(path) //nolint:gosec // the name is a hash
	if err != nil {
		d.unreadable(err)
		return nil, nil
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		d.unreadable(err)
		return nil, nil
	}
	if !info.Mode().IsRegular() || info.Size() > MaxValue+int64(overhead) {
		return nil, fmt.Errorf("read entry: %w: no file of ours", errDamaged)
	}
	entry := make([]byte, info.Size())
	if _, err := io.ReadFull(f, entry); errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read entry: %w: shorter than its size", errDamaged)
	} else if err != nil {
		d.unreadable(err)
		return nil, nil
	}
	if age := d.now().Sub(info.ModTime()); age > refresh || age < -refresh {
		now := d.now()
		_ = os.Chtimes(path, now, now) // a folder that cannot be written keeps its times
	}
	return entry, nil
}

// remove takes an entry away; it may be gone already.
func (d *disk) remove(name string) { _ = os.Remove(d.path(name)) }

// put writes an entry, and reports whether it could.
func (d *disk) put(name string, entry []byte) bool {
	if d.failed.Load() >= giveUp || int64(len(entry)) > d.limit/4 {
		return false
	}
	if err := d.write(name, entry); err != nil {
		d.failed.Add(1)
		d.unwritable(err)
		return false
	}
	d.failed.Store(0)
	d.files.Add(1)
	d.bytes.Add(int64(len(entry)))
	d.grew(onDisk(int64(len(entry))))
	return true
}

func (d *disk) write(name string, entry []byte) error {
	path := d.path(name)
	shard := filepath.Dir(path)
	f, err := os.CreateTemp(shard, tempName)
	if errors.Is(err, fs.ErrNotExist) { // the first of its shard, or somebody has removed the folder
		if err = d.prepare(shard); err == nil {
			f, err = os.CreateTemp(shard, tempName)
		}
	}
	if err != nil {
		return err
	}
	_, err = f.Write(entry)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// marks are the files that tell programs which make backups, and Git, to leave the folder alone.
func marks() map[string]string {
	return map[string]string{
		"CACHEDIR.TAG": "Signature: 8a477f597d28d172789f06886806bc55\n# A cache of bulkhead; see https://bford.info/cachedir/\n",
		".gitignore":   "*\n",
	}
}

// prepare makes the folder of a shard.
func (d *disk) prepare(shard string) error {
	if err := os.MkdirAll(shard, 0o700); err != nil {
		return err
	}
	for name, text := range marks() {
		f, err := os.OpenFile(filepath.Join(d.root, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // a name of ours
		if err != nil {
			continue // there already; and none is needed
		}
		_, err = f.WriteString(text)
		if err = errors.Join(err, f.Close()); err != nil {
			_ = os.Remove(f.Name())
		}
	}
	return nil
}

// unreadable tells of an error of reading that is more than that nothing is there.
func (d *disk) unreadable(err error) {
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		d.tell("read", err)
	}
}

func (d *disk) unwritable(err error) { d.tell("written", err) }

// tell warns once.
func (d *disk) tell(what string, err error) {
	d.said.Do(func() {
		if path, ok := errors.AsType[*fs.PathError](err); ok {
			err = path.Err
		} else if link, ok := errors.AsType[*os.LinkError](err); ok {
			err = link.Err
		}
		d.warn(fmt.Sprintf("the cache %s cannot be %s (%v): what is not in it is computed again", d.root, what, err))
	})
}
