package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"

	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/render/release"
)

// The jobs of a worker. What many releases share is told before, once for each worker.
const (
	chartJob = "chart"       // renders a release
	filesJob = "chart-files" // keeps the files of a chart
	apisJob  = "chart-apis"  // keeps what a cluster serves
)

// told is what a worker keeps of a chart or a cluster.
type told struct {
	Key   string         `json:"key"`
	Files []release.File `json:"files,omitempty"`
	APIs  []string       `json:"apis,omitempty"`
}

// chartQuestion is a release to render, with names in place of what the worker keeps.
type chartQuestion struct {
	release.Input
	Chart string `json:"chart"`
	APIs  string `json:"apis,omitempty"` // "" for none
}

// Jobs are what a worker process does, for [sandbox.Main].
func Jobs() map[string]sandbox.Job {
	r, kept := &release.Renderer{}, map[string]told{}
	keep := func(_ context.Context, in []byte) ([]byte, error) {
		var t told
		if err := json.Unmarshal(in, &t); err != nil {
			return nil, fmt.Errorf("read input: %w", err)
		}
		kept[t.Key] = t
		return nil, nil
	}
	return map[string]sandbox.Job{filesJob: keep, apisJob: keep, chartJob: func(ctx context.Context, in []byte) ([]byte, error) {
		log.SetOutput(io.Discard) // Helm's warnings quote values
		slog.SetDefault(slog.New(slog.DiscardHandler))
		var q chartQuestion
		if err := json.Unmarshal(in, &q); err != nil {
			return nil, fmt.Errorf("read input: %w", err)
		}
		q.Files, q.APIVersions = kept[q.Chart].Files, kept[q.APIs].APIs
		var a chartAnswer
		out, err := r.Render(ctx, q.Input)
		if a.Output = out; err != nil && !errors.As(err, &a.Error) {
			return nil, err
		}
		return json.Marshal(a)
	}}
}

// chartAnswer is what a worker answers: one of the two.
type chartAnswer struct {
	Output *release.Output `json:"output,omitempty"`
	Error  *release.Error  `json:"error,omitempty"`
}

// charts renders charts in worker processes: a chart is a program, and the one that
// does not end is stopped from outside.
type charts struct{ pool *sandbox.Pool }

func newCharts(parallel int) *charts {
	return &charts{sandbox.New(sandbox.Options{Workers: parallel})}
}

func (c *charts) render(ctx context.Context, in release.Input) (*release.Output, error) {
	q, needs := ask(in)
	data, err := json.Marshal(q)
	if err != nil {
		return nil, fmt.Errorf("write input: %w", err)
	}
	data, err = c.pool.Run(ctx, chartJob, data, needs...)
	var limit *sandbox.LimitError
	switch {
	case errors.As(err, &limit):
		return nil, &release.Error{Stage: release.StageLimit, Message: "the chart needs too much: " + limit.Error()}
	case err != nil:
		return nil, fmt.Errorf("render chart: %w", err)
	}
	var a chartAnswer
	if err := json.Unmarshal(data, &a); err != nil {
		return nil, fmt.Errorf("read output: %w", err)
	}
	if a.Error != nil {
		return nil, a.Error
	}
	return a.Output, nil
}

// ask parts an input into what is of this release only, and what its worker may know.
func ask(in release.Input) (chartQuestion, []sandbox.Need) {
	files, apis := in.Files, in.APIVersions
	q := chartQuestion{Input: in, Chart: "files " + release.Digest(files)}
	q.Files, q.APIVersions = nil, nil
	needs := []sandbox.Need{{Key: q.Chart, Job: filesJob, Input: func() ([]byte, error) { return json.Marshal(told{Key: q.Chart, Files: files}) }}}
	if len(apis) > 0 {
		q.APIs = "apis " + digest(apis)
		needs = append(needs, sandbox.Need{Key: q.APIs, Job: apisJob, Input: func() ([]byte, error) { return json.Marshal(told{Key: q.APIs, APIs: apis}) }})
	}
	return q, needs
}

func digest(list []string) string {
	h := sha256.New()
	for _, s := range list {
		_, _ = io.WriteString(h, s)
		_, _ = h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (c *charts) close() { _ = c.pool.Close() }
