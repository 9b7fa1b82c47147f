package memory

import (
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestPercent(t *testing.T) {
	for name, c := range map[string]struct {
		floor, alive int64
		want         int
	}{
		"at the start":      {96 << 20, 0, 2400},
		"little is alive":   {96 << 20, 24 << 20, 300},
		"half of the floor": {96 << 20, 48 << 20, 100},
		"more than half":    {96 << 20, 56 << 20, 100},
		"more than all":     {96 << 20, 2 << 30, 100},
		"large":             {64 << 20, 128 << 20, 500},
		"large and limited": {32 << 20, 128 << 20, 100},
		"no floor":          {0, 1 << 20, 100},
		"a tiny floor":      {1, 0, 100},
	} {
		if got := percent(c.floor, c.alive); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// TestFloor: the heap is never collected below the floor, nor left to grow over the
// floor, twice of what is alive, and the room of a large one.
func TestFloor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		floor, alive := rapid.Int64Range(smallest, most).Draw(t, "floor"), rapid.Int64Range(1<<20, most).Draw(t, "alive")
		p := int64(percent(floor, alive))
		goal := alive + alive*p/100
		want := max(floor, 2*alive)
		if floor >= Floor && alive >= large {
			want = max(want, alive+min(5*alive, room))
		}
		if off := alive/50 + 200*usual; goal < want-off || goal > want+off {
			t.Errorf("%d percent of %d: %d, want %d", p, alive, goal, want)
		}
	})
}

// TestFollows runs a process whose live heap grows past the floor and shrinks again.
func TestFollows(t *testing.T) {
	if os.Getenv("MEMORY_TEST") == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFollows$", "-test.v")
		cmd.Env = append(os.Environ(), "MEMORY_TEST=1", "GOGC=", "GOMEMLIMIT=")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestFollows") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	now := func() int {
		p := debug.SetGCPercent(usual)
		debug.SetGCPercent(p)
		return p
	}
	if got := now(); got != 1600 {
		t.Errorf("at the start: %d percent", got)
	}
	keep := make([]byte, large-8<<20)
	waitFor(t, func() bool { return now() == usual })
	runtime.KeepAlive(keep)
	waitFor(t, func() bool { return now() > usual })
	Limit(16 << 20)
	if got := floor.Load(); got != 8<<20 {
		t.Errorf("under a limit of 16 MiB the floor is %d", got)
	}
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for range 1000 {
		runtime.GC()
		if done() {
			return
		}
		runtime.Gosched()
	}
	t.Error("the percentage does not follow")
}
