package risk

import (
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
)

// imageRules are about the images of containers. Of the rules that compare versions one at most speaks
// of a container; those of the registry, of pinning and of tags that move speak beside it.
func imageRules() []rule {
	return slices.Concat(versionRules(), referenceRules())
}

func versionRules() []rule {
	return []rule{
		{change: compares(major), Rule: finding.Rule{
			ID: "image-major", Severity: finding.Warning, Title: "An image goes to another major version",
			Why:  "A major version may break what worked: its configuration, its data, what it answers. Going back may not be possible once it has changed its data.",
			Hint: "read its release notes, and try it on a cluster that nobody needs",
		}},
		{change: compares(minor), Rule: finding.Rule{
			ID: "image-minor", Severity: finding.Note, Title: "An image goes to another minor version",
			Why:  "New features, and now and then another behaviour. Below 1.0 a minor version may break as a major one does.",
			Hint: "read its release notes",
		}},
		{change: compares(patch), Rule: finding.Rule{
			ID: "image-patch", Severity: finding.Note, Title: "An image goes to another patch version",
			Why:  "Corrections, and nothing else by the custom of versions.",
			Hint: "watch the rollout",
		}},
		{change: compares(down), Rule: finding.Rule{
			ID: "image-downgrade", Severity: finding.Warning, Title: "An image goes back to an older version",
			Why:  "Corrections are lost, and the older version may not read what the newer one has written.",
			Hint: "see that it reads the data as it is now, and that no security correction is lost",
		}},
		{change: compares(content), Rule: finding.Rule{
			ID: "image-digest", Severity: finding.Note, Title: "The same tag of an image has another content",
			Why:  "The tag was moved: what runs changes, and the version does not say how.",
			Hint: "see that whoever publishes the image moves tags on purpose",
		}},
		{change: compares(other), Rule: finding.Rule{
			ID: "image-changed", Severity: finding.Note, Title: "An image goes to another tag, and their versions do not compare",
			Why:  "Whether it is newer or older, and by how much, cannot be told: one of the tags is no version, or names another variant or a whole series.",
			Hint: "look up what is between the two",
		}},
	}
}

func referenceRules() []rule {
	return []rule{
		{change: registry, Rule: finding.Rule{
			ID: "image-registry", Severity: finding.Warning, Title: "An image comes from another registry or repository",
			Why:  "Somebody else may publish it, and its versions need not mean the same. The cluster has to reach the registry, with credentials of its own.",
			Hint: "see that the registry is one of yours, or one that you trust, and that pull secrets and policies know it",
		}},
		{change: unpinned, Rule: finding.Rule{
			ID: "image-unpinned", Severity: finding.Warning, Title: "An image is named by a tag that moves",
			Why:  "What runs depends on when a node pulled it: pods of one workload differ, a restart is an update that nobody reviewed, and there is nothing to go back to.",
			Hint: "name a version, or better its digest: IMAGE:VERSION@sha256:DIGEST",
		}},
		{change: digestDropped, Rule: finding.Rule{
			ID: "digest-dropped", Severity: finding.Warning, Title: "An image is no longer pinned to a digest",
			Why:  "Whoever can write to its repository can move the tag, and what runs changes without a commit.",
			Hint: "name the digest again: IMAGE:VERSION@sha256:DIGEST",
		}},
	}
}

// swap is one container whose image changes.
type swap struct {
	*container
	was, is image // was is zero for a container that is new
}

// swaps are the containers of a change's object whose image changes, or is new. Images that cannot be read are
// left out: one of a variable that only the cluster knows, and what no registry would take.
func swaps(ch *impact.Change) (out []swap) {
	if ch.After == nil {
		return nil
	}
	for _, c := range containers(ch) {
		to, from := text(c.after, "image"), text(c.before, "image")
		if c.after == nil || to == from {
			continue
		}
		s := swap{container: c}
		var ok bool
		if s.is, ok = readImage(to); !ok {
			continue
		}
		if c.before != nil {
			if s.was, ok = readImage(from); !ok {
				s.was = image{}
			}
		}
		out = append(out, s)
	}
	return out
}

// compares is a rule of the changes of one step between versions.
func compares(by step) func(*context, *impact.Change) []Risk {
	says := map[step]string{
		major: ", a major version", minor: ", a minor version", patch: ", a patch", down: ", which is older",
		content: "", other: ", and the two do not compare",
	}
	return func(_ *context, ch *impact.Change) (out []Risk) {
		for _, s := range swaps(ch) {
			if s.was == (image{}) || s.is.base() != s.was.base() || stepOf(s.was, s.is) != by || by == other && s.is.unpinned() {
				continue // told of the registry, or of the tag
			}
			from, to := show(ch, s.was.version()), show(ch, s.is.version())
			if by == content {
				from, to = show(ch, s.was.short()), show(ch, s.is.short())
			}
			out = append(out, told(ch, s.field("image"), "image %s of %s goes from %s to %s%s", show(ch, s.is.base()), s.called(ch), from, to, says[by]))
		}
		return out
	}
}

func registry(_ *context, ch *impact.Change) (out []Risk) {
	for _, s := range swaps(ch) {
		if s.was != (image{}) && s.was.repository != s.is.repository {
			out = append(out, told(ch, s.field("image"), "%s takes its image from %s, not from %s", s.called(ch), show(ch, s.is.repository), show(ch, s.was.repository)))
		}
	}
	return out
}

func unpinned(_ *context, ch *impact.Change) (out []Risk) {
	for _, s := range swaps(ch) {
		switch {
		case !s.is.unpinned():
		case s.is.tag == "":
			out = append(out, told(ch, s.field("image"), "%s runs %s without a tag, which means latest", s.called(ch), show(ch, s.is.repository)))
		default:
			out = append(out, told(ch, s.field("image"), "%s runs %s by the tag %s, which moves", s.called(ch), show(ch, s.is.repository), show(ch, s.is.tag)))
		}
	}
	return out
}

func digestDropped(_ *context, ch *impact.Change) (out []Risk) {
	for _, s := range swaps(ch) {
		if s.was.digest != "" && s.is.digest == "" {
			out = append(out, told(ch, s.field("image"), "%s runs %s by its tag only, and no longer by a digest", s.called(ch), show(ch, s.is.base())))
		}
	}
	return out
}

// unpinned reports whether what the reference names may be another image tomorrow.
func (i image) unpinned() bool { return i.digest == "" && (i.tag == "" || moves(i.tag)) }

// moves reports whether a tag looks like one that is moved from build to build: a branch, a
// channel, or latest of some kind.
func moves(tag string) bool {
	tag = strings.ToLower(tag)
	if strings.HasSuffix(tag, "-snapshot") {
		return true
	}
	word, _, _ := strings.Cut(tag, "-")
	switch word {
	case "latest", "nightly", "edge", "canary", "snapshot", "unstable", "testing", "rolling":
		return len(strings.Split(tag, "-")) < 3 // "edge-alpine", not "nightly-2024-01-31"
	}
	switch tag {
	case "main", "master", "dev", "devel", "develop", "development", "head", "trunk", "next", "stable", "current", "release", "staging", "prod", "production", "test":
		return true
	}
	return false
}
