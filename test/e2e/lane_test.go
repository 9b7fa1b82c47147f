//go:build e2e && linux

package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/fleetcase"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/test/lab"
)

// A lane is a lab with one cluster of Flux, and bare ones for the fleets that reach
// others. It plays one story at a time; each begins with empty clusters.
type lane struct {
	*lab.Lab
	hub     *lab.Cluster
	targets []*lab.Cluster
	flags   []string // that kustomize-controller runs with, beyond the lab's
	stale   bool     // kustomize-controller remembers kinds that are gone
	charts  []string // flags that helm-controller runs with; nil when it does not run
	served  atomic.Pointer[fleetcase.Served]
}

// lanes of the suite. TestMain fills them.
var lanes chan *lane

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	n := runtime.NumCPU() + 2 // controllers mostly wait
	if s := os.Getenv("BULKHEAD_E2E_LANES"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil || n < 1 {
			fmt.Fprintf(os.Stderr, "BULKHEAD_E2E_LANES=%q is no number of lanes\n", s)
			return 2
		}
	}
	lanes = make(chan *lane, n)
	opts := []lab.Option{lab.Progress(os.Stderr), lab.Clusters("hub")}
	if flag.Parse(); !given("test.parallel") {
		_ = flag.Set("test.parallel", strconv.Itoa(n+runtime.NumCPU())) // some render while others play
	}
	if !testing.Short() {
		opts = append(opts, lab.WithS3())
	}
	var servers []*lab.S3
	for i := range n {
		l, err := lab.New(context.Background(), opts...)
		if err != nil {
			fmt.Fprintf(os.Stderr, "start lane %d: %v\n", i, err)
			return 2
		}
		defer l.Close()
		one := &lane{Lab: l, hub: l.Cluster("hub")}
		for _, host := range []string{hostOf(fleetcase.ChartsURL), hostOf(fleetcase.RegistryURL)} {
			if err := l.Serve(context.Background(), host, one); err != nil {
				fmt.Fprintf(os.Stderr, "start lane %d: %v\n", i, err)
				return 2
			}
		}
		if l.S3 != nil {
			if err := l.Serve(context.Background(), fleetcase.BucketHost, l.S3); err != nil {
				fmt.Fprintf(os.Stderr, "start lane %d: %v\n", i, err)
				return 2
			}
			servers = append(servers, l.S3)
		}
		lanes <- one
	}
	logout, err := login(servers)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	defer logout()
	forget()
	code := m.Run()
	if code == 0 {
		if err := seen.close(); err != nil {
			fmt.Fprintln(os.Stderr, "FAIL:", err)
			return 1
		}
	}
	return code
}

// given says whether a flag is on the command line.
func given(name string) bool {
	found := false
	flag.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// take waits for a lane and returns it, empty, when t ends.
func take(t *testing.T) *lane {
	t.Helper()
	l := <-lanes
	t.Cleanup(func() {
		defer func() { lanes <- l }()
		if t.Failed() {
			t.Log(l.Report())
		}
		if err := l.reset(context.Background()); err != nil {
			t.Errorf("clean up after the story: %v", err)
		}
	})
	return l
}

// target is the i-th cluster that the hub may write to; it is started when it is wanted.
func (l *lane) target(ctx context.Context, i int) (*lab.Cluster, error) {
	for len(l.targets) <= i {
		c, err := l.AddBare(ctx, fmt.Sprintf("bare%d", len(l.targets)))
		if err != nil {
			return nil, err
		}
		l.targets = append(l.targets, c)
	}
	return l.targets[i], nil
}

// reset empties the clusters of the lane.
func (l *lane) reset(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, c := range append([]*lab.Cluster{l.hub}, l.targets...) {
		if err := c.Reset(ctx); err != nil {
			return err
		}
	}
	busy := false
	controllers := []string{lab.KustomizeController, lab.SourceController}
	if l.charts != nil {
		controllers = append(controllers, lab.HelmController)
	}
	for _, name := range controllers {
		idle, cancel := context.WithTimeout(ctx, 2*time.Second)
		err := l.hub.Idle(idle, name)
		cancel()
		if err != nil {
			if died := l.Err(); died != nil {
				return died
			}
			busy = true
		}
	}
	if busy || l.stale {
		l.stale = false
		l.noHelm()
		if err := l.hub.Run(ctx, lab.KustomizeController, l.flags...); err != nil {
			return err
		}
	}
	return l.hub.Reset(ctx)
}

// profile sees to it that kustomize-controller runs with the flags of a cluster.
func (l *lane) profile(ctx context.Context, p render.Profile) error {
	var flags []string
	if p.NoCrossNamespaceRefs {
		flags = append(flags, "--no-cross-namespace-refs=true")
	}
	if p.NoRemoteBases {
		flags = append(flags, "--no-remote-bases=true")
	}
	if p.DefaultServiceAccount != "" {
		flags = append(flags, "--default-service-account="+p.DefaultServiceAccount)
	}
	var gates []string
	for name, on := range p.Gates {
		gates = append(gates, fmt.Sprintf("%s=%t", name, on))
	}
	slices.Sort(gates)
	if len(gates) > 0 {
		flags = append(flags, "--feature-gates="+strings.Join(gates, ","))
	}
	if p.WatchLabelSelector != "" {
		flags = append(flags, "--watch-label-selector="+p.WatchLabelSelector)
	}
	if slices.Equal(flags, l.flags) {
		return nil
	}
	l.flags = flags
	return l.hub.Run(ctx, lab.KustomizeController, flags...)
}
