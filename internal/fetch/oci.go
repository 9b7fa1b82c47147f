package fetch

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// OCI fetches the artifact of an OCIRepository. The manifest and the layer are
// what their digests say; signatures are not looked at.
//
// Source: source-controller v1.9.5 ocirepository_controller.go reconcileSource.
func (c *Client) OCI(ctx context.Context, q OCIRequest) (*Artifact, error) {
	key, err := json.Marshal(q)
	if err != nil {
		return nil, c.explain(q.URL, err)
	}
	what, _ := strings.CutPrefix(cleanURL(q.URL), "oci://")
	j := job{key: "oci " + string(key), what: what, ref: ociRefText(q)}
	got, err := once(ctx, c, j, func(ctx context.Context, rep *report) (*Artifact, error) { return c.oci(ctx, rep, q) })
	if err != nil {
		return nil, err
	}
	return got.clone(), nil
}

func ociRefText(q OCIRequest) string {
	for _, s := range []string{q.Digest, q.SemVer, q.Tag} {
		if s != "" {
			return s
		}
	}
	return "latest"
}

func (c *Client) oci(ctx context.Context, rep *report, q OCIRequest) (*Artifact, error) {
	repo, err := c.parseRepository(q.URL, q.Insecure)
	if err != nil {
		return nil, err
	}
	if q.Operation != "" && q.Operation != "extract" && q.Operation != "copy" {
		return nil, fault(ErrInvalid, "unsupported layer operation: %.40s", q.Operation)
	}
	age := c.age(q.Interval)
	ref, tag := q.Digest, ""
	switch {
	case q.Digest != "":
		if hexOf(q.Digest) == "" {
			return nil, fault(ErrInvalid, "%.80s is not a SHA-256 digest", q.Digest)
		}
	case q.SemVer != "":
		tags, err := repo.tags(ctx, rep, age)
		if err != nil {
			return nil, err
		}
		if tag, err = pickTag(tags, q); err != nil {
			return nil, err
		}
	case q.Tag != "":
		tag = q.Tag
	default:
		tag = "latest"
	}
	if tag != "" {
		if ref, err = repo.resolve(ctx, rep, tag, age); err != nil {
			return nil, err
		}
	}
	a, err := repo.layer(ctx, rep, q, ref)
	if err == nil && tag != "" {
		a.Revision = tag + "@" + a.Digest
	}
	return a, err
}

// layer takes the layer that is asked for out of the image with a digest.
func (r *repository) layer(ctx context.Context, rep *report, q OCIRequest, ref string) (*Artifact, error) {
	m, digest, err := r.image(ctx, rep, ref)
	if err != nil {
		return nil, err
	}
	a := &Artifact{Revision: digest, Digest: digest, Annotations: m.Annotations}
	layer, err := selectLayer(m, q.MediaType)
	if err != nil {
		return nil, err
	}
	data, err := r.blob(ctx, rep, layer, r.c.limits.Archive)
	if err != nil {
		return nil, err
	}
	if q.Operation == "copy" {
		a.Data = data
	} else if a.Files, err = untar(data, r.c.limits); err != nil {
		return nil, err
	}
	a.FromCache = !rep.started
	return a, nil
}

// selectLayer gives the first layer, or the first of a media type.
//
// Source: source-controller v1.9.5 ocirepository_controller.go selectLayer.
func selectLayer(m ocispec.Manifest, mediaType string) (ocispec.Descriptor, error) {
	if len(m.Layers) == 0 {
		return ocispec.Descriptor{}, fault(ErrInvalid, "no layers found in artifact")
	}
	if mediaType == "" {
		return m.Layers[0], nil
	}
	for _, l := range m.Layers {
		if l.MediaType == mediaType {
			return l, nil
		}
	}
	return ocispec.Descriptor{}, fault(ErrInvalid, "failed to find layer with media type '%.80s' in artifact", mediaType)
}

// resolve gives the digest of the manifest that a tag stands for, from the cache
// if it is not older than age.
func (r *repository) resolve(ctx context.Context, rep *report, tag string, age time.Duration) (string, error) {
	if !tagName.MatchString(tag) {
		return "", fault(ErrInvalid, "%.80q is not a tag", tag)
	}
	key := "tag oci://" + r.String() + ":" + tag
	old, known := r.c.cache.ref(key)
	if e, ok := r.c.cache.fresh(key, age); ok && hexOf(e.Digest) != "" {
		return e.Digest, nil
	}
	digest := ""
	if known {
		d, err := r.digest(ctx, rep, tag)
		if err != nil {
			return "", err
		}
		if d == old.Digest {
			digest = d
		}
	}
	if digest == "" {
		var err error
		if _, digest, err = r.manifest(ctx, rep, tag); err != nil {
			return "", err
		}
	}
	r.c.cache.setRef(entry{Key: key, Digest: digest})
	return digest, nil
}
