package artifact

import (
	"fmt"
	"strings"
	"sync"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// Cache keeps artifacts: equal specs on one tree give one tree, so that builds on
// it are shared. Failures are not kept. The zero value is ready; it is safe for
// concurrent use, and holds the trees that it has seen.
type Cache struct {
	mu   sync.Mutex
	kept map[key]*tree.Tree
}

type key struct {
	tree *tree.Tree
	kind byte
	spec string
}

// Git is the function [Git], kept.
func (c *Cache) Git(t *tree.Tree, spec Spec) (*tree.Tree, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%q%q", spec.Ignore, spec.Sparse)
	for _, inc := range spec.Include {
		fmt.Fprintf(&b, "%p%q%q", inc.Tree, inc.From, inc.To)
	}
	return c.of(key{t, 'g', b.String()}, func() (*tree.Tree, error) { return Git(t, spec) })
}

// OCI is the function [OCI], kept.
func (c *Cache) OCI(t *tree.Tree, ignore string) (*tree.Tree, error) {
	return c.of(key{t, 'o', ignore}, func() (*tree.Tree, error) { return OCI(t, ignore) })
}

// Bucket is the function [Bucket], kept.
func (c *Cache) Bucket(t *tree.Tree, spec Objects) (*tree.Tree, error) {
	return c.of(key{t, 'b', fmt.Sprintf("%q%q", spec.Ignore, spec.Prefix)}, func() (*tree.Tree, error) { return Bucket(t, spec) })
}

func (c *Cache) of(k key, make func() (*tree.Tree, error)) (*tree.Tree, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if view := c.kept[k]; view != nil {
		return view, nil
	}
	view, err := make()
	if err != nil {
		return nil, err
	}
	if c.kept == nil {
		c.kept = map[key]*tree.Tree{}
	}
	c.kept[k] = view
	return view, nil
}
