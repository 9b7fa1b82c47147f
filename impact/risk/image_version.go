package risk

import (
	"cmp"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/google/go-containerregistry/pkg/name"
)

// image is the reference of an image, taken apart.
type image struct {
	repository string // with its registry: "index.docker.io/library/nginx"
	tag        string // "" when the reference has none
	digest     string // "sha256:..."; "" when the reference has none
}

// readImage reads what a container says; ok is false for what is no reference.
func readImage(s string) (i image, ok bool) {
	const most = 1000
	if s == "" || len(s) > most || opaque(s) {
		return image{}, false
	}
	rest, digest, pinned := strings.Cut(s, "@")
	t, err := name.NewTag(rest, name.WeakValidation)
	if err != nil {
		return image{}, false
	}
	if pinned {
		if _, err := name.NewDigest(s, name.WeakValidation); err != nil {
			return image{}, false
		}
	}
	i = image{repository: t.Context().Name(), digest: digest}
	if strings.HasSuffix(rest, ":"+t.TagStr()) {
		i.tag = t.TagStr()
	}
	return i, true
}

// base is the last part of the repository, by which an image is known in all registries.
func (i image) base() string { return i.repository[strings.LastIndexByte(i.repository, '/')+1:] }

// version is the tag, or what stands for it.
func (i image) version() string {
	if i.tag == "" && i.digest != "" {
		return i.short()
	}
	return cmp.Or(i.tag, "latest")
}

// short is the beginning of the digest.
func (i image) short() string {
	const most = len("sha256:") + 12
	if len(i.digest) > most {
		return i.digest[:most]
	}
	return cmp.Or(i.digest, "no digest")
}

// step is how far it is from one version to another.
type step int

const (
	none    step = iota
	major        // the first number goes up
	minor        // the second
	patch        // the third, or a revision behind it
	down         // one goes down
	content      // the same tag, another digest
	other        // the two do not compare
)

// stepOf compares two images by their tags; by their digests only when the tags are the same.
func stepOf(was, is image) step {
	a, b := was.version(), is.version()
	switch {
	case was.tag == is.tag && was.digest != "" && is.digest != "" && was.digest != is.digest:
		return content
	case a == b:
		return none
	}
	x, okX := readVersion(a)
	y, okY := readVersion(b)
	if !okX || !okY {
		return other
	}
	for i, by := range []step{major, minor, patch} {
		if i >= len(x.numbers) || i >= len(y.numbers) {
			break
		}
		switch c := cmp.Compare(y.numbers[i], x.numbers[i]); {
		case c > 0:
			return by
		case c < 0:
			return down
		}
	}
	if len(x.numbers) != len(y.numbers) {
		return other // "1.25" is whatever 1.25 is at the time
	}
	return x.revision(y)
}

// tagVersion is a tag that is a version, with one number at least: "v1", "1.25-alpine", "2.0.0-rc.1".
type tagVersion struct {
	numbers []uint64
	full    *semver.Version
}

// numbered cuts the numbers of a version off what follows.
var numbered = regexp.MustCompile(`^v?([0-9]+)(\.[0-9]+)?(\.[0-9]+)?([-+_].*)?$`)

// readVersion is false for what only looks like a version: a build number or a date, which says nothing of what changed.
func readVersion(tag string) (v tagVersion, ok bool) {
	m := numbered.FindStringSubmatch(tag)
	if m == nil {
		return v, false
	}
	full, err := semver.NewVersion(strings.ReplaceAll(tag, "_", "-"))
	if err != nil {
		return v, false
	}
	all := []uint64{full.Major(), full.Minor(), full.Patch()}
	v = tagVersion{full: full, numbers: all[:1]}
	for _, part := range m[2:4] {
		if part != "" {
			v.numbers = all[:len(v.numbers)+1]
		}
	}
	const build = 1000 // no project has so many major versions
	return v, len(v.numbers) > 1 || v.numbers[0] < build
}

// early is what comes before a release, by its usual names.
var early = regexp.MustCompile(`^(alpha|beta|rc|pre|preview|dev|snapshot|m)[.-]?[0-9.]*$`)

// revision compares versions of the same numbers by what follows these.
func (v tagVersion) revision(w tagVersion) step {
	a, b := strings.ToLower(v.full.Prerelease()), strings.ToLower(w.full.Prerelease())
	x, n := counted(a)
	y, m := counted(b)
	switch {
	case a == b:
		return other // "v1.2.3" and "1.2.3"
	case n != "" && m != "" && x == y && (x == "" || early.MatchString(a) || strings.HasSuffix(x, "r")):
		if cmp.Or(cmp.Compare(len(m), len(n)), cmp.Compare(m, n)) < 0 {
			return down
		}
		return patch
	case (a == "" || early.MatchString(a)) && (b == "" || early.MatchString(b)):
		if w.full.LessThan(v.full) {
			return down
		}
		return patch
	}
	return other
}

// counted takes the number at the end off a text: "debian-12-r4" is the fourth build of
// "debian-12-r", and "rc.1" the first of "rc.".
func counted(s string) (of, number string) {
	of = strings.TrimRight(s, "0123456789")
	return of, strings.TrimLeft(s[len(of):], "0")
}
