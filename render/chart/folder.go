package chart

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"helm.sh/helm/v4/pkg/chart/loader/archive"
	helmchart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/ignore"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// maxMatches bounds how often a rule of a .helmignore is held against a file.
const maxMatches = 20_000_000

// folder reads the files of one chart folder.
type folder struct {
	ctx     context.Context //nolint:containedctx // lives as long as one walk
	in      Reader
	root    string // the chart's folder, without symbolic links
	rules   *ignore.Rules
	matches int // what is left of maxMatches
	weight  int // rules there are, at most
	budget  *budget
	files   []*archive.BufferedFile
}

// loadFolder loads a chart from a folder of the source; dir may pass through symbolic
// links, which end at the source's root.
//
// Source: source-controller v1.9.5 internal/helm/chart/secureloader, which works on
// disk only. TestRepackLikeUpstream pins this to Helm's loader.
func loadFolder(ctx context.Context, in Reader, dir string, b *budget) (*helmchart.Chart, error) {
	root, err := secure(in, dir)
	if err != nil {
		return nil, err
	}
	f := &folder{ctx: ctx, in: in, root: root, matches: maxMatches, budget: b}
	if err := f.loadRules(dir); err != nil {
		return nil, fmt.Errorf("read %s: %w", path.Join(dir, ignore.HelmIgnore), err)
	}
	e, err := in.Stat(root)
	if err != nil {
		return nil, err
	}
	if err := f.walk("", root, e); err != nil {
		return nil, err
	}
	return load(f.files)
}

func (f *folder) loadRules(dir string) error {
	f.rules = ignore.Empty()
	p, err := secure(f.in, path.Join(dir, ignore.HelmIgnore))
	if err != nil {
		return err
	}
	if _, err = f.in.Stat(p); err == nil {
		data, err := f.in.ReadFile(p)
		if err != nil {
			return err
		}
		f.weight = bytes.Count(data, []byte("\n")) + 1
		if f.rules, err = ignore.Parse(bytes.NewReader(data)); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f.rules.AddDefaults()
	return nil
}

// walk takes what is at the path at of the source, which the chart calls name, and
// all below it. Symbolic links are followed.
func (f *folder) walk(name, at string, e tree.Entry) error {
	if err := f.ctx.Err(); err != nil {
		return err
	}
	if e.Mode == tree.Symlink {
		target, to, err := resolve(f.in, at)
		if err != nil {
			return fmt.Errorf("follow %s: %w", name, err)
		}
		return f.walk(name, target, to)
	}
	if name != "" {
		if f.matches -= f.weight; f.matches < 0 {
			return fmt.Errorf("%s and the files of the chart are too many together: %w", ignore.HelmIgnore, ErrTooLarge)
		}
		if f.rules.Ignore(name, entryInfo{e}) {
			return nil
		}
	}
	if !e.IsDir() {
		return f.take(name, at)
	}
	if strings.Count(name, "/") > 2*maxLinks {
		return fmt.Errorf("%.80s...: folders are too deep: %w", name, ErrTooLarge)
	}
	if err := f.budget.file(0); err != nil {
		return err
	}
	entries, err := f.in.ReadDir(at)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := f.walk(path.Join(name, e.Name), path.Join(at, e.Name), e); err != nil {
			return err
		}
	}
	return nil
}

func (f *folder) take(name, at string) error {
	data, err := f.in.ReadFile(at)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if len(data) > MaxFile {
		return fmt.Errorf("%s has %d bytes, %d are the limit: %w", name, len(data), MaxFile, ErrTooLarge)
	}
	if err := f.budget.file(len(data)); err != nil {
		return err
	}
	if err := weighNested(name, data, f.budget); err != nil {
		return err
	}
	f.files = append(f.files, &archive.BufferedFile{Name: name, Data: trimBOM(data)})
	return nil
}

// folderMetadata reads the metadata of a chart folder without loading the rest.
//
// Source: source-controller v1.9.5 internal/helm/chart/metadata.go
// LoadChartMetadataFromDir.
func folderMetadata(in Reader, dir string) (*helmchart.Metadata, error) {
	m := new(helmchart.Metadata)
	for _, name := range []string{chartFile, requirementsFile} {
		data, err := readIn(in, path.Join(dir, name))
		if name == requirementsFile && errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := decode(name, data, m); err != nil {
			return nil, err
		}
		if m.APIVersion == "" {
			m.APIVersion = helmchart.APIVersionV1
		}
	}
	return m, m.Validate()
}

// readIn reads a file as an operating system would, through symbolic links.
func readIn(in Reader, p string) ([]byte, error) {
	at, _, err := resolve(in, p)
	if err != nil {
		return nil, err
	}
	data, err := in.ReadFile(at)
	if err == nil && len(data) > MaxFile {
		err = fmt.Errorf("%s has %d bytes, %d are the limit: %w", p, len(data), MaxFile, ErrTooLarge)
	}
	return data, err
}
