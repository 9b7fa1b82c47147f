package render

import (
	"bytes"
	"context"
	"path"
	"strings"

	"github.com/fxamacker/cbor/v2"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// landmark is a file that may say where a cluster starts.
type landmark struct {
	_ struct{} `cbor:",toarray"`

	Path     string // from the folder that was surveyed
	Sync     bool   // as flux bootstrap writes it
	Instance bool   // a FluxInstance, or the values of one
	Flux     bool   // Flux objects of flux-system
}

// surveyed is what a folder holds, down to the last file.
type surveyed struct {
	found []landmark
	files int
}

// keptSurvey is the number of files from which on the survey of the root, or of a folder there, outlives a
// run. Those of deeper ones are quick enough, and there are many.
const keptSurvey = 32

// survey finds the landmarks of a tree in the order of [tree.Tree.Walk], and counts its files. A folder
// that was surveyed before, in any tree, is not looked into again.
func (c *Cache) survey(ctx context.Context, t *tree.Tree) ([]landmark, int, error) {
	root, err := t.Stat(".")
	if err != nil {
		return nil, 0, err
	}
	s, err := c.surveyFolder(ctx, t, ".", root.Hash)
	return s.found, s.files, err
}

func (c *Cache) surveyFolder(ctx context.Context, t *tree.Tree, dir string, h tree.Hash) (s surveyed, err error) {
	if !h.IsZero() {
		if known, ok := c.surveys.Load(h); ok {
			s, _ = known.(surveyed)
			return s, nil
		}
	}
	stored := c.Store != nil && !h.IsZero() && !strings.Contains(dir, "/")
	large := false
	if stored {
		if data := c.Store.Get(ctx, c.keyIn("survey", h.String())); data != nil && cbor.Unmarshal(data, &s.found) == nil {
			s.files, large = keptSurvey, true
		}
	}
	if !large {
		if s, err = c.surveyEntries(ctx, t, dir); err != nil {
			return s, err
		}
	}
	if h.IsZero() {
		return s, nil
	}
	c.surveys.Store(h, s)
	if stored && !large && s.files >= keptSurvey {
		if data, err := cbor.Marshal(s.found); err == nil {
			c.Store.Put(c.keyIn("survey", h.String()), data)
		}
	}
	return s, nil
}

func (c *Cache) surveyEntries(ctx context.Context, t *tree.Tree, dir string) (s surveyed, err error) {
	entries, err := t.ReadDir(dir)
	if err != nil {
		return s, err
	}
	for _, e := range entries {
		p := path.Join(dir, e.Name)
		switch e.Mode {
		case tree.Directory:
			below, err := c.surveyFolder(ctx, t, p, e.Hash)
			if err != nil {
				return s, err
			}
			for _, f := range below.found {
				f.Path = path.Join(e.Name, f.Path)
				s.found = append(s.found, f)
			}
			s.files += below.files
		case tree.File, tree.Executable:
			s.files++
			if f := lookAt(t, p); f != (landmark{}) {
				f.Path = e.Name
				s.found = append(s.found, f)
			}
		case tree.Symlink, tree.Submodule:
		}
	}
	return s, nil
}

// lookAt says what the file at p is; zero for nothing of interest.
func lookAt(t *tree.Tree, p string) (f landmark) {
	if ext := path.Ext(p); ext != ".yaml" && ext != ".yml" {
		return f
	}
	data, err := t.ReadFile(p)
	if err != nil || len(data) > maxScanned {
		return f // a file too large to be an entry point; whoever reads it reports it
	}
	f.Sync = path.Base(p) == syncFile
	f.Instance = !f.Sync && (bytes.Contains(data, []byte("kind: FluxInstance")) || bytes.Contains(data, []byte("sync:")) && bytes.Contains(data, []byte("instance:")))
	f.Flux = bytes.Contains(data, []byte("kustomize.toolkit.fluxcd.io/")) && bytes.Contains(data, []byte("name: "+fluxNamespace))
	return f
}
