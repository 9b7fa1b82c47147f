package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/bulkhead-dev/bulkhead/internal/fleetgen"
)

// cost is what a job took: of several runs the one with the median CPU time.
type cost struct {
	Runs int     `json:"runs"`
	Wall float64 `json:"wallSeconds"`
	CPU  float64 `json:"cpuSeconds"`
	// PeakBytes is the largest process, ChildrenBytes what its workers held together.
	PeakBytes     int64 `json:"peakBytes"`
	ChildrenBytes int64 `json:"childrenBytes"`
	// Asked and Run count builds: those that the fleet asks for, those that ran. -1 is
	// not known.
	Asked int `json:"buildsAsked"`
	Run   int `json:"buildsRun"`
}

// result is a job of bulkhead on a fleet.
type result struct {
	Job string `json:"job"`
	// What says the change in a few words; empty for a render.
	What string `json:"what,omitempty"`
	// Affected is how many builds, counted on every cluster, give something else.
	Affected int `json:"buildsAffected"`
	// Cold is with nothing cached, Warm with what a run on the base left behind; nil
	// where this bulkhead has no store.
	Cold *cost `json:"cold"`
	Warm *cost `json:"warm"`
}

// bulkhead runs the jobs.
type bulkhead struct {
	path     string         // of the program
	store    bool           // it has --cache
	only     *regexp.Regexp // the jobs to measure
	runs     int
	patience float64 // seconds of wall time that the runs of one job may take, but for the first
	scratch  string  // a folder for stores
	progress func(format string, args ...any)
}

// find looks at what the program can do.
func find(ctx context.Context, path, scratch string) (*bulkhead, error) {
	b := &bulkhead{path: path, scratch: scratch}
	u, err := measure(ctx, spec{Commands: [][]string{{path, "render", "--help"}}})
	if err != nil {
		return nil, err
	}
	if u.Code != 0 {
		return nil, fmt.Errorf("run %s render --help: exit code %d: %s", path, u.Code, u.Stderr)
	}
	b.store = strings.Contains(u.Head+u.Tail, "--cache ")
	return b, nil
}

// jobs measures a render and the impact of each change, in a repository made by
// [commit].
func (b *bulkhead) jobs(ctx context.Context, f fleetgen.Fleet, repository string) (out []result, err error) {
	var filled string
	if b.store {
		if filled, err = empty(b.scratch, "filled"); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(filled)) }()
		b.progress("%s: filling the store from %s", f.Name, base)
		if _, err := b.once(ctx, []string{"render", "-C", repository, "--rev", base}, filled, rendered(f)); err != nil {
			return nil, err
		}
	}
	add := func(r result, right check, args ...string) error {
		if !b.only.MatchString(r.Job) {
			return nil
		}
		for _, to := range []struct {
			state string
			from  string // the store to begin with
			cost  **cost
		}{{"cold", "", &r.Cold}, {"warm", filled, &r.Warm}} {
			if to.state == "warm" && !b.store {
				continue
			}
			c, err := b.median(ctx, args, to.from, right)
			if err != nil {
				return fmt.Errorf("%s: %s, %s: %w", f.Name, r.Job, to.state, err)
			}
			*to.cost = &c
			b.progress("%s: %s, %s: %.2f s CPU, %.0f MiB", f.Name, r.Job, to.state, c.CPU, mib(c.PeakBytes))
		}
		out = append(out, r)
		return nil
	}
	all := f.Clusters * (f.Tenants + 1)
	if err := add(result{Job: "render", Affected: all}, rendered(f), "render", "-C", repository, "--rev", base); err != nil {
		return nil, err
	}
	for _, c := range f.Changes {
		r := result{Job: "impact: " + c.Name, What: c.What, Affected: c.Builds}
		if err := add(r, changed(c), "impact", "-C", repository, base, c.Name); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// median runs a command some times, each time with a copy of a store; from "" is an
// empty one.
func (b *bulkhead) median(ctx context.Context, args []string, from string, right check) (cost, error) {
	var all []cost
	var spent float64
	for len(all) < b.runs && (len(all) == 0 || spent < b.patience) {
		store := ""
		if b.store {
			var err error
			if store, err = empty(b.scratch, "store"); err != nil {
				return cost{}, err
			}
			if from != "" {
				if err := os.CopyFS(store, os.DirFS(from)); err != nil {
					return cost{}, fmt.Errorf("copy store: %w", err)
				}
			}
		}
		c, err := b.once(ctx, args, store, right)
		if err != nil {
			return cost{}, err
		}
		all, spent = append(all, c), spent+c.Wall
	}
	return middle(all), nil
}

// middle is the run with the median CPU time, the lower of two.
func middle(all []cost) cost {
	slices.SortFunc(all, func(a, b cost) int { return cmp.Compare(a.CPU, b.CPU) })
	c := all[(len(all)-1)/2]
	c.Runs = len(all)
	return c
}

// once runs a command and checks its answer.
func (b *bulkhead) once(ctx context.Context, args []string, store string, right check) (cost, error) {
	argv := append(append([]string{b.path}, args...), "--stats")
	if b.store {
		argv = append(argv, "--cache", store)
	}
	u, err := measure(ctx, spec{Commands: [][]string{argv}, Env: []string{"XDG_CACHE_HOME=" + b.scratch}})
	if err != nil {
		return cost{}, err
	}
	if u.Code != 0 {
		return cost{}, fmt.Errorf("run %s: exit code %d: %s", strings.Join(argv, " "), u.Code, u.Stderr)
	}
	if err := right(u.Head, u.Tail); err != nil {
		return cost{}, fmt.Errorf("run %s: wrong answer: %w", strings.Join(argv, " "), err)
	}
	c := cost{Runs: 1, Wall: u.Wall, CPU: u.CPU, PeakBytes: u.Peak, ChildrenBytes: u.Children, Asked: -1, Run: -1}
	if m := builds.FindStringSubmatch(u.Stderr); m != nil {
		c.Run, c.Asked = number(m[1]), number(m[2])
	}
	return c, nil
}

var (
	builds  = regexp.MustCompile(`(\d+) of (\d+) builds run`)
	covered = regexp.MustCompile(`appliers (\d+)/(\d+) built`)
	count   = regexp.MustCompile(`^(\d+) of (\d+) clusters? changes?:`)
)

func number(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil {
		return -1
	}
	return n
}

// check says what is wrong with an answer, given its start and its end: a fast
// wrong answer is worth nothing.
type check func(head, tail string) error

// rendered wants every applier of the fleet built.
func rendered(f fleetgen.Fleet) check {
	return func(_, tail string) error {
		m := covered.FindStringSubmatch(tail)
		if m == nil {
			return fmt.Errorf("no line of coverage at the end of %q", tail)
		}
		if least := f.Clusters * (f.Tenants + 1); m[1] != m[2] || number(m[1]) < least {
			return fmt.Errorf("%s, want all and at least %d", m[0], least)
		}
		return nil
	}
}

// changed wants as many clusters as the change affects.
func changed(c fleetgen.Change) check {
	return func(head, _ string) error {
		line, _, _ := strings.Cut(head, "\n")
		if c.Clusters == 0 && line == "no cluster is changed" {
			return nil
		}
		m := count.FindStringSubmatch(line)
		if m == nil || number(m[1]) != c.Clusters {
			return fmt.Errorf("%q, want %d clusters changed", line, c.Clusters)
		}
		return nil
	}
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }
