//go:build linux

package lab

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// unused is how long a state of a part is kept that nobody asks for: a branch that rests
// for some weeks is not to cost a build.
const unused = 30 * 24 * time.Hour

// gone ends the name of a folder that is being removed: nobody looks for it under that name.
const gone = ".gone"

// ready says whether a folder is whole, and marks it as used now. Nobody takes it away between
// the two. Who cannot write the cache goes without the mark.
func (p Part) ready(ctx context.Context, cache, folder string) bool {
	if unlock, err := lock(ctx, p.uses(cache), func() {}); err == nil {
		defer unlock()
	}
	if !whole(folder) {
		return false
	}
	now := time.Now()
	_ = os.Chtimes(filepath.Join(folder, built), now, now)
	return true
}

// uses is the file whose lock is held, for moments, by who marks a folder as used or takes one away.
func (p Part) uses(cache string) string { return filepath.Join(cache, p.name+".uses") }

// prune removes the states of the part that nobody asked for in weeks. What cannot be removed stays, and is told.
func (p Part) prune(ctx context.Context, w io.Writer, cache string) {
	entries, err := os.ReadDir(cache)
	if err != nil {
		return
	}
	state := regexp.MustCompile(`^` + regexp.QuoteMeta(p.name) + `-[0-9a-f]{16}(\.half)?(` + regexp.QuoteMeta(gone) + `)?$`)
	for _, e := range entries {
		folder := filepath.Join(cache, e.Name())
		if !e.IsDir() || !state.MatchString(e.Name()) || time.Since(lastUse(folder)) < unused {
			continue
		}
		say(w, "lab: removing %s, unused for weeks\n", folder)
		if err := p.remove(ctx, cache, folder); err != nil {
			say(w, "lab: %v\n", err)
		}
	}
}

// remove renames the folder first, when it is still unused, so that no other process finds half of it.
func (p Part) remove(ctx context.Context, cache, folder string) error {
	if strings.HasSuffix(folder, gone) { // left by a process that was killed
		return os.RemoveAll(folder)
	}
	unlock, err := lock(ctx, p.uses(cache), func() {})
	if err != nil {
		return err
	}
	if time.Since(lastUse(folder)) >= unused {
		err = os.Rename(folder, folder+gone)
	}
	unlock()
	if err != nil {
		return err
	}
	return os.RemoveAll(folder + gone)
}

// lastUse is the time of the mark, or without one that of the folder; now when there is neither.
func lastUse(folder string) time.Time {
	for _, path := range []string{filepath.Join(folder, built), folder} {
		if info, err := os.Stat(path); err == nil {
			return info.ModTime()
		}
	}
	return time.Now()
}
