package concern

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// Whose is whose an object is, as far as a part of the fleet can tell.
type Whose struct {
	Concern Concern `json:"concern"`
	// Why names the evidence.
	Why string `json:"why"`
	// Alone is a file that must be read by no cluster of another part for this to hold; empty when it holds anyway.
	Alone string `json:"alone,omitempty"`
	// Else is what holds otherwise; left out without Alone.
	Else *Whose `json:"else,omitempty"`
}

// Settled is what holds once it is known which files the clusters of other parts read.
func (w Whose) Settled(read func(file string) bool) (Concern, string) {
	if w.Alone != "" && w.Else != nil && read(w.Alone) {
		return w.Else.Concern, w.Else.Why
	}
	return w.Concern, w.Why
}

func (j *Judge) whose(s *subject) Whose {
	v := j.of(s)
	w := Whose{Concern: v.concern, Why: v.why}
	if v.alone == "" || !j.partial() {
		return w
	}
	was, asked := j.readers[v.alone]
	j.readers[v.alone] = reader{many: true}
	other := j.of(s)
	if j.readers[v.alone] = was; !asked {
		delete(j.readers, v.alone)
	}
	w.Alone, w.Else = v.alone, &Whose{Concern: other.concern, Why: other.why}
	return w
}

// partial reports whether there are clusters that are not rendered.
func (j *Judge) partial() bool { return len(j.view.known) > len(j.view.names) }

// Strays are the files that clusters read and that look like those of a cluster of another part, sorted: they lie in the
// folder where it starts, or are named like it.
func (j *Judge) Strays() []string {
	if !j.partial() {
		return []string{}
	}
	folders, names := map[string]bool{}, map[string]bool{}
	for _, s := range []*side{j.view.after, j.view.before} {
		for _, e := range s.starts {
			if j.view.cluster(e.Cluster) == nil {
				folders[path.Join(e.Prefix, e.Path)], names[e.Cluster] = true, true
			}
		}
	}
	found := map[string]bool{}
	for _, t := range j.view.traces {
		for _, r := range t.reads {
			if file := path.Join(t.prefix, r.Path); r.Kind == tree.Content && !r.Hash.IsZero() && !found[file] {
				found[file] = looksLike(file, folders, names)
			}
		}
	}
	maps.DeleteFunc(found, func(_ string, stray bool) bool { return !stray })
	return append([]string{}, slices.Sorted(maps.Keys(found))...)
}

func looksLike(file string, folders, names map[string]bool) bool {
	parts := strings.Split(file, "/")
	last := len(parts) - 1
	stem := strings.TrimSuffix(parts[last], path.Ext(parts[last]))
	for dir := path.Dir(file); dir != "."; dir = path.Dir(dir) {
		if folders[dir] {
			return true
		}
	}
	return names[stem] || slices.ContainsFunc(parts[:last], func(p string) bool { return names[p] })
}

// File is what a part of the fleet says of whose a file is.
type File struct {
	// Path from the root of the repository under review.
	Path string `json:"path"`
	// Said is what documents and folders say; left out when they say nothing.
	Said *Whose `json:"said,omitempty"`
	// Read is true when a cluster reads it.
	Read bool `json:"read,omitempty"`
	// Cluster is whose it looks like, and Claim says why; left out for none.
	Cluster string `json:"cluster,omitempty"`
	Claim   *Whose `json:"claim,omitempty"`
	// Readers are the first builds that read it.
	Readers []Reader `json:"readers,omitempty"`
}

// File finds what there is to say of a file. Paths are from the repository's root.
func (j *Judge) File(file string) File {
	f := File{Path: file}
	s := &subject{file: file, side: j.view.after}
	for _, v := range []verdict{j.byPattern(s), j.tenants.declared(file), j.tenantFile(file)} {
		if v.given() {
			f.Said = &Whose{Concern: v.concern, Why: v.why}
			return f
		}
	}
	f.Read = j.reader(file).cluster != "" || j.reader(file).many
	for _, cluster := range j.view.names {
		if v := j.ofCluster(cluster, file); v.given() {
			f.Cluster, f.Claim = cluster, &Whose{Concern: v.concern, Why: v.why}
			break
		}
	}
	if f.Claim == nil || j.partial() {
		f.Readers = j.readersOf(file)
	}
	return f
}

// OfFile says whose a file of the repository under review is, and why, by what the parts of the fleet say of
// it. A file that no rule names is the tenant's whose objects alone come from it, or depend on it, else
// the platform's.
func OfFile(parts []File) (Concern, string) {
	file, cluster := "", ""
	var claim *Whose
	var readers []Reader
	for i := range parts {
		f := &parts[i]
		if f.Said != nil {
			return f.Said.Concern, f.Said.Why
		}
		file = f.Path
		readers = append(readers, f.Readers...)
		elsewhere := func(o *File) bool { return o != f && o.Read }
		if f.Claim == nil || anyOther(parts, elsewhere) {
			continue
		}
		if claim == nil || f.Cluster < cluster {
			cluster, claim = f.Cluster, f.Claim
		}
	}
	if claim != nil {
		return claim.Concern, claim.Why
	}
	if v := byReaders(file, readers); v.given() {
		return v.concern, v.why
	}
	return Platform, "file " + file + " is of no tenant and of no cluster alone"
}

func anyOther(parts []File, is func(*File) bool) bool {
	for i := range parts {
		if is(&parts[i]) {
			return true
		}
	}
	return false
}
