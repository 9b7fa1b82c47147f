//go:build unix

package cache

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMain lets the test program be the processes of its own tests.
func TestMain(m *testing.M) {
	switch os.Getenv("CACHE_TEST_ROLE") {
	case "writer":
		writer()
	case "worker":
		worker()
	default:
		os.Exit(m.Run())
	}
}

// again starts the test program in another role.
func again(t *testing.T, role, dir string, seed int) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "CACHE_TEST_ROLE="+role, "CACHE_TEST_FOLDER="+dir, "CACHE_TEST_SEED="+strconv.Itoa(seed))
	cmd.Stderr = os.Stderr
	return cmd
}

func role() (dir string, seed int) {
	seed, err := strconv.Atoi(os.Getenv("CACHE_TEST_SEED"))
	if err != nil {
		panic(err)
	}
	return os.Getenv("CACHE_TEST_FOLDER"), seed
}

// shared is how many keys the writers share; the value of each is always the same.
const shared = 24

// valueOf is the value of key i: large, so that a kill hits the middle of a write.
func valueOf(i int) []byte { return noise(i, 2_000+i*8_000) }

// writer puts entries until it is killed.
func writer() {
	dir, seed := role()
	s, err := Open(Options{Dir: dir})
	if err != nil {
		panic(err)
	}
	var names, entries [shared]string
	for i := range shared {
		n, err := derive(nil, keyOf(fmt.Sprint(i)))
		if err != nil {
			panic(err)
		}
		entry, err := n.sealed(valueOf(i))
		if err != nil {
			panic(err)
		}
		names[i], entries[i] = n.hex(), string(entry)
	}
	fmt.Println("started")
	r := rand.New(rand.NewPCG(uint64(seed), 0))
	for {
		i := r.IntN(shared)
		s.disk.put(names[i], []byte(entries[i]))
	}
}

// TestKill kills writers in the middle of their work, and looks at each entry afterwards.
func TestKill(t *testing.T) {
	const rounds, together = 50, 4
	dir := t.TempDir()
	whole, missing := 0, 0
	for round := range rounds {
		var wg sync.WaitGroup
		for i := range together {
			cmd := again(t, "writer", dir, round*together+i)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Duration(rand.IntN(15_000)) * time.Microsecond)
				if err := cmd.Process.Kill(); err != nil {
					t.Error(err)
				}
				_ = cmd.Wait()
			})
		}
		wg.Wait()
		if round%10 != 9 {
			continue
		}
		s := open(t, Options{Dir: dir})
		whole, missing = 0, 0
		for i := range shared {
			switch got := s.Get(t.Context(), keyOf(fmt.Sprint(i))); {
			case got == nil:
				missing++
			case string(got) != string(valueOf(i)):
				t.Errorf("entry %d has another value", i)
			default:
				whole++
			}
		}
		if st := s.Stats(); st.Damaged != 0 {
			t.Errorf("after round %d: %d damaged entries: a rename is no longer all or nothing", round, st.Damaged)
		}
	}
	half := 0
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(e.Name(), tempName) {
			half++
		}
		return err
	})
	t.Logf("%d writers killed: %d entries whole, %d missing, 0 damaged; %d kills were in the middle of a write", rounds*together, whole, missing, half)
	if whole == 0 || half == 0 {
		t.Error("the kills came too early to show anything")
	}
	d := newDisk(dir, DefaultLimit, nil)
	d.now = func() time.Time { return time.Now().Add(2 * leftover) }
	d.prune()
	d.walk(func(e found) {
		if !e.entry {
			t.Errorf("left after pruning: %s", e.path)
		}
	})
}

// worker puts and gets the entries that all workers share, and those of its own, with pruning
// in between; it prints what it saw.
func worker() {
	dir, seed := role()
	s, err := Open(Options{Dir: dir, Limit: 64 << 20, Warn: func(text string) { panic(text) }})
	if err != nil {
		panic(err)
	}
	check := func(name string, want []byte) {
		if got := s.Get(context.Background(), keyOf(name)); got != nil && string(got) != string(want) {
			panic("entry " + name + " has another value")
		}
	}
	for i := range 200 {
		all, own := fmt.Sprint("shared ", i), fmt.Sprint("own ", seed, " ", i)
		check(all, noise(i, 5_000))
		s.Put(keyOf(all), noise(i, 5_000))
		s.Put(keyOf(own), noise(i+seed, 3_000))
		check(all, noise(i, 5_000))
		if i%50 == 49 {
			s.disk.prune()
		}
	}
	s.Close(context.Background())
	for i := range 200 {
		check(fmt.Sprint("own ", seed, " ", i), noise(i+seed, 3_000))
	}
	st := s.Stats()
	fmt.Println(st.Hits, st.Written, st.Damaged, st.Misses)
}

// TestProcesses: several processes write and read the same entries and others at once.
func TestProcesses(t *testing.T) {
	const n = 6
	dir := t.TempDir()
	outs := make([]string, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			out, err := again(t, "worker", dir, i*1000).Output()
			if err != nil {
				t.Errorf("worker %d: %v", i, err)
			}
			outs[i] = string(out)
		})
	}
	wg.Wait()
	var hits, written int
	for i, out := range outs {
		var h, w, damaged, missed int
		if _, err := fmt.Sscan(out, &h, &w, &damaged, &missed); err != nil {
			t.Errorf("worker %d said %q: %v", i, out, err)
		}
		if damaged != 0 || w != 400 || h+missed != 600 {
			t.Errorf("worker %d: %d hits, %d misses, %d written, %d damaged", i, h, missed, w, damaged)
		}
		hits, written = hits+h, written+w
	}
	u, err := UsageOf(dir)
	t.Logf("%d processes: %d entries written, %d answers, 0 damaged; %d entries are left, %v", n, written, hits, u.Entries, err)
	if u.Entries != 200+n*200 {
		t.Errorf("%d entries, want %d", u.Entries, 200+n*200)
	}
}
