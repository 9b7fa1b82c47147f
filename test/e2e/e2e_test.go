//go:build e2e && linux

package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// storyTime bounds one cluster of one story.
const storyTime = 3 * time.Minute

// TestStories plays every story on a real cluster, one entry point after the other, and
// holds what render and impact say against what the controllers did.
func TestStories(t *testing.T) {
	for _, s := range stories(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			if err := s.render(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, name := range s.clusters() {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					play(t, s, name)
				})
			}
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
	l := take(t)
	ctx, cancel := context.WithTimeout(t.Context(), storyTime)
	defer cancel()
	start := time.Now()
	v, err := l.play(ctx, s, cluster)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range v.differences {
		t.Error(d)
	}
	summary := fmt.Sprintf("%s %s: appliers=%d objects=%d failures=%d changes=%d unresolved=%d differences=%d %.1fs\n", s.name, cluster,
		v.appliers, v.objects, v.failures, v.changes, len(v.unresolved), len(v.differences), time.Since(start).Seconds())
	for _, u := range v.unresolved {
		summary += "    unresolved " + u + "\n"
	}
	fmt.Fprint(os.Stderr, summary)
}

// play bootstraps a cluster of the story, lets it settle, and compares; then, with a
// second revision, once more.
func (l *lane) play(ctx context.Context, s *story, cluster string) (*verdict, error) {
	v := &verdict{}
	c := s.result[0].Cluster(cluster)
	if err := l.profile(ctx, c.Profile); err != nil {
		return nil, err
	}
	if err := l.push(ctx, s, 0); err != nil {
		return nil, err
	}
	roots, err := s.roots(c)
	if err != nil {
		return nil, err
	}
	if err := l.surroundings(ctx, s, cluster, l.hub, roots); err != nil {
		return nil, err
	}
	if err := bootstrap(ctx, l.hub, roots); err != nil {
		return nil, err
	}
	ask := s.versions(cluster)
	for o := range ask {
		l.stale = l.stale || o.Kind == "CustomResourceDefinition"
	}
	round := 0
	if err := l.settle(ctx, &round); err != nil {
		return nil, err
	}
	before, err := observe(ctx, l.hub, l.hub, ask)
	if err != nil {
		return nil, err
	}
	v.compare(c, before, false)
	if !s.two {
		return v, nil
	}
	if err := l.push(ctx, s, 1); err != nil {
		return nil, err
	}
	if err := l.settle(ctx, &round); err != nil {
		return nil, err
	}
	after, err := observe(ctx, l.hub, l.hub, ask)
	if err != nil {
		return nil, err
	}
	if c := s.result[1].Cluster(cluster); c != nil {
		v.compare(c, after, true)
	}
	return v, nil
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

var _ = render.Built
