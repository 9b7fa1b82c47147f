package fetch

import (
	"maps"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
)

// references are those of a repository elsewhere.
type references struct {
	names  map[string]plumbing.Hash
	peeled map[string]plumbing.Hash // of annotated tags: what they point to
	caps   *capability.List
}

func newReferences(adv *packp.AdvRefs) *references {
	r := &references{names: map[string]plumbing.Hash{}, peeled: adv.Peeled, caps: adv.Capabilities}
	maps.Copy(r.names, adv.References)
	if adv.Head != nil {
		r.names["HEAD"] = *adv.Head
	}
	return r
}

// commit gives what a reference points to, tags peeled.
func (r *references) commit(name string) (string, bool) {
	if h, ok := r.peeled[name]; ok {
		return h.String(), true
	}
	h, ok := r.names[name]
	return h.String(), ok && !h.IsZero()
}

// pick finds what Flux would check out. tied says that several tags of one
// version are in Refs, and that the latest commit counts.
//
// Source: fluxcd/pkg git/gogit v0.52.0 clone.go; the order is that of
// Client.Clone.
func (r *references) pick(ref sourcev1.GitRepositoryRef) (p pick, tied bool, err error) {
	name, short := "", ""
	switch {
	case ref.Name != "":
		name, short = strings.TrimSuffix(ref.Name, "^{}"), ref.Name
	case ref.Tag != "":
		name, short = "refs/tags/"+ref.Tag, ref.Tag
	case ref.SemVer != "":
		tags, err := r.highest(ref.SemVer)
		if err != nil {
			return p, false, err
		}
		if len(tags) > 1 {
			p.Refs = map[string]string{}
			for _, t := range tags {
				p.Refs["refs/tags/"+t], _ = r.commit("refs/tags/" + t)
			}
			p.Commit = p.Refs["refs/tags/"+tags[0]]
			return p, true, nil
		}
		name, short = "refs/tags/"+tags[0], tags[0]
	default:
		short = ref.Branch
		if short == "" {
			short = "master"
		}
		name = "refs/heads/" + short
	}
	commit, ok := r.commit(name)
	if !ok {
		return p, false, fault(ErrNotFound, "no reference %.200s", name)
	}
	p = pick{Commit: commit, Revision: short + "@sha1:" + commit}
	if name != "HEAD" {
		if plumbing.ReferenceName(name).Validate() != nil {
			return p, false, fault(ErrInvalid, "%.200q is not a reference", name)
		}
		p.Refs = map[string]string{name: commit}
	}
	return p, false, nil
}

// highest gives the tags of the highest version in a range: several if they
// differ in build metadata alone.
func (r *references) highest(rng string) ([]string, error) {
	constraint, err := semver.NewConstraint(rng)
	if err != nil {
		return nil, fault(ErrInvalid, "semver '%.80s' parse error: %v", rng, err)
	}
	var best *semver.Version
	var tags []string
	for name := range r.names {
		tag, ok := strings.CutPrefix(name, "refs/tags/")
		v, err := parseVersion(tag)
		if !ok || err != nil || !constraint.Check(v) || plumbing.ReferenceName(name).Validate() != nil {
			continue
		}
		switch {
		case best == nil || best.LessThan(v):
			best, tags = v, []string{tag}
		case best.Equal(v):
			tags = append(tags, tag)
		}
	}
	if len(tags) == 0 {
		return nil, fault(ErrNotFound, "no match found for semver: %.80s", rng)
	}
	slices.Sort(tags)
	if len(tags) > maxTied {
		return nil, fault(ErrInvalid, "more than %d tags of one version", maxTied)
	}
	return tags, nil
}

// maxTied bounds the tags of one version, as each one's files are fetched.
const maxTied = 20

// single reports whether the other side gives a commit that no reference names.
func (r *references) single(commit string) bool {
	for _, h := range r.names {
		if h.String() == commit {
			return true
		}
	}
	for _, h := range r.peeled {
		if h.String() == commit {
			return true
		}
	}
	return r.caps.Supports(capability.AllowReachableSHA1InWant) || r.caps.Supports("allow-any-sha1-in-want")
}
