package fetch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// repository is one repository of an OCI registry.
type repository struct {
	c    *Client
	host string // of the registry, with its port if it has one
	path string
	// maybeHTTP: plain HTTP is tried when HTTPS does not answer.
	maybeHTTP bool
}

func (r *repository) String() string { return r.host + "/" + r.path }

// parseRepository reads an "oci://" URL by the rules for names of images.
//
// Source: source-controller v1.9.5 ocirepository_controller.go parseRepository. As
// there, local registries may be reached by plain HTTP without insecure.
func (c *Client) parseRepository(oci string, insecure bool) (*repository, error) {
	text, ok := strings.CutPrefix(oci, "oci://")
	if !ok {
		return nil, fault(ErrInvalid, "URL must be in format 'oci://<domain>/<org>/<repo>'")
	}
	var opts []name.Option
	if insecure {
		opts = append(opts, name.Insecure)
	}
	repo, err := name.NewRepository(text, opts...)
	if err != nil {
		return nil, fault(ErrInvalid, "%v", err)
	}
	for part := range strings.SplitSeq(repo.RepositoryStr(), "/") {
		if part == "" || part == "." || part == ".." { // a path that a server could take for another one
			return nil, fault(ErrInvalid, "%.200q is not a repository", repo.RepositoryStr())
		}
	}
	return &repository{c: c, host: repo.RegistryStr(), path: repo.RepositoryStr(), maybeHTTP: repo.Scheme() == "http"}, nil
}

// scheme finds out whether a registry speaks HTTPS or HTTP.
//
// Source: go-containerregistry v0.22.1 transport/ping.go, one after the other.
func (r *repository) scheme(ctx context.Context) (string, error) {
	if !r.maybeHTTP {
		return "https", nil
	}
	if s, ok := r.c.schemes.Load(r.host); ok {
		return fmt.Sprint(s), nil
	}
	var failed error
	for _, s := range []string{"https", "http"} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s+"://"+r.host+"/v2/", nil)
		if err != nil {
			return "", fault(ErrInvalid, "%s is not a host", r.host)
		}
		resp, err := r.c.http.Do(req)
		if err == nil {
			_ = resp.Body.Close()
			r.c.schemes.Store(r.host, s)
			return s, nil
		}
		if e := (*Error)(nil); errors.As(err, &e) {
			return "", err
		}
		if failed == nil || errors.Is(failed, http.ErrSchemeMismatch) {
			failed = err
		}
	}
	return "", failed
}

// client gives the client that holds the tokens for this repository.
func (r *repository) client(scheme string) *auth.Client {
	key := scheme + "://" + r.String()
	fresh := &auth.Client{
		Client:     r.c.http,
		Header:     http.Header{"User-Agent": {userAgent}},
		Cache:      auth.NewCache(),
		Credential: r.c.registryCredential(scheme, r),
	}
	got, _ := r.c.tokens.LoadOrStore(key, fresh)
	if a, ok := got.(*auth.Client); ok {
		return a
	}
	return fresh
}

// do sends a request below /v2/NAME/ with the token it wants.
func (r *repository) do(ctx context.Context, rep *report, method, below string, header http.Header) (*http.Response, error) {
	if err := rep.online(); err != nil {
		return nil, err
	}
	scheme, err := r.scheme(ctx)
	if err != nil {
		return nil, err
	}
	ref := registry.Reference{Registry: r.host, Repository: r.path}
	ctx = auth.AppendRepositoryScope(ctx, ref, auth.ActionPull)
	at := url.URL{Scheme: scheme, Host: r.host, Path: "/v2/" + r.path + "/" + below}
	req, err := http.NewRequestWithContext(ctx, method, at.String(), nil)
	if err != nil {
		return nil, fault(ErrInvalid, "%s is not a repository", r)
	}
	maps.Copy(req.Header, header)
	resp, err := r.client(scheme).Do(req)
	if err != nil {
		return nil, r.explain(err)
	}
	if err := statusError(resp.StatusCode, r.host); err != nil {
		_ = resp.Body.Close()
		return nil, r.hint(err)
	}
	return resp, nil
}

// explain gives errors of oras their kind.
func (r *repository) explain(err error) error {
	var e *Error
	var answer *errcode.ErrorResponse
	switch {
	case errors.As(err, &e):
	case errors.As(err, &answer): // of the token service
		err = statusError(answer.StatusCode, answer.URL.Hostname())
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		err = denied(r.host, http.StatusUnauthorized)
	}
	return r.hint(err)
}

func (r *repository) hint(err error) error {
	if e := as(err, ErrDenied); e != nil && e.Hint == "" {
		e.Hint = "docker login " + r.host + ", or helm registry login " + r.host
	}
	return err
}

// manifestTypes are those that go-containerregistry makes an image of.
var manifestTypes = []string{ //nolint:gochecknoglobals // a constant list
	ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex,
	"application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json",
}

// manifest reads a manifest by tag or digest, from the cache if the digest is
// known. It gives its bytes and its digest.
func (r *repository) manifest(ctx context.Context, rep *report, ref string) ([]byte, string, error) {
	if data, ok := r.c.cache.blob(ref); ok {
		return data, ref, nil
	}
	for try := 0; ; try++ {
		data, err := r.body(ctx, rep, "manifests/"+ref, http.Header{"Accept": manifestTypes}, r.c.limits.Manifest)
		if err != nil {
			if try == 0 && errors.Is(err, errBroken) {
				continue
			}
			return nil, "", err
		}
		digest := digestOf(data)
		if hexOf(ref) != "" && ref != digest {
			return nil, "", fault(ErrInvalid, "manifest has digest %s, not %s", digest, ref)
		}
		return data, r.c.cache.put(data), nil
	}
}

// blob reads a layer by digest, from the cache if it is there.
func (r *repository) blob(ctx context.Context, rep *report, d ocispec.Descriptor, limit int64) ([]byte, error) {
	digest := d.Digest.String()
	if hexOf(digest) == "" {
		return nil, fault(ErrUnsupported, "a digest that is not SHA-256: %.80s", digest)
	}
	if d.Size > limit {
		return nil, fault(ErrInvalid, "layer of %d bytes, more than %d", d.Size, limit)
	}
	if data, ok := r.c.cache.blob(digest); ok {
		return data, nil
	}
	for try := 0; ; try++ {
		data, err := r.body(ctx, rep, "blobs/"+digest, nil, limit)
		if err != nil {
			if try == 0 && errors.Is(err, errBroken) {
				continue
			}
			return nil, err
		}
		if got := digestOf(data); got != digest {
			return nil, fault(ErrInvalid, "layer has digest %s, not %s", got, digest)
		}
		r.c.cache.put(data)
		return data, nil
	}
}

func (r *repository) body(ctx context.Context, rep *report, below string, header http.Header, limit int64) ([]byte, error) {
	resp, err := r.do(ctx, rep, http.MethodGet, below, header)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	return rep.all(resp.Body, resp.ContentLength, limit)
}

// digest asks which manifest a tag stands for, "" if the registry does not say
// without sending it.
func (r *repository) digest(ctx context.Context, rep *report, tag string) (string, error) {
	resp, err := r.do(ctx, rep, http.MethodHead, "manifests/"+tag, http.Header{"Accept": manifestTypes})
	if err != nil {
		return "", err
	}
	_ = resp.Body.Close()
	if d := resp.Header.Get("Docker-Content-Digest"); hexOf(d) != "" {
		return d, nil
	}
	return "", nil
}

// maxTags bounds the tags of a repository, and so the pages of its list.
const maxTags = 200_000

// tags lists all tags, as the registry orders them, from the cache if the list
// is not older than the request's age.
func (r *repository) tags(ctx context.Context, rep *report, age time.Duration) ([]string, error) {
	key := "tags oci://" + r.String()
	if e, ok := r.c.cache.fresh(key, age); ok {
		var list []string
		if data, ok := r.c.cache.blob(e.Digest); ok && json.Unmarshal(data, &list) == nil {
			return list, nil
		}
	}
	if err := rep.online(); err != nil {
		return nil, err
	}
	scheme, err := r.scheme(ctx)
	if err != nil {
		return nil, err
	}
	engine := remote.Repository{
		Client:           r.client(scheme),
		Reference:        registry.Reference{Registry: r.host, Repository: r.path},
		PlainHTTP:        scheme == "http",
		TagListPageSize:  1000,
		MaxMetadataBytes: r.c.limits.Manifest,
	}
	var list []string
	pages := 0
	err = engine.Tags(ctx, "", func(page []string) error {
		list = append(list, page...)
		if pages++; len(list) > maxTags || pages > maxTags/100 {
			return fault(ErrInvalid, "more than %d tags", maxTags)
		}
		return nil
	})
	if err != nil {
		if _, ok := errors.AsType[*json.SyntaxError](err); ok {
			err = fault(ErrInvalid, "the list of tags cannot be read")
		}
		return nil, r.explain(err)
	}
	if data, err := json.Marshal(list); err == nil {
		r.c.cache.setRef(entry{Key: key, Digest: r.c.cache.put(data)})
	}
	return list, nil
}

// platformOf is what an index entry without a platform is for.
//
// Source: go-containerregistry v0.22.1 remote/options.go defaultPlatform.
var platformOf = ocispec.Platform{Architecture: "amd64", OS: "linux"} //nolint:gochecknoglobals // a constant

// image reads the image manifest behind a tag or digest: of an index the entry
// for linux/amd64. The digest is that of the manifest asked for.
//
// Source: go-containerregistry v0.22.1 remote/index.go childByPlatform.
func (r *repository) image(ctx context.Context, rep *report, ref string) (ocispec.Manifest, string, error) {
	var m ocispec.Manifest
	data, digest, err := r.manifest(ctx, rep, ref)
	if err != nil {
		return m, "", err
	}
	var index ocispec.Index
	if json.Unmarshal(data, &index) == nil && len(index.Manifests) > 0 {
		i := slices.IndexFunc(index.Manifests, func(d ocispec.Descriptor) bool {
			return d.Platform == nil || d.Platform.OS == platformOf.OS && d.Platform.Architecture == platformOf.Architecture
		})
		if i < 0 {
			return m, "", fault(ErrInvalid, "no entry for %s/%s in the index", platformOf.OS, platformOf.Architecture)
		}
		child := index.Manifests[i].Digest.String()
		if hexOf(child) == "" {
			return m, "", fault(ErrUnsupported, "a digest that is not SHA-256: %.80s", child)
		}
		if data, _, err = r.manifest(ctx, rep, child); err != nil {
			return m, "", err
		}
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, "", fault(ErrInvalid, "the manifest cannot be read: %v", err)
	}
	return m, digest, nil
}
