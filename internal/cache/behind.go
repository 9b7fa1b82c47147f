package cache

import (
	"context"
	"sync"
)

// item is something to be written: a value under its key, or an entry under its name.
type item struct {
	key   *[32]byte
	value []byte
	name  string
	entry []byte
	size  int64

	replace bool // what is there under that key may be something else
}

// behind is a bounded queue with some workers, which live as long as there is work.
type behind struct {
	workers int
	limit   int64 // bytes that wait; one item may exceed it
	run     func(item)

	mu     sync.Mutex
	items  []item
	bytes  int64
	active int // workers
	busy   int // those with an item
	closed bool
	idle   chan struct{} // closed when the last worker ends; nil when nobody waits
}

// add takes an item, false when there is no room for it.
func (b *behind) add(it item) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.bytes > 0 && b.bytes+it.size > b.limit {
		return false
	}
	b.items = append(b.items, it)
	b.bytes += it.size
	if b.active < b.workers {
		b.active++
		go b.work()
	}
	return true
}

func (b *behind) work() {
	for {
		b.mu.Lock()
		if len(b.items) == 0 {
			b.active--
			if b.active == 0 && b.idle != nil {
				close(b.idle)
				b.idle = nil
			}
			b.mu.Unlock()
			return
		}
		it := b.items[0]
		b.items[0] = item{}
		b.items = b.items[1:]
		b.busy++
		b.mu.Unlock()
		b.run(it)
		b.mu.Lock()
		b.busy--
		b.bytes -= it.size
		b.mu.Unlock()
	}
}

// wait ends when all is written, or with ctx: then it gives how many items were dropped,
// those under way included. Nothing can be added afterwards.
func (b *behind) wait(ctx context.Context) (lost int) {
	b.mu.Lock()
	b.closed = true
	if b.active == 0 {
		b.mu.Unlock()
		return 0
	}
	idle := make(chan struct{})
	b.idle = idle
	b.mu.Unlock()
	select {
	case <-idle:
		return 0
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	lost = len(b.items) + b.busy
	b.items = nil
	return lost
}
