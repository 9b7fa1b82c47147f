package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/internal/fleetgen"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == measureArg {
		exit(measurer(os.Stdin, os.Stdout))
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func exit(err error) {
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the flags. Paths are relative to the test module, where make runs us.
type options struct {
	sizes, output, from string
	bulkhead, tools     string
	docs                string
	write               bool
	jobs                *regexp.Regexp
	runs, upstream      int
	patience            float64
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.sizes, "sizes", "S,M", "the fleets to measure, of "+strings.Join(fleetgen.Names(), ","))
	f.StringVar(&o.output, "o", "text", "text or json")
	f.StringVar(&o.from, "from", "", "begin with the results of earlier runs, files of -o json; what is measured later replaces a fleet of its name")
	f.StringVar(&o.bulkhead, "bulkhead", "../bin/bulkhead", "the program to measure")
	f.StringVar(&o.tools, "tools", "../.bin/bench", "the folder that upstream's programs are built into")
	f.StringVar(&o.docs, "docs", "../docs/explain", "the folder that -write writes to")
	f.BoolVar(&o.write, "write", false, "write the results to performance.md and performance.svg, too")
	f.IntVar(&o.runs, "runs", 3, "measure each job so often, and take the median")
	f.Float64Var(&o.patience, "patience", 60, "do not begin another run of a job when its runs took so many seconds")
	jobs := f.String("jobs", "", "measure only the jobs whose names match this regular expression, such as 'render|base'")
	f.IntVar(&o.upstream, "upstream", 50, "measure upstream on fleets of up to so many clusters, on two clusters of larger ones; 0: not at all")
	if err := f.Parse(args); err != nil {
		return options{}, err
	}
	if f.NArg() > 0 {
		return options{}, fmt.Errorf("what is %q?", f.Arg(0))
	}
	if o.output != "text" && o.output != "json" {
		return options{}, fmt.Errorf("-o %s: want text or json", o.output)
	}
	var err error
	if o.jobs, err = regexp.Compile(*jobs); err != nil {
		return options{}, fmt.Errorf("-jobs: %w", err)
	}
	if o.runs < 1 {
		return options{}, fmt.Errorf("-runs %d: want 1 or more", o.runs)
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	r := report{}
	for _, name := range list(o.from) {
		if err := r.read(name); err != nil {
			return err
		}
	}
	if names := list(o.sizes); len(names) > 0 {
		if err := o.measure(ctx, names, &r, stderr); err != nil {
			return err
		}
	}
	if o.write {
		if err := r.write(o.docs); err != nil {
			return err
		}
	}
	if o.output == "json" {
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	_, err = io.WriteString(stdout, r.text())
	return err
}

// list is what a flag names, between commas.
func list(flag string) []string {
	return slices.DeleteFunc(strings.Split(flag, ","), func(name string) bool { return name == "" })
}

// measure measures the named fleets and adds them to r.
func (o options) measure(ctx context.Context, names []string, r *report, stderr io.Writer) (err error) {
	scratch, err := os.MkdirTemp("", "bulkhead-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	path, err := filepath.Abs(o.bulkhead)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("%w: make build makes it", err)
	}
	b, err := find(ctx, path, scratch)
	if err != nil {
		return err
	}
	b.only, b.runs, b.patience = o.jobs, o.runs, o.patience
	b.progress = func(format string, args ...any) { _, _ = fmt.Fprintf(stderr, "bench: "+format+"\n", args...) }
	if !b.store {
		b.progress("this bulkhead has no --cache: nothing is measured warm")
	}
	dir, err := filepath.Abs(o.tools)
	if err != nil {
		return err
	}
	var t tools
	if o.upstream > 0 {
		b.progress("building kustomize and fluxbuild")
		if t, err = build(ctx, ".", dir); err != nil {
			return err
		}
	}
	if r.Machine, err = machine(ctx, path); err != nil {
		return err
	}
	for _, name := range names {
		f, err := o.fleet(ctx, name, b, t)
		if err != nil {
			return err
		}
		r.add(f)
	}
	return nil
}

// fleet measures one fleet.
func (o options) fleet(ctx context.Context, name string, b *bulkhead, t tools) (fleet, error) {
	f, err := fleetgen.Named(name)
	if err != nil {
		return fleet{}, err
	}
	out := fleet{Name: f.Name, Clusters: f.Clusters, Tenants: f.Tenants, Builds: f.Clusters * (f.Tenants + 1)}
	for p := range f.Files {
		if strings.HasSuffix(p, "/release.yaml") {
			out.Releases += f.Clusters
		}
	}
	repository, err := empty(b.scratch, "repository")
	if err != nil {
		return fleet{}, err
	}
	b.progress("%s: making %d clusters of %d tenants", name, f.Clusters, f.Tenants)
	if err := commit(ctx, repository, f); err != nil {
		return fleet{}, err
	}
	if out.Results, err = b.jobs(ctx, f, repository); err != nil {
		return fleet{}, err
	}
	if o.upstream == 0 {
		return out, nil
	}
	clusters := f.Clusters
	if clusters > o.upstream {
		clusters = 2 // one of each environment
	}
	folder, err := empty(b.scratch, "files")
	if err != nil {
		return fleet{}, err
	}
	b.progress("%s: upstream on %d clusters", name, clusters)
	out.Peers, err = t.peers(ctx, f, clusters, folder)
	return out, errors.Join(err, os.RemoveAll(folder))
}
