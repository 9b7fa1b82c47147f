//go:build e2e && linux

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/internal/fetch"
	"github.com/bulkhead-dev/bulkhead/internal/fleetcase"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/test/lab"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// ServeHTTP serves what the story that is being played serves beside Git.
func (l *lane) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s := l.served.Load(); s != nil {
		s.ServeHTTP(w, r)
		return
	}
	http.NotFound(w, r)
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		panic(err) // a constant
	}
	return u.Host
}

// charts says whether helm-controller runs: in a case with a release that is rendered.
// In others HelmReleases are objects like any other.
func (s *story) charts() bool {
	if s.public {
		return false
	}
	for _, r := range s.result {
		for _, c := range r.Clusters {
			if slices.ContainsFunc(c.Appliers, func(a *render.Applier) bool {
				return a.Kind == "HelmRelease" && a.State != render.Incomplete
			}) {
				return true
			}
		}
	}
	return false
}

// helm sees to it that helm-controller runs with the flags of a cluster, or not at all.
func (l *lane) helm(ctx context.Context, s *story, c *render.Cluster) error {
	if !s.charts() {
		l.noHelm()
		return nil
	}
	flags := helmFlags(c)
	if l.charts != nil && slices.Equal(l.charts, flags) {
		return nil
	}
	l.charts = flags
	return l.hub.Run(ctx, lab.HelmController, flags...)
}

func (l *lane) noHelm() {
	l.hub.Kill(lab.HelmController)
	l.charts = nil
}

// helmFlags are those flags of the helm-controller in a cluster's manifests that decide
// what it applies; never nil.
func helmFlags(c *render.Cluster) []string {
	flags := []string{}
	o, ok := c.Objects.Get(object.ID{Group: "apps", Kind: "Deployment", Namespace: lab.FluxNamespace, Name: lab.HelmController})
	if !ok {
		return flags
	}
	containers, _, _ := unstructured.NestedSlice(o.Body().Map(), "spec", "template", "spec", "containers")
	for _, one := range containers {
		m, _ := one.(map[string]any)
		args, _, _ := unstructured.NestedStringSlice(m, "args")
		for _, a := range args {
			name, _, _ := strings.Cut(a, "=")
			if slices.Contains([]string{"--no-cross-namespace-refs", "--default-service-account", "--feature-gates"}, name) {
				flags = append(flags, a)
			}
		}
	}
	return flags
}

// fetch serves a revision of the story on a port of its own, and its buckets on the lane,
// and returns what asks there, through the product's own client; nil when the story serves
// nothing. The lane is nil when there are no buckets.
func (s *story) fetch(t *testing.T, l *lane, revision int) (render.Fetch, error) {
	t.Helper()
	if s.served[revision] == nil {
		return nil, nil
	}
	server := httptest.NewServer(s.served[revision])
	t.Cleanup(server.Close)
	host, buckets := hostOf(server.URL), ""
	hosts := []string{host}
	if l != nil {
		if err := l.fill(t.Context(), s.served[revision]); err != nil {
			return nil, err
		}
		buckets = l.S3.Endpoint
		hosts = append(hosts, buckets)
	}
	client, err := fetch.New(fetch.Options{Dir: t.TempDir(), Hosts: hosts, Private: []string{"127.0.0.0/8"}})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = client.Close() })
	return &fetcher{story: s, client: client, host: host, buckets: buckets, served: s.served[revision], trees: map[string]*tree.Tree{}}, nil
}

// fetcher is a [render.Fetch] through the product's client. What it is told must be what
// the tests of render and impact are told, which ask the case itself.
type fetcher struct {
	story  *story
	client *fetch.Client
	host   string // of the server that stands for those of the cases
	served *fleetcase.Served

	buckets string // host of the server of buckets; "" without one

	mu    sync.Mutex
	trees map[string]*tree.Tree // by revision: equal answers share one
}

// OCI implements [render.Fetch].
func (f *fetcher) OCI(ctx context.Context, r *sourcev1.OCIRepository) (*render.Fetched, error) {
	q := fetch.OCIRequest{URL: f.here(r.Spec.URL), Insecure: true, Operation: r.GetLayerOperation()}
	if ref := r.Spec.Reference; ref != nil {
		q.Tag, q.SemVer, q.SemverFilter, q.Digest = ref.Tag, ref.SemVer, ref.SemverFilter, ref.Digest
	}
	if l := r.Spec.LayerSelector; l != nil {
		q.MediaType = l.MediaType
	}
	a, err := f.client.OCI(ctx, q)
	got, err := f.answer("", a, err)
	want, missing := f.served.OCI(ctx, r)
	f.check(r.Spec.URL, got, err, want, missing)
	return got, err
}

// Chart implements [render.Fetch].
func (f *fetcher) Chart(ctx context.Context, r *sourcev1.HelmRepository, name, version string) (*render.Fetched, error) {
	a, err := f.client.Chart(ctx, fetch.ChartRequest{Repository: f.here(r.Spec.URL), Name: name, Version: version, Insecure: true})
	got, err := f.answer("", a, err)
	want, missing := f.served.Chart(ctx, r, name, version)
	f.check(r.Spec.URL+" "+name+" "+version, got, err, want, missing)
	return got, err
}

// Git implements [render.Fetch].
func (*fetcher) Git(_ context.Context, g *sourcev1.GitRepository) (*render.Fetched, error) {
	return nil, &render.FetchError{Reason: "the case has no repository " + g.Spec.URL}
}

// here is a URL with the server of this test in the place of the case's.
func (f *fetcher) here(raw string) string {
	raw = strings.Replace(raw, fleetcase.ChartsURL, "http://"+f.host, 1)
	return strings.Replace(raw, fleetcase.RegistryURL, "oci://"+f.host, 1)
}

// answer is an answer of the client; artifacts of one place and revision have one tree.
func (f *fetcher) answer(place string, a *fetch.Artifact, err error) (*render.Fetched, error) {
	if e, ok := errors.AsType[*fetch.Error](err); ok {
		reason := strings.ReplaceAll(e.Error(), f.host, "example.com")
		if f.buckets != "" {
			reason = strings.ReplaceAll(reason, f.buckets, fleetcase.BucketHost)
		}
		return nil, &render.FetchError{Reason: reason, Hint: e.Hint, Invalid: errors.Is(e, fetch.ErrInvalid) || errors.Is(e, fetch.ErrNotFound)}
	}
	if err != nil {
		return nil, err
	}
	out := &render.Fetched{Revision: a.Revision, Data: a.Data}
	if a.Data != nil {
		return out, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if out.Tree = f.trees[place+a.Revision]; out.Tree == nil {
		blobs := map[string]tree.Blob{}
		for _, file := range a.Files {
			if !file.Mode.IsDir() {
				blobs[path.Clean(file.Name)] = tree.Blob{Data: string(file.Data), Mode: tree.File}
			}
		}
		out.Tree = tree.FromBlobs(blobs)
		f.trees[place+a.Revision] = out.Tree
	}
	return out, nil
}

// check notes where an answer is not the one of the case.
func (f *fetcher) check(what string, got *render.Fetched, err error, want *fleetcase.Answer, missing error) {
	fault := ""
	var e *render.FetchError
	switch {
	case errors.Is(missing, fleetcase.ErrUnknown):
	case missing != nil:
		if !errors.As(err, &e) || !e.Invalid || !strings.Contains(e.Reason, missing.Error()) {
			fault = fmt.Sprintf("fetched with %v, the case says %v", err, missing)
		}
	case err != nil:
		fault = fmt.Sprintf("not fetched: %v", err)
	case got.Revision != want.Revision || string(got.Data) != string(want.Data) || (got.Tree == nil) != (want.Tree == nil):
		fault = fmt.Sprintf("fetched %s with %d bytes, the case says %s with %d", got.Revision, len(got.Data), want.Revision, len(want.Data))
	}
	if fault != "" {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.story.faults = append(f.story.faults, what+": "+fault)
	}
}

// hooks are the versions of the hooks of all releases on a cluster.
func (s *story) hooks(cluster string) map[object.ID]string {
	all := map[object.ID]string{}
	for _, r := range s.result {
		if c := r.Cluster(cluster); c != nil {
			for _, a := range c.Appliers {
				if a.Release == nil {
					continue
				}
				for _, o := range a.Release.Hooks {
					all[o.ID] = o.Version
				}
			}
		}
	}
	return all
}

// madeBeside says whether an object of a release is there without being in its inventory:
// the namespace that Helm makes.
func madeBeside(a *render.Applier, id object.ID, s *state) bool {
	return a.Release != nil && a.Release.Extra[id] && id.Kind == "Namespace" && s.objects[id] != nil
}

// silent says whether helm-controller gives up without a word in the status: it may not
// look at the repository of the chart.
//
// Source: helm-controller v1.6.4 HelmReleaseReconciler.reconcileChartTemplate.
func silent(failures []*render.Failure) bool {
	return slices.ContainsFunc(failures, func(f *render.Failure) bool {
		return f.Applier.Kind == "HelmRelease" && strings.Contains(f.Message, "cross-namespace references")
	})
}

// spared says whether impact has told that a release does not bring an object to what is
// rendered: it is not upgraded, or it has applied the object before another owner deleted
// it, and does not look again. Whether that is what happened, the comparison with impact
// finds out.
func spared(told *impact.Cluster, id object.ID, s *state) bool {
	return told != nil && slices.ContainsFunc(told.Changes, func(ch *impact.Change) bool {
		return ch.ID == id && (ch.Refused != "" || ch.Kind == impact.Removed && ch.Fate == impact.Orphaned ||
			ch.Kind == impact.Moved && ch.Fate != "" && s.objects[id] == nil)
	})
}

// hooks compares the hooks of a release with those on the cluster. Each that runs on
// install is there unless its own policy removes it.
func (v *verdict) hooks(a *render.Applier, s *state) {
	if a.Release == nil {
		return
	}
	for _, o := range a.Release.Hooks {
		if slices.ContainsFunc(a.Objects, func(other *object.Object) bool { return other.ID == o.ID }) {
			continue // what is there is the object of the release
		}
		live := s.hooks[o.ID]
		annotations, _, _ := unstructured.NestedStringMap(o.Body().Map(), "metadata", "annotations")
		runs := strings.Contains(annotations["helm.sh/hook"], "-install")
		goes := strings.Contains(annotations["helm.sh/hook-delete-policy"], "hook-succeeded")
		switch {
		case live == nil && runs && !goes:
			v.differ("%s: hook %s is rendered and not there", a, o.ID)
		case live != nil && runs && goes:
			v.differ("%s: hook %s is there, though its policy deletes it", a, o.ID)
		case live != nil:
			found := diffFields(o.Body().Map(), live, helmManager)
			if why := a.Release.Unknowable[o.ID]; len(found) > 0 && len(why) > 0 {
				v.unresolved = append(v.unresolved, fmt.Sprintf("%s: hook %s %s", a, o.ID, strings.Join(why, ", ")))
				continue
			}
			for _, f := range found {
				v.differ("%s: hook %s %s", a, o.ID, f)
			}
		}
	}
}

// chancy says whether a release gives an object's content by chance, time or what is live.
func (s *story) chancy(cluster string, id object.ID) bool {
	for _, r := range s.result {
		if c := r.Cluster(cluster); c != nil {
			for _, a := range c.Appliers {
				if a.Release != nil && len(a.Release.Unknowable[id]) > 0 {
					return true
				}
			}
		}
	}
	return false
}

// along is what may become of an object when its applier does not survive a move of its own,
// which impact says of that alone.
func (s *story) along(cluster string, id object.ID) []event {
	c := s.result[1].Cluster(cluster)
	if c == nil {
		return nil
	}
	for _, a := range c.Appliers {
		if !slices.ContainsFunc(a.Objects, func(o *object.Object) bool { return o.ID == id }) {
			continue
		}
		for _, ch := range s.told(a.Home).Changes {
			if ch.Kind == impact.Moved && ch.ID.Kind == a.Kind && ch.ID.Namespace == a.Namespace && ch.ID.Name == a.Name {
				if ch.Fate == impact.Unsure {
					return []event{nothing, deleted, recreated}
				}
				if ch.Fate == impact.Deleted {
					return []event{deleted, recreated}
				}
			}
		}
	}
	return nil
}
