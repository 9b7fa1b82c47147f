package shape

import (
	"cmp"
	"path"
	"slices"
	"strings"
)

// File is whose a file is, and the objects that come from it.
type File struct {
	Path    string         // slash path from the repository's root
	Concern string         // "platform", "cluster" or "tenant/NAME"
	Objects map[string]int // by concern
}

// Folder is a folder with the concerns of the files that lie in it, without those of folders below it.
type Folder struct {
	// Path from the repository's root.
	Path string `json:"path"`
	// Concerns, the one with the most files first.
	Concerns []Share `json:"concerns"`
}

// Share is what of a folder is of one concern.
type Share struct {
	Concern string `json:"concern"`
	Files   int    `json:"files"`
	// Objects that come from the folder's files.
	Objects int `json:"objects"`
}

// MixedFolders finds the folders that hold several concerns: what is a tenant's beside what is not, or several in one file. Files of
// several tenants side by side are none. Those come first of which the most is not of the folder's main concern. A kustomization file is as
// mixed as what it lists, and does not count.
func MixedFolders(files []File) []Folder {
	folders, torn := map[string]map[string]*Share{}, map[string]bool{}
	for _, f := range files {
		if isKustomization(f.Path) {
			continue
		}
		dir := path.Dir(f.Path)
		if folders[dir] == nil {
			folders[dir] = map[string]*Share{}
		}
		share := func(of string) *Share {
			if folders[dir][of] == nil {
				folders[dir][of] = &Share{Concern: of}
			}
			return folders[dir][of]
		}
		share(f.Concern).Files++
		torn[dir] = torn[dir] || len(f.Objects) > 1
		for of, n := range f.Objects {
			share(of).Objects += n
		}
	}
	out := []Folder{}
	for dir, shares := range folders {
		tenants := 0
		for of := range shares {
			if strings.HasPrefix(of, "tenant/") {
				tenants++
			}
		}
		if !torn[dir] && (tenants == 0 || tenants == len(shares)) {
			continue
		}
		f := Folder{Path: dir, Concerns: []Share{}}
		for _, s := range shares {
			f.Concerns = append(f.Concerns, *s)
		}
		slices.SortFunc(f.Concerns, func(a, b Share) int {
			return cmp.Or(cmp.Compare(b.Files, a.Files), cmp.Compare(b.Objects, a.Objects), cmp.Compare(a.Concern, b.Concern))
		})
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b Folder) int { return cmp.Or(cmp.Compare(b.minor(), a.minor()), cmp.Compare(a.Path, b.Path)) })
	return out
}

// minor is how much of the folder is not of its main concern.
func (f *Folder) minor() int {
	n := 0
	for _, s := range f.Concerns[1:] {
		n += s.Files + s.Objects
	}
	return n
}

// isKustomization tells the files that kustomize starts at.
func isKustomization(p string) bool {
	switch path.Base(p) {
	case "kustomization.yaml", "kustomization.yml", "Kustomization":
		return true
	}
	return false
}
