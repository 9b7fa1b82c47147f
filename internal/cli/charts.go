package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"

	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/render/release"
)

// chartJob is the name of the job that renders a chart.
const chartJob = "chart"

// Jobs are what a worker process does, for [sandbox.Main].
func Jobs() map[string]sandbox.Job {
	r := &release.Renderer{}
	return map[string]sandbox.Job{chartJob: func(ctx context.Context, in []byte) ([]byte, error) {
		log.SetOutput(io.Discard) // Helm's warnings quote values
		slog.SetDefault(slog.New(slog.DiscardHandler))
		var input release.Input
		if err := json.Unmarshal(in, &input); err != nil {
			return nil, fmt.Errorf("read input: %w", err)
		}
		var a chartAnswer
		out, err := r.Render(ctx, input)
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
	data, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("write input: %w", err)
	}
	data, err = c.pool.Run(ctx, chartJob, data)
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

func (c *charts) close() { _ = c.pool.Close() }
