// Package reporttest makes reviews for the tests of those who write them out.
//
// A sample is built from its groups: the matrix, the counts, the environments, the findings and the
// verdict are summed up from them, so that no sample contradicts itself. Start at [Sample].
package reporttest

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/object"
)

// Names lists the samples:
//
//   - incident: a one-line change that is meant for dev reaches two production clusters
//   - empty: nothing changes
//   - mixed: 12 clusters and everything that a review can hold
//   - fleet: 200 clusters, 40 tenants, 1,500 groups
//   - hostile: mixed, with something hostile in every text
func Names() []string { return []string{"incident", "empty", "mixed", "fleet", "hostile"} }

// Sample makes the review of that name anew, so that the caller may change it. It panics on a name that
// [Names] does not list.
func Sample(name string) *review.Review {
	switch name {
	case "incident":
		return incident()
	case "empty":
		return empty()
	case "mixed":
		return mixed()
	case "fleet":
		return Fleet(200, 40, 1500)
	case "hostile":
		return hostile()
	default:
		panic("no sample " + name)
	}
}

// cluster begins a cluster of an environment.
func cluster(name, env string) review.Cluster {
	return review.Cluster{Name: name, Environment: env, Labels: map[string]string{"env": env}}
}

// group begins a group; id is as [object.ParseID] reads it.
func group(kind impact.Kind, id, concern string, clusters ...string) review.Group {
	parsed, err := object.ParseID(id)
	if err != nil {
		panic(err)
	}
	name := parsed
	name.Group = ""
	return review.Group{
		Kind: kind, ID: parsed, Name: name.String(), Clusters: slices.Sorted(slices.Values(clusters)), Concern: concern,
		ConcernWhy: why(concern), Risks: []finding.Finding{}, Causes: []review.Cause{}, Edits: []object.Edit{},
	}
}

func why(concern string) string {
	switch concern {
	case "platform":
		return "it comes from infrastructure/ of the hub"
	case "cluster":
		return "its file is read by one cluster only"
	default:
		return "its namespace belongs to Tenant " + strings.TrimPrefix(concern, "tenant/")
	}
}

// side is where an object comes from: "Kustomization/flux-system/apps" is the owner.
func side(file string, chain ...string) *review.Side {
	s := &review.Side{Source: object.Source{URL: "ssh://git@git.example.com/acme/fleet", Revision: "main@sha1:4c1f0e7d"}, File: file}
	for _, c := range chain {
		p := strings.SplitN(c, "/", 3)
		s.Chain = append(s.Chain, object.Applier{Kind: p[0], Namespace: p[1], Name: p[2]})
	}
	s.Owner = s.Chain[len(s.Chain)-1]
	return s
}

// difference numbers lines that begin with " ", "-" or "+"; "@N" leaves out what comes before line N.
func difference(text string) review.Diff {
	d := review.Diff{Lines: []review.Line{}}
	before, after := 1, 1
	for line := range strings.SplitSeq(strings.Trim(text, "\n"), "\n") {
		l := review.Line{Op: line[:1], Text: line[1:]}
		switch l.Op {
		case "@":
			to := 0
			if _, err := fmt.Sscan(l.Text, &to); err != nil {
				panic(err)
			}
			after, before, l.Text = to+after-before, to, ""
			if len(d.Lines) == 0 { // the lines before the first difference are not told of
				continue
			}
		case "-":
			l.Before, before = before, before+1
		case "+":
			l.After, after = after, after+1
		default:
			l.Before, l.After, before, after = before, after, before+1, after+1
		}
		d.Lines = append(d.Lines, l)
	}
	return d
}

// whole is the difference of an object that is added or removed.
func whole(op, text string) review.Diff {
	var b strings.Builder
	for line := range strings.SplitSeq(strings.Trim(text, "\n"), "\n") {
		b.WriteString(op + line + "\n")
	}
	return difference(b.String())
}

// risk begins a finding of a rule of [rules].
func risk(rule, field, message string) finding.Finding {
	f := finding.Finding{Rule: rule, Message: message, Field: field}
	for _, r := range rules() {
		if r.ID == rule {
			f.Severity, f.Hint = r.Severity, r.Hint
			return f
		}
	}
	panic("no rule " + rule)
}

// key is the group's: 12 hexadecimal digits.
func key(g *review.Group) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", []string{g.ID.String(), string(g.Kind), strings.Join(g.Clusters, ",")}))
	return hex.EncodeToString(sum[:6])
}

// order of environments: production last.
func order(env string) int {
	return slices.Index([]string{"", "dev", "test", "staging", "prod"}, env)
}

// compareGroups puts the worst first.
func compareGroups(a, b review.Group) int {
	kinds := impact.Kinds()
	return cmp.Or(
		cmp.Compare(a.Severity.Rank(), b.Severity.Rank()),
		cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind)),
		-cmp.Compare(len(a.Clusters), len(b.Clusters)),
		a.ID.Compare(b.ID), slices.Compare(a.Clusters, b.Clusters),
	)
}
