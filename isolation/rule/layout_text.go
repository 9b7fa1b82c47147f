package rule

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// literals looks for what belongs to one cluster in files that several read.
func literals(x *Context) (out []Found) {
	if x.Files == nil || len(x.Clusters) < 2 {
		return nil
	}
	r := readsOf(x)
	for _, file := range r.paths {
		readers := targets(r.files[file])
		if len(readers) < 2 || entryOf(x, file) != "" {
			continue
		}
		var of []string
		for _, c := range readers {
			of = append(of, c.Name)
		}
		known := once(x, "literals "+strings.Join(of, ","), func() *regexp.Regexp { return literalsOf(x, readers) })
		for _, m := range manifestsOf(x, file) {
			for _, hit := range hitsBelow(m.node, known) {
				out = append(out, Found{Message: fmt.Sprintf("%s says %q, which is not for all of the %s that read it", file, phrase.Clip(hit.text, 80), phrase.Count(len(readers), "cluster")), File: file, Line: hit.line})
			}
		}
	}
	return out
}

// literalsOf matches the names, and the values of variables, that belong to some clusters of the fleet and not to all of the readers.
func literalsOf(x *Context, readers []*estate.Cluster) *regexp.Regexp {
	owners := map[string]int{} // number of readers that have it
	for _, c := range x.Clusters {
		for _, text := range literalsOfCluster(x, c) {
			owners[text] += 0
			if slices.Contains(readers, c) {
				owners[text]++
			}
		}
	}
	var all []string
	for text, n := range owners {
		if n < len(readers) {
			all = append(all, regexp.QuoteMeta(text))
		}
	}
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	account := `arn:aws[a-z-]*:[a-z0-9-]*:[a-z0-9-]*:\d{12}:[^\s"']+` // an account is of one environment
	return regexp.MustCompile(`(?:^|[^A-Za-z0-9_-])(` + strings.Join(append(all, account), "|") + `)(?:$|[^A-Za-z0-9_-])`)
}

// literalsOfCluster are its name and the values of its variables, where they are long enough to mean nothing else.
func literalsOfCluster(x *Context, c *estate.Cluster) (out []string) {
	add := func(text, must string) {
		if len(text) >= 6 && strings.ContainsAny(text, must) && !strings.ContainsAny(text, "\n$") {
			out = append(out, text)
		}
	}
	add(c.Name, "-")
	if d := x.Declared[c.Name]; d != nil {
		for _, v := range d.Spec.Variables {
			add(v, "-./:")
		}
		for _, key := range []string{"region", "topology.kubernetes.io/region"} {
			add(d.Labels[key], "-")
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(out)))
}

type hit struct {
	text string
	line int
}

// hitsBelow are the first few values below a node that a pattern matches. Names of fields and comments are none.
func hitsBelow(n *yaml.Node, pattern *regexp.Regexp) (out []hit) {
	const most = 5
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		switch n.Kind {
		case yaml.ScalarNode:
			for i, line := range strings.Split(n.Value, "\n") {
				if strings.HasPrefix(strings.TrimSpace(line), "#") || len(out) >= most {
					continue
				}
				if found := pattern.FindStringSubmatch(line); found != nil {
					at := n.Line
					if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
						at += i + 1
					}
					out = append(out, hit{found[1], at})
				}
			}
		case yaml.MappingNode:
			for i := 1; i < len(n.Content); i += 2 {
				walk(n.Content[i])
			}
		case yaml.DocumentNode, yaml.SequenceNode:
			for _, el := range n.Content {
				walk(el)
			}
		case yaml.AliasNode: // what it stands for is in the file, too
		}
	}
	walk(n)
	return out
}

// copies looks for overlays of one component that are nearly equal.
func copies(x *Context) (out []Found) {
	if x.Files == nil {
		return nil
	}
	components := map[string][]string{} // to the keys of its overlays
	for _, file := range readsOf(x).paths {
		if o := overlayOf(x, file); o.kind == namedOverlay && entryOf(x, file) == "" && !slices.Contains(components[o.component], o.key) {
			components[o.component] = append(components[o.component], o.key)
		}
	}
	for component, keys := range components {
		out = append(out, copiesIn(x, component, keys)...)
	}
	return out
}

// An overlay is a copy when it has some length, and at most one line in ten differs.
const (
	fewLines  = 30
	likeness  = 0.9
	mostFiles = 500
)

func copiesIn(x *Context, component string, keys []string) (out []Found) {
	type group struct {
		lines map[string]int
		total int
		names []string
		equal int // lines that the last one has in common with the first
	}
	var groups []*group
	for _, key := range keys {
		lines, total := linesBelow(x.Files, path.Join(component, key), key)
		if total < fewLines {
			continue
		}
		i := slices.IndexFunc(groups, func(g *group) bool {
			same := 0
			for line, n := range lines {
				same += min(n, g.lines[line])
			}
			if float64(same) < likeness*float64(max(total, g.total)) {
				return false
			}
			g.equal = same
			return true
		})
		if i < 0 {
			groups = append(groups, &group{lines: lines, total: total, names: []string{key}})
			continue
		}
		groups[i].names = append(groups[i].names, key)
	}
	for _, g := range groups {
		if len(g.names) > 1 {
			out = append(out, Found{
				Message: fmt.Sprintf("%s of %s are copies of each other: %d of %d lines are equal", phrase.List(g.names, 4), component, g.equal, g.total), File: path.Join(component, g.names[0], "kustomization.yaml"),
			})
		}
	}
	return out
}

// linesBelow are the lines of the files of a folder, each with its file, and how many there are. Empty ones and comments do not count; key, the name of the
// overlay, is taken out.
func linesBelow(t *tree.Tree, dir, key string) (lines map[string]int, total int) {
	lines = map[string]int{}
	files := 0
	_ = t.Walk(dir, func(p string, e tree.Entry) error { // what cannot be read has no lines
		if e.IsDir() || e.Mode == tree.Symlink || !yamlFile(p) || files == mostFiles {
			return nil
		}
		files++
		data, err := t.ReadFile(p)
		if err != nil || len(data) > mostYAML {
			return nil //nolint:nilerr // as said above
		}
		file := strings.TrimPrefix(p, dir)
		for line := range strings.Lines(string(data)) {
			line = strings.TrimSpace(line)
			if line == "" || line == "---" || strings.HasPrefix(line, "#") {
				continue
			}
			lines[file+"\x00"+strings.ReplaceAll(line, key, "")]++
			total++
		}
		return nil
	})
	return lines, total
}
