//go:build e2e && linux

package e2e

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/test/lab"
)

// storyTime bounds one cluster of one story.
const storyTime = 5 * time.Minute

// TestStories plays every story on a real cluster, one entry point after the other, and
// holds what render and impact say against what the controllers did.
func TestStories(t *testing.T) {
	all := stories(t)
	seen.stories = len(all)
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			if s.not != "" {
				seen.play(s.name)
				seen.skip(s.name, "", s.not)
				t.Skip("SKIPPED: " + s.not)
			}
			if testing.Short() && (s.served[0] != nil || s.served[1] != nil) {
				t.Skip("SKIPPED: -short leaves out what a chart repository, a registry or buckets serve")
			}
			if err := s.render(t); err != nil {
				t.Fatal(err)
			}
			for _, f := range s.faults {
				t.Error(f)
			}
			seen.play(s.name)
			playAll(t, s)
		})
	}
}

func playAll(t *testing.T, s *story) {
	t.Helper()
	for _, name := range s.clusters() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, s, name)
		})
	}
}

// clusters that have an entry point in the first revision.
func (s *story) clusters() []string {
	var names []string
	for _, c := range s.result[0].Clusters {
		if c.Entry != nil {
			names = append(names, c.Name)
		}
	}
	return names
}

func play(t *testing.T, s *story, cluster string) {
	t.Helper()
	if v := s.recall(t, cluster); v != nil {
		seen.add(s.name, cluster, v)
		v.tell(s.name, cluster, "as in an earlier run")
		return
	}
	l := take(t)
	ctx, cancel := context.WithTimeout(t.Context(), storyTime)
	defer cancel()
	start := time.Now()
	v, err := l.play(ctx, s, cluster)
	if err != nil || len(v.differences) > 0 {
		// The suite may have looked at the wrong time. What is wrong is wrong again.
		t.Logf("played once more: %v %v", err, v)
		if err := l.reset(ctx); err != nil {
			t.Fatal(err)
		}
		if v, err = l.play(ctx, s, cluster); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range v.differences {
		t.Error(d)
	}
	seen.add(s.name, cluster, v)
	s.keep(t, cluster, v)
	v.tell(s.name, cluster, fmt.Sprintf("%.1fs", time.Since(start).Seconds()))
}

// tell prints the verdict on a cluster of a story.
func (v *verdict) tell(story, cluster, after string) {
	summary := fmt.Sprintf("%s %s: appliers=%d objects=%d failures=%d changes=%d unresolved=%d differences=%d %s\n", story, cluster,
		v.appliers, v.objects, v.failures, v.changes, len(v.unresolved), len(v.differences), after)
	for _, u := range v.unresolved {
		summary += "    unresolved " + u + "\n"
	}
	fmt.Fprint(os.Stderr, summary)
}

// play bootstraps a cluster of the story, lets it settle, and compares; then, with a
// second revision, once more.
func (l *lane) play(ctx context.Context, s *story, hub string) (*verdict, error) {
	healing, stop := context.WithCancel(ctx)
	defer stop()
	g, err := l.prepare(ctx, s, hub)
	if err != nil {
		return nil, err
	}
	if s.waits() || s.charts() {
		for _, on := range g.on {
			go care(healing, on, s.charts())
		}
	}
	if err := bootstrap(ctx, l.hub, g.roots); err != nil {
		return nil, err
	}
	before, rest, err := l.see(ctx, g, nil)
	if err != nil {
		return nil, err
	}
	v := &verdict{hub: s.result[0].Cluster(hub), restless: !rest, charts: s.charts()}
	for name, state := range before {
		if c := s.result[0].Cluster(name); c != nil { // a target may come with the commit
			v.compare(hub, c, state, nil)
		}
	}
	v.strangers(hub, s.result[0], nil, before[hub])
	if !s.two {
		return v, nil
	}
	if err := l.push(ctx, s, 1); err != nil {
		return nil, err
	}
	after, rest, err := l.see(ctx, g, before)
	if err != nil {
		return nil, err
	}
	v.hub, v.restless = s.result[1].Cluster(hub), !rest
	for name, state := range after {
		if c := s.result[1].Cluster(name); c != nil {
			v.compare(hub, c, state, s.told(name))
		}
		v.impact(s, hub, name, before[name], state)
	}
	v.strangers(hub, s.result[1], s.report, after[hub])
	return v, nil
}

// waits says whether a Kustomization waits for the health of what it applies.
func (s *story) waits() bool {
	for _, r := range s.result {
		for _, c := range r.Clusters {
			for o := range c.Objects.All() {
				spec, _ := o.Body().Map()["spec"].(map[string]any)
				if o.ID.Kind == "Kustomization" && (spec["wait"] == true || spec["healthChecks"] != nil || spec["healthCheckExprs"] != nil) {
					return true
				}
			}
		}
	}
	return false
}

// prepare pushes the first revision, makes what the fleet takes for granted, and
// bootstraps Flux.
func (l *lane) prepare(ctx context.Context, s *story, hub string) (*stage, error) {
	c := s.result[0].Cluster(hub)
	if err := l.profile(ctx, c.Profile); err != nil {
		return nil, err
	}
	if err := l.helm(ctx, s, c); err != nil {
		return nil, err
	}
	if err := l.push(ctx, s, 0); err != nil {
		return nil, err
	}
	roots, err := s.roots(c)
	if err != nil {
		return nil, err
	}
	on, err := l.reach(ctx, s, hub)
	if err != nil {
		return nil, err
	}
	for name, cluster := range on {
		var here []*unstructured.Unstructured
		if name == hub {
			here = roots
		}
		if err := l.surroundings(ctx, s, name, cluster, here); err != nil {
			return nil, err
		}
	}
	return &stage{story: s, hub: hub, on: on, roots: roots}, nil
}

// told is what impact says of a cluster; never nil after a commit.
func (s *story) told(cluster string) *impact.Cluster {
	for _, c := range s.report.Clusters {
		if c.Name == cluster {
			return c
		}
	}
	return &impact.Cluster{}
}

// stage is what a story plays on: the real clusters that stand for those of the fleet.
type stage struct {
	story *story
	hub   string
	on    map[string]*lab.Cluster
	roots []*unstructured.Unstructured // what bootstrap applies
	round int                          // of asking to reconcile
}

// see lets the clusters settle and returns what each one holds, and whether they came to
// rest. What was there earlier is looked at again.
func (l *lane) see(ctx context.Context, g *stage, earlier map[string]*state) (map[string]*state, bool, error) {
	for range 3 {
		seen, rest, late, err := l.look(ctx, g, earlier)
		if err != nil || !late {
			return seen, rest, err
		}
		// What a deletion took along is missing since the last round: one more.
	}
	seen, rest, _, err := l.look(ctx, g, earlier)
	return seen, rest, err
}

// look is one time of [lane.see]. It is late when something went after the last round.
func (l *lane) look(ctx context.Context, g *stage, earlier map[string]*state) (seen map[string]*state, rest, late bool, err error) {
	if rest, err = l.settle(ctx, &g.round, g.story.limit()); err != nil {
		return nil, false, false, err
	}
	seen = map[string]*state{}
	for name, cluster := range g.on {
		ask := g.story.versions(name)
		for id := range ask {
			l.stale = l.stale || id.Kind == "CustomResourceDefinition"
		}
		if was := earlier[name]; was != nil {
			for id, o := range was.objects {
				if _, ok := ask[id]; !ok {
					ask[id] = o.GroupVersionKind().Version
				}
			}
		}
		waited := false
		if seen[name], waited, err = l.observe(ctx, cluster, ask, g.story.hooks(name)); err != nil {
			return nil, false, false, err
		}
		late = late || waited
	}
	return seen, rest, late, nil
}

// limit is how many rounds the story gets; one that has no end gets few.
func (s *story) limit() int {
	for _, r := range s.result {
		for _, c := range r.Clusters {
			if slices.ContainsFunc(c.Failures, func(f render.Failure) bool {
				return strings.Contains(f.Message, "without end") || strings.Contains(f.Message, "does not settle")
			}) {
				return 3
			}
		}
	}
	return rounds
}

// reach names the clusters that a hub writes to, itself among them, each with the real one
// that stands for it, and puts the kubeconfigs where the hub looks for them.
func (l *lane) reach(ctx context.Context, s *story, hub string) (map[string]*lab.Cluster, error) {
	on := map[string]*lab.Cluster{hub: l.hub}
	for _, r := range s.result {
		for _, c := range r.Clusters {
			for _, a := range c.Appliers {
				if a.Home == hub && a.Target != hub && on[a.Target] == nil {
					target, err := l.target(ctx, len(on)-1)
					if err != nil {
						return nil, err
					}
					on[a.Target] = target
				}
			}
		}
	}
	return on, nil
}

// versions of all objects that are rendered for a cluster in either revision.
func (s *story) versions(cluster string) map[object.ID]string {
	all := map[object.ID]string{}
	for _, r := range s.result {
		c := r.Cluster(cluster)
		if c == nil {
			continue
		}
		add := func(objects []*object.Object) {
			for _, o := range objects {
				all[o.ID] = o.APIVersion()[strings.LastIndexByte(o.APIVersion(), '/')+1:]
			}
		}
		for _, a := range c.Appliers {
			add(a.Objects)
			add(a.Held)
		}
	}
	return all
}
