package render

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render/release"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// chartOutput is what a release holds: a value, shared by every cluster that would make
// the same.
type chartOutput struct {
	objects, crds, hooks, namespace []*templated
	trigger                         string
	notes                           []string
	err                             error
}

// templated is one object of a release.
type templated struct {
	body       *object.Body
	file       string // the template, as Helm names it
	unknowable []string
	defaulted  bool   // its namespace is that of the release
	verdict    string // why the API server refuses it, or ""
}

// release renders a release, once for all that are equal. render is nil for
// [release.Render] in this process.
func (c *Cache) release(ctx context.Context, in release.Input, render func(context.Context, release.Input) (*release.Output, error)) *chartOutput {
	c.releasesAsked.Add(1)
	return c.releases.get(ctx, keyOf(c.charter.Key(in), in.Sensitive), nil, func() (*chartOutput, tree.Trace) {
		if c.Store != nil {
			if r := c.savedRelease(ctx, in); r != nil {
				return r, nil
			}
		}
		defer c.slot()()
		c.releasesRun.Add(1)
		if render == nil {
			render = c.charter.Render
		}
		out, err := render(ctx, in)
		r := &chartOutput{err: err}
		if err == nil {
			r = newChartOutput(in, out)
		}
		if c.Store != nil && ctx.Err() == nil {
			c.saveRelease(in, r)
		}
		return r, nil
	})
}

// sharingSchema runs what uses kustomize's global schema; merges is true when it may
// merge objects.
func sharingSchema(merges bool, run func() error) error {
	d := scopesOnly
	if merges {
		d = merging
	}
	defer useSchema(d)()
	return run()
}

func newChartOutput(in release.Input, out *release.Output) *chartOutput {
	r, sensitive := &chartOutput{notes: out.Notes, trigger: trigger(in, out.Chart)}, in.Sensitive
	for _, list := range []struct {
		from []release.Object
		to   *[]*templated
	}{{out.Objects, &r.objects}, {out.CRDs, &r.crds}} {
		for i := range list.from {
			if err := r.take(list.to, &list.from[i], sensitive); err != nil {
				return &chartOutput{err: err}
			}
		}
	}
	for i := range out.Hooks {
		if err := r.take(&r.hooks, &out.Hooks[i].Object, sensitive); err != nil {
			return &chartOutput{err: err}
		}
	}
	if out.Namespace != nil {
		if err := r.take(&r.namespace, out.Namespace, sensitive); err != nil {
			return &chartOutput{err: err}
		}
	}
	return r
}

func (r *chartOutput) take(to *[]*templated, o *release.Object, sensitive []string) error {
	var content map[string]any
	if err := json.Unmarshal(o.JSON, &content); err != nil {
		return fmt.Errorf("read %s: %w", o.File, err)
	}
	*to = append(*to, &templated{
		body: object.NewBodySensitive(content, sensitive), file: o.File, unknowable: o.Unknowable, defaulted: o.DefaultedNamespace,
		verdict: admitRelease(&unstructured.Unstructured{Object: content}, len(sensitive) > 0),
	})
	return nil
}

// trigger tells apart what makes helm-controller upgrade a release.
//
// Source: helm-controller v1.6.4 internal/reconcile/state.go DetermineReleaseState and
// internal/action/verify.go VerifyRelease.
func trigger(in release.Input, c release.Chart) string {
	sum := sha256.Sum256([]byte(keyOf(c.Name, c.Version, in.Values, in.Release.PostRenderers, in.Release.CommonMetadata)))
	return hex.EncodeToString(sum[:])
}
