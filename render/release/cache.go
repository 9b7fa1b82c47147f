package release

import (
	"container/list"
	"sync"
)

// maxKept bounds the charts that a Renderer keeps, in bytes of their files.
const maxKept = 128 << 20

// charts keeps loaded charts by the digest of their files, the last used first.
type charts struct {
	mu    sync.Mutex
	kept  map[string]*list.Element
	order list.List // of *keptChart
	size  int
}

type keptChart struct {
	key  string
	once sync.Once
	*loaded
}

// get gives the chart of files, loaded when it is not kept. Two that ask for one chart at once load it once.
// It also gives that digest.
func (c *charts) get(files []File, limits Limits) (*loaded, string) {
	sorted, key := digestOf(files)
	if limits.Files != (Limits{}).orDefaults().Files || limits.Nodes != (Limits{}).orDefaults().Nodes {
		return load(sorted, key, limits), key // with bounds of its own, which decide whether it loads
	}
	c.mu.Lock()
	if c.kept == nil {
		c.kept = map[string]*list.Element{}
	}
	e := c.kept[key]
	if e == nil {
		e = c.order.PushFront(&keptChart{key: key})
		c.kept[key] = e
	} else {
		c.order.MoveToFront(e)
	}
	k, _ := e.Value.(*keptChart)
	c.mu.Unlock()
	k.once.Do(func() {
		k.loaded = load(sorted, key, limits)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.size += weightOf(k.loaded)
		for c.size > maxKept && c.order.Len() > 1 {
			last := c.order.Back()
			old, _ := last.Value.(*keptChart)
			if old == k || old.loaded == nil {
				break
			}
			c.order.Remove(last)
			delete(c.kept, old.key)
			c.size -= weightOf(old.loaded)
		}
	})
	return k.loaded, key
}

func weightOf(l *loaded) int { return 4096 + 3*l.size }
