package fetch

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Media types of Helm charts in registries.
//
// Source: helm v4.2.4 pkg/registry/constants.go.
const (
	chartConfig      = "application/vnd.cncf.helm.config.v1+json"
	legacyChartLayer = "application/tar+gzip"
)

// Chart fetches a chart package: Data is the .tgz, Version what the repository
// says it is. Provenance files are not looked at.
//
// Source: source-controller v1.9.5 internal/helm/chart/builder_remote.go and
// internal/helm/repository.
func (c *Client) Chart(ctx context.Context, q ChartRequest) (*Artifact, error) {
	key, err := json.Marshal(q)
	if err != nil {
		return nil, c.explain(q.Repository, err)
	}
	what := strings.TrimRight(cleanURL(q.Repository), "/") + "/" + q.Name
	if rest, ok := strings.CutPrefix(what, "oci://"); ok {
		what = rest
	}
	j := job{key: "chart " + string(key), what: what, ref: cmp.Or(q.Version, "*")}
	got, err := once(ctx, c, j, func(ctx context.Context, rep *report) (*Artifact, error) {
		var a *Artifact
		var err error
		if strings.HasPrefix(q.Repository, "oci://") {
			a, err = c.ociChart(ctx, rep, q)
		} else {
			a, err = c.helmChart(ctx, rep, q)
		}
		if err == nil {
			a.FromCache = !rep.started
		}
		return a, err
	})
	if err != nil {
		return nil, err
	}
	return got.clone(), nil
}

// ociChart fetches a chart of an OCI registry. A version that is one is not
// looked up among the tags.
func (c *Client) ociChart(ctx context.Context, rep *report, q ChartRequest) (*Artifact, error) {
	repo, err := c.chartRepository(q)
	if err != nil {
		return nil, err
	}
	age := c.age(q.Interval)
	version := q.Version
	if _, err := parseVersion(version); err != nil {
		tags, err := repo.tags(ctx, rep, age)
		if err != nil {
			return nil, err
		}
		if version, err = pickChartTag(tags, q.Version); err != nil {
			return nil, err
		}
	}
	digest, err := repo.resolve(ctx, rep, strings.ReplaceAll(version, "+", "_"), age)
	if err != nil {
		return nil, err
	}
	m, _, err := repo.image(ctx, rep, digest)
	if err != nil {
		return nil, err
	}
	layer, err := chartLayerOf(m)
	if err != nil {
		return nil, err
	}
	data, err := repo.blob(ctx, rep, layer, c.limits.Chart)
	if err != nil {
		return nil, err
	}
	return &Artifact{Revision: version, Version: version, Digest: digestOf(data), Data: data, Annotations: m.Annotations}, nil
}

// chartRepository is the repository of a chart below a HelmRepository's URL.
func (c *Client) chartRepository(q ChartRequest) (*repository, error) {
	u, err := url.Parse(q.Repository)
	if err != nil || u.Host == "" {
		return nil, fault(ErrInvalid, "%s is not the URL of a Helm repository", cleanURL(q.Repository))
	}
	repo, err := c.parseRepository("oci://"+u.Host+strings.TrimRight(u.Path, "/")+"/"+q.Name, q.Insecure)
	if err != nil {
		return nil, err
	}
	if u.Hostname() == "docker.io" { // where oras reaches it
		repo.host = "registry-1.docker.io"
	}
	return repo, nil
}

// chartLayerOf finds the package: the last layer of a chart's media type.
//
// Source: helm v4.2.4 pkg/registry/client.go processChartPull.
func chartLayerOf(m ocispec.Manifest) (ocispec.Descriptor, error) {
	var found ocispec.Descriptor
	if m.Config.MediaType != chartConfig {
		return found, fault(ErrInvalid, "could not load config with mediatype %s", chartConfig)
	}
	for _, l := range m.Layers {
		if l.MediaType == chartLayer || l.MediaType == legacyChartLayer {
			found = l
		}
	}
	if found.MediaType == "" {
		return found, fault(ErrInvalid, "manifest does not contain a layer with mediatype %s", chartLayer)
	}
	return found, nil
}

// helmChart fetches a chart that an index names.
func (c *Client) helmChart(ctx context.Context, rep *report, q ChartRequest) (*Artifact, error) {
	base, err := parseHelmURL(q.Repository)
	if err != nil {
		return nil, err
	}
	age := c.age(q.Interval)
	data, digest, err := c.index(ctx, rep, base, age)
	if err != nil {
		return nil, err
	}
	all, err := c.indexes.of(c.cache, digest, data)
	if err != nil {
		return nil, err
	}
	e, err := all.find(q.Name, q.Version)
	if err != nil {
		return nil, err
	}
	return c.download(ctx, rep, base, e, q)
}

// resolveURL gives the URL of a package, which may be relative to the repository.
//
// Source: helm v4.2.4 pkg/repo/v1/chartrepo.go ResolveReferenceURL.
func resolveURL(base *url.URL, ref string) (*url.URL, error) {
	u, err := url.Parse(ref)
	if err != nil {
		return nil, fault(ErrInvalid, "%.200s is not a URL", cleanURL(ref))
	}
	if u.IsAbs() {
		return u, nil
	}
	b := *base
	b.RawPath = strings.TrimSuffix(b.RawPath, "/") + "/"
	b.Path = strings.TrimSuffix(b.Path, "/") + "/"
	out := b.ResolveReference(u)
	out.RawQuery = b.RawQuery
	return out, nil
}

// download gets the package of a version. With a digest in the index it is asked
// for once; else the cache counts as long as the index does.
func (c *Client) download(ctx context.Context, rep *report, base *url.URL, e indexEntry, q ChartRequest) (*Artifact, error) {
	if len(e.URLs) == 0 {
		return nil, fault(ErrInvalid, "chart '%.80s' has no downloadable URLs", q.Name)
	}
	at, err := resolveURL(base, e.URLs[0])
	if err != nil {
		return nil, err
	}
	a := &Artifact{Revision: e.Version, Version: e.Version}
	sum := "sha256:" + strings.TrimPrefix(strings.ToLower(e.Digest), "sha256:")
	if data, ok := c.cache.blob(sum); ok {
		a.Data, a.Digest = data, sum
		return a, nil
	}
	key := "package " + cleanURL(at.String()) + " " + digestOf([]byte(at.RawQuery)) + " " + e.Version + " " + e.Digest
	age := c.age(q.Interval)
	if hexOf(sum) != "" {
		age = forever
	}
	digest := ""
	if old, ok := c.cache.fresh(key, age); ok {
		a.Data, ok = c.cache.blob(old.Digest)
		if ok {
			digest = old.Digest
		}
	}
	if digest == "" {
		if err := rep.online(); err != nil {
			return nil, err
		}
		client, prepare, err := c.helmClient(base, q.PassCredentials)
		if err != nil {
			return nil, err
		}
		from := *at
		from.User = nil
		if a.Data, err = rep.get(ctx, client, ask{url: from.String(), limit: c.limits.Chart, prepare: prepare}); err != nil {
			return nil, helmHint(err)
		}
		digest = c.cache.put(a.Data)
		c.cache.setRef(entry{Key: key, Digest: digest})
	}
	a.Digest = digest
	if hexOf(sum) != "" && sum != digest {
		a.Notes = append(a.Notes, fmt.Sprintf("the index says that %s %s has the digest %s; it has %s, which Flux does not mind", q.Name, e.Version, sum, digest))
	}
	return a, nil
}

// candidate is a version of an index that a range takes.
type candidate struct {
	version *semver.Version
	entry   indexEntry
}

// highest takes the highest version, of equal ones the latest made.
func highest(all []candidate) indexEntry {
	best := slices.MaxFunc(all, func(a, b candidate) int {
		return cmp.Or(a.version.Compare(b.version), a.entry.Created.Compare(b.entry.Created))
	})
	return best.entry
}

// sortEntries puts the highest version first, as Helm does; what is no version
// comes last.
//
// Source: helm v4.2.4 pkg/repo/v1/index.go SortEntries.
func sortEntries(list []indexEntry) {
	versions := make(map[string]*semver.Version, len(list))
	for _, e := range list {
		if v, err := semver.NewVersion(e.Version); err == nil {
			versions[e.Version] = v
		}
	}
	slices.SortStableFunc(list, func(a, b indexEntry) int {
		x, y := versions[a.Version], versions[b.Version]
		switch {
		case x == nil && y == nil:
			return 0
		case x == nil:
			return 1
		case y == nil:
			return -1
		}
		return y.Compare(x)
	})
}
