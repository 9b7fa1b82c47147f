package sandbox

import "time"

// Usage is what workers took that have ended.
type Usage struct {
	Workers int
	CPU     time.Duration // of all of them
	Peak    int64         // bytes of memory that the largest had; 0 where the system does not tell
}

// Usage is complete after [Pool.Close].
func (p *Pool) Usage() Usage {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.usage
}

// add counts a worker that has ended.
func (u *Usage) add(w *process) {
	u.Workers++
	u.Peak = max(u.Peak, w.peak.Load())
	if state := w.cmd.ProcessState; state != nil {
		u.CPU += state.UserTime() + state.SystemTime()
	}
}

func (p *Pool) account(w *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.usage.add(w)
}
