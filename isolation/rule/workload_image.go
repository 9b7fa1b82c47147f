package rule

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

func imageRule() Rule {
	return Rule{
		Rule: finding.Rule{
			ID: "WRK-004", Level: finding.Medium, Title: "An image is from outside the contract, or can be moved",
			Why:  "What runs is decided by whoever can write to the registry. A tag that moves changes what runs without a commit and without a review.",
			Hint: "mirror the image to a registry of the contract, and name its version and digest: IMAGE:VERSION@sha256:DIGEST",
		},
		Unless:      "an admission webhook rewrites images to a mirror",
		Source:      "distribution/reference: how short names of images are read; Kubernetes v1.36: the fields of a pod",
		compartment: images,
	}
}

// image is a reference to one, taken apart.
type image struct {
	name        string // with the registry: docker.io/library/nginx
	tag, digest string
}

// readImage takes a reference apart, and reports false for what is none.
func readImage(text string) (image, bool) {
	name, digest, _ := strings.Cut(text, "@")
	tag := ""
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name, tag = name[:i], name[i+1:]
	}
	if name == "" || strings.ContainsAny(text, " \t\n") || strings.HasSuffix(name, "/") {
		return image{}, false
	}
	return image{name: withRegistry(name), tag: tag, digest: digest}, true
}

// withRegistry is a name of an image with the registry that a short one leaves out.
//
// Source: distribution/reference, splitDockerDomain.
func withRegistry(name string) string {
	host, rest, ok := strings.Cut(name, "/")
	switch {
	case !ok:
		return "docker.io/library/" + name
	case !strings.ContainsAny(host, ".:") && host != "localhost" && host == strings.ToLower(host):
		return "docker.io/" + name
	case host == "index.docker.io":
		return "docker.io/" + rest
	}
	return name
}

// from reports whether an image is from one of the registries of a contract. An entry ends where a part of the name does: ghcr.io/acme/shop does
// not stand for ghcr.io/acme/shop-evil.
func (i image) from(registries []string) bool {
	return slices.ContainsFunc(registries, func(entry string) bool {
		entry = strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(entry), "https://"), "oci://")
		if rest, ok := strings.CutPrefix(entry, "index.docker.io/"); ok {
			entry = "docker.io/" + rest
		}
		if entry == "" {
			return false
		}
		whole := i.name == entry || strings.HasPrefix(i.name, entry+"/")
		return whole || strings.ContainsAny(entry[len(entry)-1:], "/-._") && strings.HasPrefix(i.name, entry)
	})
}

func images(_ *Context, p *estate.Compartment) (out []Found) {
	contract, known := p.Contract()
	pods := false
	for o := range decided(p) {
		for field, text := range imagesOf(o) {
			pods = true
			if f, bad := imageFound(o, text, contract.Registries, p.Cluster.Production); bad {
				f.Object, f.Field = o, field
				out = append(out, f)
			}
		}
	}
	if pods && known && len(contract.Registries) == 0 {
		out = append(out, Found{
			Level: finding.Low, Message: fmt.Sprintf("the contract of tenant %s bounds no registries, and it has pods", p.Tenant.Name),
			Hint: "list the prefixes of its images: spec.contract.registries of the Tenant document",
			File: p.Tenant.Document.Place.File, Line: p.Tenant.Document.At("spec.contract").Line,
		})
	}
	return out
}

// imageFound says what is wrong with an image of an object: the worst only.
func imageFound(o *estate.Object, text string, registries []string, production bool) (Found, bool) {
	if later(text) {
		return Found{Unproven: true, Message: fmt.Sprintf("the image of %s has a variable whose value is not known", brief(o))}, true
	}
	i, ok := readImage(text)
	if !ok {
		return Found{}, false // no node can pull it
	}
	name, _, _ := strings.Cut(text, "@")
	said := legible(name)
	switch {
	case len(registries) > 0 && !i.from(registries):
		return Found{Message: fmt.Sprintf("image %s of %s is from no registry of the contract of tenant %s", said, brief(o), o.Tenant.Name)}, true
	case i.digest != "":
		return Found{}, false
	case i.tag == "" || i.tag == "latest":
		return Found{Message: fmt.Sprintf("image %s of %s has the tag %s, which moves", said, brief(o), cmp.Or(i.tag, "latest"))}, true
	case production:
		return Found{Level: finding.Low, Message: fmt.Sprintf("image %s of %s has no digest, so that its tag can be moved", said, brief(o))}, true
	}
	return Found{}, false
}

// imagesOf are the images of an object, by their fields: of pods, and of kinds that an operator makes pods of.
func imagesOf(o *estate.Object) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		if of, ok := podOf(o); ok {
			for at, c := range of.containers() {
				if text, _ := c["image"].(string); text != "" && !yield(at+".image", text) {
					return
				}
			}
			for at, v := range of.volumes() {
				if text := estate.Text(v, "image", "reference"); text != "" && !yield(at+".image.reference", text) {
					return
				}
			}
			return
		}
		if !strings.Contains(o.ID.Group, ".") || estate.FluxGroup(o.ID.Group) || strings.HasSuffix(o.ID.Group, ".k8s.io") {
			return // of Kubernetes, or of Flux, whose charts are rendered
		}
		customImages(o.At("spec"), "spec", 10, yield)
	}
}

// customImages looks for images in a custom resource: texts of fields that operators give to them.
func customImages(v any, at string, deep int, yield func(string, string) bool) bool {
	if deep == 0 {
		return true
	}
	switch v := v.(type) {
	case []any:
		for i, el := range v {
			if !customImages(el, fmt.Sprintf("%s[%d]", at, i), deep-1, yield) {
				return false
			}
		}
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			text, isText := v[k].(string)
			switch {
			case isText && slices.Contains([]string{"image", "imageName", "dockerImage"}, k) && likeImage(text):
				if !yield(at+"."+k, text) {
					return false
				}
			case !isText && !customImages(v[k], at+"."+k, deep-1, yield):
				return false
			}
		}
	}
	return true
}

// likeImage reports whether a text has the form of an image with its registry: others may be anything.
func likeImage(text string) bool {
	host, _, ok := strings.Cut(text, "/")
	return ok && strings.Contains(host, ".") && !strings.Contains(text, "://")
}
