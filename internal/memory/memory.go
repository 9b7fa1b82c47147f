// Package memory trades memory for time: the garbage collector leaves a small heap
// alone.
//
// A run lives for about a second, and with Go's defaults the collector runs from
// 4 MiB on: some times before main, as the packages that are linked fill 11 MiB with
// their tables, and then again and again. With a floor, see [Floor], it runs when the
// heap has grown to that, or to twice of what is alive if that is more, as always. A heap that is
// large may grow by more.
//
// What GOGC and GOMEMLIMIT say in the environment holds instead.
package memory

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// Floor is the size in bytes up to which the heap grows before it is collected. A
// limit lowers it, see [Limit].
const Floor = 64 << 20

const (
	smallest = 4 << 20    // the heap that Go collects first, at 100 percent
	usual    = 100        // percent: how much the heap grows by Go's default
	large    = 64 << 20   // bytes alive from which on a heap gets room
	room     = 1280 << 20 // bytes by which it may grow, or to six times of what is alive
	most     = 1 << 40    // bytes of a floor or of what is alive that are told apart
)

// Usage is what a process took. A field is 0 where the system does not tell.
type Usage struct {
	CPU  time.Duration // user and system
	Peak int64         // bytes of memory, at most
}

// floor is the one in force, in bytes; 0 when the environment says how to collect.
var floor atomic.Int64 //nolint:gochecknoglobals // a process has one heap

// The floor has to be there before the heap is. That it is rests on this package's
// few imports and its place in the alphabet, by which Go puts in order what may begin.
func init() { //nolint:gochecknoinits // see above
	if os.Getenv("GOGC") != "" {
		return
	}
	floor.Store(Floor)
	debug.SetGCPercent(percent(Floor, 0))
	follow()
}

// Limit bounds the memory of this process softly: near to so many bytes the collector
// works harder, and when what is alive needs more, it gets more. 0 and less is no limit.
// Call it once, before the work begins.
func Limit(bytes int64) {
	if bytes <= 0 {
		return
	}
	debug.SetMemoryLimit(bytes)
	if floor.Load() > 0 {
		floor.Store(min(Floor, max(bytes/2, smallest))) // the other half is for what is not the heap
		debug.SetGCPercent(percent(floor.Load(), Alive()))
	}
}

// follow sets the percentage anew after each collection: each one finds that nothing
// refers to the mark, and leaves a new one.
func follow() {
	mark := new([16]byte)
	runtime.AddCleanup(mark, func(struct{}) {
		debug.SetGCPercent(percent(floor.Load(), Alive()))
		follow()
	}, struct{}{})
}

// Alive is what the last collection left, in bytes; 0 before the first.
func Alive() int64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return int64(min(sample[0].Value.Uint64(), most))
}

// percent is how much the heap may grow over what is alive, in percent of that, so
// that the collector runs at the floor. Where more is alive it is the usual; of a large heap, at
// least the room: to look through it again and again costs a third of a run.
func percent(floor, alive int64) int {
	if alive <= 0 {
		return int(min(max(floor/smallest, 1)*usual, math.MaxInt32))
	}
	grow := max(floor-alive, alive)
	if floor >= Floor && alive >= large {
		grow = max(grow, min(5*alive, room))
	}
	return int(min(max(grow*100/alive, usual), math.MaxInt32))
}
