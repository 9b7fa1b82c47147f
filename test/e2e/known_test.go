//go:build e2e && linux

package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/test/lab"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// With -short, a story that was equal is not played again as long as nothing has changed that
// its verdict follows from: its files, all that render and impact say of them, and the files
// of this suite and of the lab with its programs. A whole run plays all.

// known is a verdict that is kept.
type known struct {
	Appliers   int      `json:"appliers"`
	Objects    int      `json:"objects"`
	Failures   int      `json:"failures"`
	Changes    int      `json:"changes"`
	Unresolved []string `json:"unresolved,omitempty"`
}

// unused is how long a verdict is kept that nobody asks for.
const unused = 30 * 24 * time.Hour

// recall is the verdict of an earlier run; nil when the story is to be played.
func (s *story) recall(t *testing.T, cluster string) *verdict {
	t.Helper()
	file := s.keptIn(t, cluster)
	if file == "" || !testing.Short() {
		return nil
	}
	data, err := os.ReadFile(file)
	var k known
	if err != nil || json.Unmarshal(data, &k) != nil {
		return nil
	}
	now := time.Now()
	_ = os.Chtimes(file, now, now) // what is not marked as used is only forgotten sooner
	return &verdict{appliers: k.Appliers, objects: k.Objects, failures: k.Failures, changes: k.Changes, unresolved: k.Unresolved}
}

// keep remembers a verdict without a difference. That it cannot is no failure of the story.
func (s *story) keep(t *testing.T, cluster string, v *verdict) {
	t.Helper()
	file := s.keptIn(t, cluster)
	if file == "" || len(v.differences) > 0 || v.restless {
		return
	}
	half := fmt.Sprintf("%s.%d", file, os.Getpid()) // another run may write the same verdict
	data, err := json.Marshal(known{v.appliers, v.objects, v.failures, v.changes, v.unresolved})
	if err == nil {
		err = os.MkdirAll(filepath.Dir(file), 0o750)
	}
	if err == nil {
		err = os.WriteFile(half, data, 0o600)
	}
	if err == nil {
		err = os.Rename(half, file)
	}
	if err != nil {
		t.Logf("the verdict is not kept: %v", err)
	}
}

// forget removes what nobody has asked for in a while.
func forget() {
	dir, err := lab.CacheDir()
	if err != nil {
		return
	}
	files, err := filepath.Glob(filepath.Join(dir, "verdicts", "*"))
	if err != nil {
		return
	}
	for _, file := range files {
		if info, err := os.Stat(file); err == nil && time.Since(info.ModTime()) > unused {
			_ = os.Remove(file)
		}
	}
}

// keptIn is the file of a verdict; empty for stories whose verdict follows from more than
// their key says: public fleets, and what is served beside Git.
func (s *story) keptIn(t *testing.T, cluster string) string {
	t.Helper()
	dir, err := lab.CacheDir()
	if err != nil || s.public || s.served[0] != nil || s.served[1] != nil {
		return ""
	}
	suite, err := suiteDigest()
	if err != nil {
		t.Logf("verdicts are not kept: %v", err)
		return ""
	}
	s.digest.once.Do(func() { s.digest.sum, s.digest.err = s.sum() })
	if s.digest.err != nil {
		t.Logf("verdicts are not kept: %v", s.digest.err)
		return ""
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%s\n", suite, s.digest.sum, cluster))
	return filepath.Join(dir, "verdicts", hex.EncodeToString(sum[:]))
}

// suiteDigest is that of the files of this suite and of the lab, other than what is for readers.
var suiteDigest = sync.OnceValues(func() (string, error) {
	sum := sha256.New()
	_, _ = fmt.Fprintln(sum, runtime.Version())
	for _, dir := range []string{".", filepath.Join("..", "lab")} {
		err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || filepath.Ext(p) == ".md" {
				return err
			}
			f, err := os.Open(p)
			if err != nil {
				return err
			}
			defer func() { _ = f.Close() }()
			_, _ = fmt.Fprintln(sum, filepath.ToSlash(p))
			_, err = io.Copy(sum, f)
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
})

// storyDigest is made once, when a story has been rendered.
type storyDigest struct {
	once sync.Once
	sum  string
	err  error
}

// sum is over all of a story: its files, and what render and impact say of them.
func (s *story) sum() (string, error) {
	sum := sha256.New()
	if err := write(sum, s.name, s.url, s.branch, s.two, s.opts.Variables, s.opts.Clusters); err != nil {
		return "", err
	}
	sets := []map[string]map[string]tree.Blob{{"0": s.files[0], "1": s.files[1]}, s.refs, s.others}
	for _, set := range sets {
		for _, name := range slices.Sorted(maps.Keys(set)) {
			for _, p := range slices.Sorted(maps.Keys(set[name])) {
				if err := write(sum, name, p, set[name][p]); err != nil {
					return "", err
				}
			}
		}
	}
	for _, r := range s.result {
		if err := writeResult(sum, r); err != nil {
			return "", err
		}
	}
	if err := write(sum, s.report); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func writeResult(sum hash.Hash, r *render.Result) error {
	if err := write(sum, r.Notes); err != nil {
		return err
	}
	for _, c := range r.Clusters {
		if err := write(sum, c.Name, c.Labels, c.Entry, c.Profile, c.Failures, c.Unresolved, c.Notes); err != nil {
			return err
		}
		for _, a := range c.Appliers {
			plain := *a
			plain.Objects, plain.Held, plain.Release = nil, nil, nil
			if err := write(sum, plain); err != nil {
				return err
			}
			objects := slices.Concat(a.Objects, a.Held)
			if a.Release != nil {
				release := *a.Release
				objects, release.Hooks = append(objects, release.Hooks...), nil
				_, _ = fmt.Fprintf(sum, "%+v\n", release) // maps are printed in order
			}
			for _, o := range objects {
				if err := writeObject(sum, o); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func writeObject(sum hash.Hash, o *object.Object) error {
	return write(sum, o.ID, o.Origin, o.Body().Hash().String())
}

func write(sum hash.Hash, values ...any) error {
	for _, v := range values {
		data, err := json.Marshal(v)
		if err != nil {
			return err
		}
		_, _ = sum.Write(append(data, '\n'))
	}
	return nil
}
