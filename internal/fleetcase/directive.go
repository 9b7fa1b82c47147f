package fleetcase

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// comment reads prose, then directives. That nothing else follows them finds the
// directive that is misspelt so badly that it looks like prose.
func (c *Case) comment(text string) error {
	var prose strings.Builder
	n, begun := 0, false
	for line := range strings.Lines(text) {
		n++
		word, value, ok := cut(line)
		switch {
		case ok:
			begun = true
			if err := c.directive(word, value); err != nil {
				return c.fault(n, line, err)
			}
		case !begun:
			prose.WriteString(line)
		case strings.TrimSpace(line) != "":
			return c.fault(n, line, errors.New("prose below a directive"))
		}
	}
	c.Comment = strings.TrimSpace(prose.String())
	return nil
}

// cut takes a directive apart; ok is false for prose.
func cut(line string) (word, value string, ok bool) {
	word, value, ok = strings.Cut(strings.TrimSpace(line), ":")
	last := strings.TrimPrefix(word, "no ")
	if !ok || last == "" || strings.Trim(last, "abcdefghijklmnopqrstuvwxyz") != "" {
		return "", "", false
	}
	rest := strings.TrimSpace(value)
	return word, rest, rest == "" || rest != value // "https://" is no directive
}

func (c *Case) directive(word, value string) error {
	f := strings.Fields(value)
	if len(f) == 0 {
		return errors.New("a directive without a value")
	}
	switch word {
	case "show", "no upstream", "lab": // for one suite each
		c.Directives[word] = append(c.Directives[word], value)
	case "source":
		return c.source(f)
	case "ref":
		return c.ref(f)
	case "branch":
		if c.Branch != "" {
			return errTwice
		}
		if c.Branch = value; len(f) != 1 {
			return errors.New("want branch: NAME")
		}
	case "var":
		return c.variable(value)
	case "cluster":
		if len(f) < 2 {
			return errors.New("want cluster: NAME PATH..., one PATH at least")
		}
		c.Clusters = append(c.Clusters, Cluster{Name: f[0], Paths: f[1:]})
	case "link":
		if len(f) != 2 {
			return errors.New("want link: PATH TARGET")
		}
		return c.add(f[0], tree.Blob{Mode: tree.Symlink, Data: f[1]})
	case "submodule":
		return c.add(value, tree.Blob{Mode: tree.Submodule})
	case "crlf":
		return c.edit(value, func(data string) string { return strings.ReplaceAll(data, "\n", "\r\n") })
	case "bom":
		return c.edit(value, func(data string) string { return "\ufeff" + data })
	default:
		return fmt.Errorf("no directive is called %q", word)
	}
	return nil
}

func (c *Case) source(f []string) error {
	if len(f) != 2 || !strings.HasPrefix(f[1], "@") {
		return errors.New("want source: URL @DIR")
	}
	if slices.ContainsFunc(c.Sources, func(s Source) bool { return s.URL == f[0] }) {
		return errTwice
	}
	c.Sources = append(c.Sources, Source{URL: f[0], Dir: f[1]})
	return c.has(f[1])
}

func (c *Case) ref(f []string) error {
	ref, dir := f[:len(f)-1], f[len(f)-1]
	known := false
	switch len(ref) {
	case 0:
	case 1:
		known = strings.HasPrefix(ref[0], "refs/")
	case 2:
		known = slices.Contains([]string{"tag", "branch", "commit"}, ref[0])
	default:
		known = len(ref) > 3 && slices.Equal(ref[:3], []string{"a", "tag", "in"})
	}
	if !known || !strings.HasPrefix(dir, "@") {
		return errors.New("want ref: REF @DIR, with tag, branch or commit and a name, a tag in RANGE, or refs/... for REF")
	}
	text := strings.Join(ref, " ")
	if slices.ContainsFunc(c.Refs, func(r Ref) bool { return r.Ref == text }) {
		return errTwice
	}
	c.Refs = append(c.Refs, Ref{Ref: text, Dir: dir})
	return c.has(dir)
}

func (c *Case) variable(value string) error {
	cluster, assigned, _ := strings.Cut(value, " ")
	name, text, ok := strings.Cut(strings.TrimLeft(assigned, " "), "=")
	if !ok || name == "" {
		return errors.New("want var: CLUSTER NAME=VALUE")
	}
	if c.Variables[cluster] == nil {
		c.Variables[cluster] = map[string]string{}
	}
	if _, ok := c.Variables[cluster][name]; ok {
		return errTwice
	}
	c.Variables[cluster][name] = text
	return nil
}

// has says whether there are files below an "@dir".
func (c *Case) has(dir string) error {
	if len(c.Others[dir]) == 0 {
		return fmt.Errorf("no files below %s", dir)
	}
	return nil
}

// add puts what no section can hold in the place of name.
func (c *Case) add(name string, b tree.Blob) error {
	sets, path := c.place(name)
	if !valid(path) {
		return errPath
	}
	return add(sets, path, b)
}

// edit changes a file in each revision that has it.
func (c *Case) edit(name string, change func(string) string) error {
	sets, path := c.place(name)
	found := false
	for _, files := range sets {
		if b, ok := files[path]; ok {
			found = true
			files[path] = tree.Blob{Mode: b.Mode, Data: change(b.Data)}
		}
	}
	if !found {
		return fmt.Errorf("no file %s", path)
	}
	return nil
}
