package cache

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	tick      = 1 << 20        // bytes written that are one mark in the file of growth
	lookAfter = 24 * time.Hour // even if little was written
	leftover  = time.Hour      // after which a file that is being written is nobody's
	block     = 4096           // a file takes whole blocks of a disk
)

// growth knows when somebody must look at the size of the folder, which takes a walk of it:
// when an eighth of the limit was written since the last look, by whichever process, or a
// day has gone. All processes count in the file v1/growth: the time of the last look in
// seconds, a line feed, and one mark for each MiB written, appended without a lock.
type growth struct {
	mu       sync.Mutex
	unmarked int64 // bytes
	asked    bool  // the file was read once
	looking  bool
}

// onDisk is what a file of n bytes takes.
func onDisk(n int64) int64 { return (n + block - 1) / block * block }

// grew counts n bytes, and prunes when it is time to.
func (d *disk) grew(n int64) {
	g := &d.growth
	g.mu.Lock()
	g.unmarked += n
	marks := g.unmarked / tick
	g.unmarked %= tick
	ask := !g.looking && (marks > 0 || !g.asked)
	if ask {
		g.asked, g.looking = true, true
	}
	g.mu.Unlock()
	if marks > 0 {
		d.mark(int(marks))
	}
	if !ask {
		return
	}
	if d.due() {
		d.prune()
	}
	g.mu.Lock()
	g.looking = false
	g.mu.Unlock()
}

// flush counts what is less than a mark as one.
func (d *disk) flush() {
	g := &d.growth
	g.mu.Lock()
	rest := g.unmarked
	g.unmarked = 0
	g.mu.Unlock()
	if rest > 0 {
		d.mark(1)
	}
}

func (d *disk) growthPath() string { return filepath.Join(d.dir, "growth") }

func (d *disk) mark(n int) {
	f, err := os.OpenFile(d.growthPath(), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return // no look yet: one is due
	}
	_, _ = f.Write(bytes.Repeat([]byte{'.'}, n))
	_ = f.Close()
}

// due reports whether somebody must look. A file that cannot be read or understood says yes.
func (d *disk) due() bool {
	data, err := os.ReadFile(d.growthPath())
	if err != nil {
		return true
	}
	first, marks, ok := strings.Cut(string(data), "\n")
	seconds, err := strconv.ParseInt(first, 10, 64)
	if !ok || err != nil {
		return true
	}
	age := d.now().Sub(time.Unix(seconds, 0))
	return age < -time.Minute || age > lookAfter || int64(len(marks)) > max(d.limit/8/tick, 1)
}

// looked begins the file of growth anew.
func (d *disk) looked() {
	tmp, err := os.CreateTemp(d.dir, tempName)
	if err != nil {
		return
	}
	_, err = fmt.Fprintf(tmp, "%d\n", d.now().Unix())
	if closed := tmp.Close(); err != nil || closed != nil || os.Rename(tmp.Name(), d.growthPath()) != nil {
		_ = os.Remove(tmp.Name())
	}
}

// kept is an entry as a walk sees it. There may be half a million of them.
type kept struct {
	name [32]byte
	used int64 // unix nanoseconds
	size int64
}

// prune removes what was not used for longest until four fifths of the limit are left, and
// what killed processes have left half written. Others may prune at the same time: what they
// have removed is as good as removed here.
func (d *disk) prune() {
	now := d.now()
	var all []kept
	var total int64
	d.walk(func(e found) {
		switch {
		case e.entry:
			all = append(all, kept{e.hash, e.info.ModTime().UnixNano(), onDisk(e.info.Size())})
			total += onDisk(e.info.Size())
		case now.Sub(e.info.ModTime()) > leftover:
			_ = os.Remove(e.path)
		}
	})
	if total > d.limit {
		slices.SortFunc(all, func(a, b kept) int {
			return cmp.Or(cmp.Compare(a.used, b.used), bytes.Compare(a.name[:], b.name[:]))
		})
		for _, e := range all {
			if total <= d.limit/5*4 {
				break
			}
			d.remove(hex.EncodeToString(e.name[:]))
			total -= e.size
		}
	}
	d.looked()
}

// found is a file of ours.
type found struct {
	path  string
	hash  [32]byte
	entry bool // else it is one that is being written
	info  os.FileInfo
}

// walk visits the files of the folder that are ours, and no other.
func (d *disk) walk(visit func(found)) {
	shards, err := os.ReadDir(d.dir)
	if err != nil {
		return
	}
	for _, shard := range shards {
		name := shard.Name()
		if strings.HasPrefix(name, tempName) && shard.Type().IsRegular() {
			if info, err := shard.Info(); err == nil {
				visit(found{path: filepath.Join(d.dir, name), info: info})
			}
		}
		if !shard.IsDir() || len(name) != 2 {
			continue
		}
		files, err := os.ReadDir(filepath.Join(d.dir, name))
		if err != nil {
			continue
		}
		for _, f := range files {
			e := found{path: filepath.Join(d.dir, name, f.Name())}
			n, err := hex.Decode(e.hash[:], []byte(f.Name()[:min(len(f.Name()), 64)]))
			e.entry = err == nil && n == len(e.hash) && len(f.Name()) == 64 && f.Name()[:2] == name
			if !f.Type().IsRegular() || !e.entry && !strings.HasPrefix(f.Name(), tempName) {
				continue
			}
			if e.info, err = f.Info(); err == nil {
				visit(e)
			}
		}
	}
}
