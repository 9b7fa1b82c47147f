package render

import (
	"path"
	"regexp"
	"strings"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// clean makes kustomize's message fit to show: paths from the source's root, on
// one line, not endless.
func clean(err error) string {
	msg := strings.ReplaceAll(err.Error(), artifactRoot+"/", "")
	msg = strings.ReplaceAll(msg, artifactRoot, ".")
	msg = strings.Join(strings.Fields(msg), " ")
	const most = 600
	if len(msg) > most {
		msg = strings.ToValidUTF8(msg[:most], "") + " …"
	}
	return msg
}

var pathInMessage = regexp.MustCompile(`[A-Za-z0-9_.@/+-]+\.(?:ya?ml|json|env|toml|properties)|[A-Za-z0-9_.@+-]+(?:/[A-Za-z0-9_.@+-]+)+`)

// fileIn is the file that a message is about, as far as it names one: the last
// path in it that exists in t, or the folder itself.
func fileIn(msg string, t *tree.Tree, dir string) string {
	found := dir
	for _, p := range pathInMessage.FindAllString(msg, -1) {
		p = strings.Trim(p, "./")
		for _, candidate := range []string{p, path.Join(dir, p)} {
			if e, err := t.Stat(path.Clean(candidate)); err == nil && !e.IsDir() {
				found = path.Clean(candidate)
			}
		}
	}
	return found
}

// fileOf is the file of a build's item, or "" when it is not known.
func fileOf(b *build, i int) string {
	if files := b.origins(); i < len(files) {
		return files[i]
	}
	return ""
}
