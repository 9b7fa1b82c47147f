package artifact

import (
	"path"
	"strings"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// From says which source, by alias, a file or folder of the artifact is copied from,
// and from which path of it; false for what is made here, such as merged files, and
// for what is not there.
func (a *Artifact) From(p string) (alias, source string, ok bool) {
	if a.stage == nil {
		return "", "", false
	}
	at := a.stage.root
	rest := ""
	if p != "." {
		rest = p
	}
	for rest != "" && at.from == nil {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		if at = at.kids[name]; at == nil {
			return "", "", false
		}
	}
	t := at.from
	if t == nil {
		t = at.was
	}
	if t == nil {
		return "", "", false
	}
	return a.aliases[t], path.Join(at.path, rest), true
}

// origins is what From needs of a stage: where its nodes are from.
type origins struct {
	stage   *stage
	aliases map[*tree.Tree]string
}
