package release

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
)

// loaded is a chart ready to run any number of times. It never changes.
type loaded struct {
	chart    *chart.Chart
	marks    marks
	files    []string                       // names of the template files, by the index their marks carry
	inserted map[*common.File]*instrumented // what was put into each template
	uses     Uses
	revision bool // .Release.Revision may be read
	install  bool // .Release.IsInstall or .IsUpgrade may be read
	longest  int  // bytes of the longest action of a template
	notes    []string
	size     int
	err      *Error // why the chart can't be loaded
}

// instrumented is a template before the marks were put in.
type instrumented struct {
	text    string
	put     []insertion
	longest int
}

// Digest names a chart by its files, in whatever order they come: 64 hexadecimal digits.
func Digest(files []File) string {
	_, digest := digestOf(files)
	return digest
}

// digestOf names a chart by its files, which it sorts by name, the order within one name kept.
func digestOf(files []File) ([]File, string) {
	files = slices.Clone(files)
	slices.SortStableFunc(files, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	h := sha256.New()
	for _, f := range files {
		var sizes [16]byte
		binary.BigEndian.PutUint64(sizes[:], uint64(len(f.Name)))
		binary.BigEndian.PutUint64(sizes[8:], uint64(len(f.Data)))
		h.Write(sizes[:])
		h.Write([]byte(f.Name))
		h.Write(f.Data)
	}
	return files, hex.EncodeToString(h.Sum(nil))
}

// load reads a chart as helm-controller does of an archive.
//
// Source: helm.sh/helm/v4 v4.2.4, pkg/chart/v2/loader LoadFiles and pkg/chart/loader/archive LoadArchiveFiles.
func load(files []File, digest string, limits Limits) (out *loaded) {
	out = &loaded{marks: marksOf(digest), inserted: map[*common.File]*instrumented{}}
	fail := func(stage, format string, args ...any) {
		out.chart, out.err = nil, &Error{Stage: stage, Message: fmt.Sprintf(format, args...)}
	}
	defer func() {
		if r := recover(); r != nil {
			fail(StageChart, "load chart: %v", r)
		}
	}()
	unpacker := &unpacker{left: limits.Files, nodes: limits.Nodes}
	if err := unpacker.add("", files, 0); err != nil {
		stage := StageChart
		if errors.Is(err, ErrLimit) {
			stage = StageLimit
		}
		fail(stage, "%v", err)
		return out
	}
	out.size = limits.Files - unpacker.left
	c, err := loader.LoadFiles(unpacker.files)
	if err != nil {
		fail(StageChart, "%v", err)
		return out
	}
	out.chart = c
	if err := out.prepare(c); err != nil {
		fail(StageLimit, "%v", err)
		return out
	}
	return out
}

// unpacker collects a chart's files, with the packed subcharts unpacked.
type unpacker struct {
	files []*archive.BufferedFile
	left  int // bytes
	nodes int
}

const maxArchives = 8 // archives within archives

func (u *unpacker) add(folder string, files []File, archives int) error {
	for _, f := range files {
		if !validName(f.Name) {
			return fmt.Errorf("chart contains illegally named files: %q", f.Name)
		}
		if u.left -= len(f.Data); u.left < 0 {
			return fmt.Errorf("%w: its files are larger than allowed", ErrLimit)
		}
		name := path.Join(folder, f.Name)
		if !packed(f.Name) {
			data := bytes.TrimPrefix(f.Data, []byte("\xef\xbb\xbf"))
			if ext := path.Ext(name); ext == ".yaml" || ext == ".lock" {
				if err := plainYAML(name, data, u.nodes); err != nil && !strings.Contains("/"+name, "/templates/") {
					return err
				}
			}
			u.files = append(u.files, &archive.BufferedFile{Name: name, Data: data})
			continue
		}
		if archives == maxArchives {
			return fmt.Errorf("%w: its archives nest too deep", ErrLimit)
		}
		inner, err := archive.LoadArchiveFiles(bytes.NewReader(f.Data))
		if err != nil {
			return fmt.Errorf("error unpacking subchart %s: %w", name, err)
		}
		below := make([]File, 0, len(inner))
		for _, i := range inner {
			below = append(below, File{Name: i.Name, Data: i.Data})
		}
		// As a folder with another ending, LoadFiles takes it for an unpacked subchart.
		if err := u.add(name+"~", below, archives+1); err != nil {
			return err
		}
	}
	return nil
}

// packed reports whether LoadFiles would unpack a file, of a chart or of one of its unpacked subcharts.
func packed(name string) bool {
	dir, base := path.Split(name)
	parts := strings.Split(strings.TrimSuffix(dir, "/"), "/")
	for i, p := range parts {
		if i%2 == 0 && p != "charts" || i%2 == 1 && strings.IndexAny(p, "_.") == 0 {
			return false
		}
	}
	return len(parts)%2 == 1 && path.Ext(base) == ".tgz" && strings.IndexAny(base, "_.") != 0
}

func validName(name string) bool {
	return name != "" && name != "." && path.Clean(name) == name && !path.IsAbs(name) && name != ".." && !strings.HasPrefix(name, "../") && !strings.Contains(name, "\\")
}

// prepare sorts the dependencies of c, which LoadFiles adds in any order, and puts the marks into its templates.
func (l *loaded) prepare(c *chart.Chart) error {
	c.Raw = nil
	deps := slices.Clone(c.Dependencies())
	slices.SortStableFunc(deps, func(a, b *chart.Chart) int {
		return cmp.Or(cmp.Compare(a.Name(), b.Name()), cmp.Compare(a.Metadata.Version, b.Metadata.Version))
	})
	c.SetDependencies(deps...)
	if c.IsRoot() {
		l.uses = chartUses(c) // of the text as it was
	}
	if err := l.localSchema(c); err != nil {
		return err
	}
	asData := slices.ContainsFunc(c.Templates, func(f *common.File) bool {
		return bytes.Contains(f.Data, []byte("AsConfig")) || bytes.Contains(f.Data, []byte("AsSecrets"))
	})
	if name, ok := sharedName(c); ok && asData {
		l.notes = append(l.notes, fmt.Sprintf("%s has two files of one name, such as %s: AsConfig and AsSecrets take either by chance", c.Name(), name))
	}
	for _, f := range c.Files {
		l.revision = l.revision || bytes.Contains(f.Data, []byte("Revision"))
		l.install = l.install || bytes.Contains(f.Data, []byte("IsInstall")) || bytes.Contains(f.Data, []byte("IsUpgrade"))
	}
	l.revision = l.revision || mentions(c.Values, "Revision")
	for _, f := range c.Templates {
		l.revision = l.revision || bytes.Contains(f.Data, []byte("Revision"))
		l.install = l.install || bytes.Contains(f.Data, []byte("IsInstall")) || bytes.Contains(f.Data, []byte("IsUpgrade"))
		text := string(f.Data)
		s, err := scanned(text, &l.marks)
		if errors.Is(err, errNested) {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		if err != nil {
			continue // Helm says what is wrong with it
		}
		put := s.put
		l.longest = max(l.longest, s.longest)
		if s.frames[0].solid && !strings.HasPrefix(path.Base(f.Name), "_") {
			put = slices.Insert(put, 0, insertion{0, fmt.Sprintf("{{%s %d $}}", l.marks.file, len(l.files))})
			l.files = append(l.files, f.Name)
		}
		l.inserted[f] = &instrumented{text: text, put: put}
		f.Data = []byte(spliced(text, put))
	}
	for _, d := range c.Dependencies() {
		if err := l.prepare(d); err != nil {
			return err
		}
	}
	return nil
}

// sharedName gives a file of c whose name another has in another folder.
func sharedName(c *chart.Chart) (string, bool) {
	seen := map[string]bool{}
	for _, f := range c.Files {
		if seen[path.Base(f.Name)] {
			return f.Name, true
		}
		seen[path.Base(f.Name)] = true
	}
	return "", false
}

// mentions reports whether a string of v holds word.
func mentions(v any, word string) bool {
	switch v := v.(type) {
	case string:
		return strings.Contains(v, word)
	case map[string]any:
		for k, e := range v {
			if strings.Contains(k, word) || mentions(e, word) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(e any) bool { return mentions(e, word) })
	}
	return false
}

// copied is a chart that Helm may change: it processes the dependencies in place.
func copied(c *chart.Chart) *chart.Chart {
	out := *c
	m := *c.Metadata
	m.Annotations = maps.Clone(m.Annotations)
	m.Dependencies = slices.Clone(m.Dependencies)
	for i, d := range m.Dependencies {
		if d != nil {
			dep := *d
			m.Dependencies[i] = &dep
		}
	}
	out.Metadata = &m
	if c.Values != nil {
		out.Values, _ = cloned(c.Values).(map[string]any)
	}
	deps := make([]*chart.Chart, 0, len(c.Dependencies()))
	for _, d := range c.Dependencies() {
		deps = append(deps, copied(d))
	}
	out.SetDependencies(deps...)
	return &out
}
