package cli

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/bulkhead-dev/bulkhead/internal/git"
	"github.com/bulkhead-dev/bulkhead/internal/memory"
	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/report/term"
)

// The environment variables in place of --parallel and --memory.
const (
	parallelVariable = "BULKHEAD_PARALLEL"
	memoryVariable   = "BULKHEAD_MEMORY"
)

// checkResources completes --parallel and --memory by the environment, and reads them.
func (o *fleetOptions) checkResources() error {
	name := "--parallel"
	if text := os.Getenv(parallelVariable); o.parallel == 0 && text != "" {
		var err error
		if o.parallel, err = strconv.Atoi(text); err != nil {
			return usage(parallelVariable+" is "+term.Quote(text)+", which is no number", "for instance "+parallelVariable+"=4")
		}
		name = parallelVariable
	}
	if o.parallel < 0 {
		return usage(name+" is negative", "leave it out for one build per processor")
	}
	name = "--memory"
	if o.memory == "" {
		o.memory, name = os.Getenv(memoryVariable), memoryVariable
	}
	if o.memory == "" {
		return nil
	}
	if _, err := parseSize(o.memory); err != nil {
		return usage(name+" "+term.Quote(o.memory)+" is no size", "for instance --memory 512MiB, or "+memoryVariable+"=2Gi")
	}
	return nil
}

// parseSize reads a size in bytes, above 0, as Kubernetes writes it, 2Gi, or as Go does, 2GiB.
func parseSize(text string) (int64, error) {
	q, err := resource.ParseQuantity(strings.TrimSuffix(text, "B"))
	if err != nil {
		return 0, fmt.Errorf("read size %q: %w", text, err)
	}
	n, ok := q.AsInt64()
	if !ok || n <= 0 {
		return 0, fmt.Errorf("read size %q: it is no number of bytes", text)
	}
	return n, nil
}

// limitMemory bounds this process softly: by --memory, else by GOMEMLIMIT, which Go reads itself, else by the
// memory of the container. Of the latter a quarter is left to the workers of charts.
func (o *fleetOptions) limitMemory() {
	switch {
	case o.memory != "":
		if n, err := parseSize(o.memory); err == nil {
			memory.Limit(n)
		}
	case os.Getenv("GOMEMLIMIT") != "":
	default:
		if n, err := memlimit.FromCgroup(); err == nil && n < 1<<50 {
			memory.Limit(int64(n / 4 * 3))
		}
	}
}

// tellResources tells what the run took, when its charts are done.
func (f *fleet) tellResources() {
	f.charts.close()
	own, workers := memory.Used(), f.charts.pool.Usage()
	peak := "unknown"
	if own.Peak > 0 {
		peak = size(own.Peak)
	}
	text := fmt.Sprintf("%s of processor time, %s of memory at most, %s read of repositories", seconds(own.CPU), peak, size(git.BytesRead()))
	if workers.Workers > 0 {
		text += fmt.Sprintf("; %s for charts: %s", phrase.Count(workers.Workers, "worker"), seconds(workers.CPU))
		if workers.Peak > 0 {
			text += ", " + size(workers.Peak) + " at most"
		}
	}
	_, _ = fmt.Fprintf(f.s.err, "bulkhead: stats: %s\n", text)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
