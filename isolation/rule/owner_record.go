package rule

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// codeowners is the file that says who has to approve what.
type codeowners struct {
	file  string
	lines []ownerLine
}

type ownerLine struct {
	match  *regexp.Regexp
	owners []string
}

// ownersOf reads the file of owners; nil when there is none.
//
// Source: the CODEOWNERS of GitHub and of GitLab; sections of the latter count as one file.
func ownersOf(x *Context) *codeowners {
	return once(x, "codeowners", func() *codeowners {
		if x.Files == nil {
			return nil
		}
		for _, file := range []string{".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS"} {
			if data, err := x.Files.ReadFile(file); err == nil {
				return readOwners(file, string(data))
			}
		}
		return nil
	})
}

func readOwners(file, text string) *codeowners {
	c := &codeowners{file: file}
	var section []string // owners of the section's lines that name none
	for line := range strings.Lines(text) {
		if i := strings.Index(line, " #"); i >= 0 {
			line = line[:i]
		}
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || strings.HasPrefix(fields[0], "#"):
			continue
		case strings.HasPrefix(fields[0], "[") || strings.HasPrefix(fields[0], "^["):
			_, rest, _ := strings.Cut(line[strings.LastIndex(line, "]"):], "]")
			section = strings.Fields(rest)
			continue
		}
		if match := ownerPattern(fields[0]); match != nil {
			owners := fields[1:]
			if len(owners) == 0 {
				owners = section
			}
			c.lines = append(c.lines, ownerLine{match, owners})
		}
	}
	return c
}

// ownerPattern is a pattern of gitignore as a regular expression of paths; nil for one that is none.
func ownerPattern(text string) *regexp.Regexp {
	if len(text) > 1000 {
		return nil
	}
	var b strings.Builder
	b.WriteString("^")
	rest := strings.TrimSuffix(text, "/")
	if anchored := strings.Contains(rest, "/"); anchored {
		rest = strings.TrimPrefix(rest, "/")
	} else if text != "/" {
		b.WriteString("(.*/)?")
	}
	for rest != "" {
		switch {
		case strings.HasPrefix(rest, "**/"):
			b.WriteString("(.*/)?")
			rest = rest[3:]
		case strings.HasPrefix(rest, "**"):
			b.WriteString(".*")
			rest = rest[2:]
		case rest[0] == '*':
			b.WriteString("[^/]*")
			rest = rest[1:]
		case rest[0] == '?':
			b.WriteString("[^/]")
			rest = rest[1:]
		default:
			b.WriteString(regexp.QuoteMeta(rest[:1]))
			rest = rest[1:]
		}
	}
	switch {
	case strings.HasSuffix(text, "/"):
		b.WriteString("/.*$")
	case strings.HasSuffix(text, "/*"):
		b.WriteString("$")
	default:
		b.WriteString("(/.*)?$")
	}
	re, err := regexp.Compile(b.String())
	if err != nil {
		return nil
	}
	return re
}

// nobodysNames are names of owners that are no owner.
var nobodysNames = regexp.MustCompile(`(?i)(^|[/@])(everyone|everybody|all|all-users|developers|engineering|contributors)$`)

// of are the owners of a file; those that stand for everybody are none. The last line that matches counts.
func (c *codeowners) of(file string) []string {
	for _, line := range slices.Backward(c.lines) {
		if line.match.MatchString(file) {
			return slices.DeleteFunc(slices.Clone(line.owners), nobodysNames.MatchString)
		}
	}
	return nil
}

// ownerless are the folders of the platform's appliers that nobody owns.
func ownerless(x *Context) (out []Found) {
	c := ownersOf(x)
	if c == nil {
		return nil // LAY-011 says so
	}
	folders := map[string][]string{}
	for _, cluster := range x.Clusters {
		for _, a := range cluster.Appliers {
			if !a.Own || a.Kind != estate.KustomizationKind || a.State != estate.Built {
				continue
			}
			dir := path.Join(a.Prefix, a.Path)
			if entryOf(x, dir) != "" || len(c.of(path.Join(dir, "kustomization.yaml"))) > 0 { // LAY-011 looks at where Flux starts
				continue
			}
			if !slices.Contains(folders[dir], cluster.Name) {
				folders[dir] = append(folders[dir], cluster.Name)
			}
		}
	}
	for dir, clusters := range folders {
		out = append(out, Found{Message: fmt.Sprintf("nobody owns %s, which is applied %s", dir, phrase.Where(clusters, len(x.Clusters))), File: c.file})
	}
	return out
}

// unprotected are the paths by which a cluster, or the fleet's documents, can be changed, and that nobody owns.
func unprotected(x *Context) (out []Found) {
	if x.Files == nil || len(x.Clusters) == 0 {
		return nil
	}
	c := ownersOf(x)
	if c == nil {
		return one(Found{Message: "there is no CODEOWNERS: nobody in particular is asked before a change of where Flux starts"})
	}
	dirs := []string{c.file}
	for dir := range entryFolders(x) {
		dirs = append(dirs, dir)
	}
	if e, err := x.Files.Stat("fleet"); err == nil && e.IsDir() && len(x.Declared) > 0 {
		dirs = append(dirs, "fleet/clusters", "fleet/tenants", "fleet")
	}
	slices.Sort(dirs)
	open := map[string][]string{} // by the folder at the root
	for _, dir := range dirs {
		file := dir
		if dir != c.file {
			file = path.Join(dir, "any.yaml")
		}
		if len(c.of(file)) == 0 {
			top, _, _ := strings.Cut(dir, "/")
			open[top] = append(open[top], dir)
		}
	}
	for _, list := range open {
		out = append(out, Found{
			Message: fmt.Sprintf("nobody owns %s, by which clusters are changed", phrase.List(list, 4)), File: c.file,
		})
	}
	slices.SortFunc(out, func(a, b Found) int { return cmp.Compare(a.Message, b.Message) })
	return out
}
