package fetch

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead-dev/bulkhead/render/chart"
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
	if !chart.Exact(version) {
		tags, err := repo.tags(ctx, rep, age)
		if err != nil {
			return nil, err
		}
		if version, err = chart.Pick(chartVersions(tags), q.Version); err != nil {
			return nil, chartFault(err)
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
	all, err := c.parsedIndex(ctx, rep, base, c.age(q.Interval))
	if err != nil {
		return nil, err
	}
	ref, sum, version, err := chart.Find(all, q.Name, q.Version)
	if err != nil {
		return nil, chartFault(err)
	}
	return c.download(ctx, rep, base, packaged{ref, sum, version}, q)
}

// packaged is a version of an index: where its package is, the digest that it should have
// and may have not, and the version.
type packaged struct{ url, digest, version string }

// download gets the package of a version. With a digest in the index it is asked
// for once; else the cache counts as long as the index does.
func (c *Client) download(ctx context.Context, rep *report, base *url.URL, e packaged, q ChartRequest) (*Artifact, error) {
	at, err := resolveURL(base, e.url)
	if err != nil {
		return nil, err
	}
	a := &Artifact{Revision: e.version, Version: e.version}
	sum := "sha256:" + strings.TrimPrefix(strings.ToLower(e.digest), "sha256:")
	if data, ok := c.cache.blob(sum); ok {
		a.Data, a.Digest = data, sum
		return a, nil
	}
	key := "package " + cleanURL(at.String()) + " " + digestOf([]byte(at.RawQuery)) + " " + e.version + " " + e.digest
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
		a.Notes = append(a.Notes, fmt.Sprintf("the index says that %s %s has the digest %s; it has %s, which Flux does not mind", q.Name, e.version, sum, digest))
	}
	return a, nil
}

// resolveURL gives the URL of a package, which may be relative to the repository.
func resolveURL(base *url.URL, ref string) (*url.URL, error) {
	text, err := chart.ResolveURL(base.String(), ref)
	if err == nil {
		var at *url.URL
		if at, err = url.Parse(text); err == nil {
			return at, nil
		}
	}
	return nil, fault(ErrInvalid, "%.200s is not a URL", cleanURL(ref))
}
