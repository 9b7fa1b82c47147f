package risk

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// isSource reports whether the change is of an object that Flux fetches by.
func isSource(ch *impact.Change) bool {
	return ch.ID.Group == sourceGroup && slices.Contains([]string{"GitRepository", "OCIRepository", "HelmRepository", "Bucket"}, ch.ID.Kind)
}

// address is where a source is, as it spells it; for a bucket with the bucket's name.
func address(o *object.Object) string {
	m := body(o)
	if o != nil && o.ID.Kind == "Bucket" {
		return strings.TrimSuffix(text(m, "spec", "endpoint")+"/"+text(m, "spec", "bucketName")+"/"+text(m, "spec", "prefix"), "/")
	}
	return text(m, "spec", "url")
}

// bare is an address without credentials, and without what follows "?" or "#".
func bare(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		u.User, u.RawQuery, u.Fragment, u.RawFragment = nil, "", "", ""
		return u.String()
	}
	address, _, _ = strings.Cut(address, "?")
	if at := strings.LastIndexByte(address, '@'); at >= 0 { // user@host:path, or what cannot be parsed
		address = address[at+1:]
	}
	return address
}

// hostName is the host of an address, in lower case and without a port; "" when it has none.
func hostName(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return strings.ToLower(u.Hostname())
	}
	s := bare(address)
	if i := strings.IndexAny(s, ":/"); i >= 0 {
		s = s[:i]
	}
	return strings.ToLower(s)
}

// pin is how firmly a source is tied to what was reviewed.
type pin int

const (
	moving pin = iota // a branch, or the newest of all
	ranged
	tagged
	fixed
)

// refOf is the ref of a source in words, and how firm it is; "" for kinds without one.
//
// Source: source-controller v1.9.5 GitRepositoryRef and OCIRepositoryRef: of several the first listed here wins.
func refOf(o *object.Object) (string, pin) {
	if o == nil {
		return "", moving
	}
	ref := dict(body(o), "spec", "ref")
	word := func(field string, p pin) (string, pin, bool) {
		v := text(ref, field)
		return field + " " + v, p, v != ""
	}
	type step struct {
		field string
		pin   pin
	}
	var order []step
	var standard string
	switch o.ID.Kind {
	case "GitRepository":
		order, standard = []step{{"commit", fixed}, {"name", moving}, {"semver", ranged}, {"tag", tagged}, {"branch", moving}}, "branch master"
	case "OCIRepository":
		order, standard = []step{{"digest", fixed}, {"semver", ranged}, {"tag", tagged}}, "tag latest"
	default:
		return "", moving
	}
	for _, s := range order {
		w, p, ok := word(s.field, s.pin)
		switch {
		case !ok:
			continue
		case w == "tag latest":
			p = moving
		case s.field == "name" && strings.HasPrefix(text(ref, "name"), "refs/tags/"):
			p = tagged
		case s.field == "semver" && exact(text(ref, "semver")):
			p = tagged
		}
		return w, p
	}
	return standard, moving
}

// exact reports whether a version names one alone, and not a range.
func exact(version string) bool {
	_, err := semver.StrictNewVersion(strings.TrimPrefix(version, "v"))
	return err == nil
}

// reading are the appliers whose objects are on the cluster of x after the change and that read a source, and
// how many of them could not be evaluated.
func (x *context) reading(id object.ID) (readers []held, unknown int) {
	for _, a := range x.appliers(1) {
		if !slices.Contains(sourcesOf(x, a), id) {
			continue
		}
		readers = append(readers, a)
		if a.State == render.Incomplete || a.State == render.Failed {
			unknown++
		}
	}
	return readers, unknown
}

// sourcesOf are the sources that an applier names.
func sourcesOf(x *context, a held) []object.ID {
	var out []object.ID
	add := func(ref map[string]any) {
		if name := text(ref, "name"); name != "" {
			out = append(out, object.ID{Group: sourceGroup, Kind: text(ref, "kind"), Namespace: cmp.Or(text(ref, "namespace"), a.Namespace), Name: name})
		}
	}
	spec := a.spec()
	add(dict(spec, "sourceRef"))
	add(dict(spec, "chart", "spec", "sourceRef"))
	add(dict(spec, "chartRef"))
	for _, id := range out {
		if id.Kind != "HelmChart" || x.after == nil {
			continue
		}
		o, _ := x.after.Objects.Get(id)
		if ref := dict(body(o), "spec", "sourceRef"); ref != nil {
			out = append(out, object.ID{Group: sourceGroup, Kind: text(ref, "kind"), Namespace: id.Namespace, Name: text(ref, "name")})
		}
	}
	return out
}
