package sandbox

import (
	"context"
	"slices"
	"time"
)

const (
	// startsWaited is for how many starts' time jobs wait before the next start.
	startsWaited = 3
	// firstPatience is the patience until a start has been measured.
	firstPatience = 150 * time.Millisecond
	// maxTold is how many bytes a worker is told before another takes its place.
	maxTold = 64 << 20
)

// take is the worker that became idle last. When all are busy it waits for one, as
// long as patience lasts. Without an error, nil says that one is to be started.
func (p *Pool) take(ctx context.Context) (*process, error) {
	p.mu.Lock()
	if last := len(p.idle) - 1; last >= 0 {
		w := p.idle[last]
		p.idle = p.idle[:last]
		p.mu.Unlock()
		return w, nil
	}
	left := p.patience - p.waited
	if len(p.all)+p.starting == 0 || left <= 0 {
		p.mu.Unlock()
		return nil, nil
	}
	turn := make(chan *process, 1)
	p.turns = append(p.turns, turn)
	p.mu.Unlock()

	begin := time.Now()
	timer := time.NewTimer(left)
	defer timer.Stop()
	var w *process
	select {
	case w = <-turn:
	case <-timer.C:
	case <-ctx.Done():
	case <-p.closed:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waited += time.Since(begin)
	if i := slices.Index(p.turns, turn); i >= 0 {
		p.turns = slices.Delete(p.turns, i, i+1)
	} else if w == nil {
		select {
		case w = <-turn: // it came just now
		default: // it is to be started, see wake
		}
	}
	if err := ctx.Err(); err != nil {
		if w != nil {
			p.pass(w)
		}
		return nil, err
	}
	return w, nil
}

// pass gives w to who waits longest, or nil to let a worker be started. Call it locked.
func (p *Pool) pass(w *process) {
	if len(p.turns) > 0 {
		p.turns[0] <- w
		p.turns = p.turns[1:]
	} else if w != nil {
		p.idle = append(p.idle, w)
	}
}

// begin counts workers that are being started.
func (p *Pool) begin(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.starting += n; n < 0 && len(p.all)+p.starting == 0 {
		p.pass(nil) // it came to nothing
	}
}

func (p *Pool) release(w *process) {
	p.mu.Lock()
	keep := w.alive() && !p.shut && w.told <= maxTold
	if keep {
		p.pass(w)
	}
	p.mu.Unlock()
	if !keep {
		p.discard(w)
	}
}

func (p *Pool) discard(w *process) {
	w.bury(byPool)
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.all[w]; ok {
		delete(p.all, w)
		p.usage.add(w)
		p.pass(nil)
	}
}
