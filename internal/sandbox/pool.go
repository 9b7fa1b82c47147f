package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
)

// Pool runs jobs in worker processes. The zero value has the default [Options].
// It is safe for concurrent use. [Pool.Close] ends its workers.
type Pool struct {
	options Options

	once     sync.Once
	slots    chan struct{}       // one token for each running job
	starts   chan chan<- started // asks the starter for a worker
	closed   chan struct{}       // closed when no more work is taken
	gone     chan struct{}       // closed when the starter is to end
	starters sync.WaitGroup

	mu       sync.Mutex
	shut     bool // closed is closed
	idle     []*process
	all      map[*process]struct{}
	starting int             // workers that are not in all yet
	turns    []chan *process // of those who wait for a worker, the first one first
	patience time.Duration   // how long jobs wait, all together, before a further worker is started for them
	waited   time.Duration   // how long they have
	usage    Usage
}

// Need is what a worker has to be told before it can do a job: another job, whose
// result is dropped. Each worker is told once, and forgets nothing while it lives.
type Need struct {
	Key   string                 // names the input: equal keys stand for equal inputs
	Job   string                 // that takes the input
	Input func() ([]byte, error) // called when a worker is to be told
}

type started struct {
	worker *process
	err    error
}

// New makes a pool. It starts no worker yet.
func New(options Options) *Pool { return &Pool{options: options} }

func (p *Pool) init() {
	p.once.Do(func() {
		p.options = p.options.orDefault()
		p.slots = make(chan struct{}, p.options.Workers)
		p.starts = make(chan chan<- started)
		p.closed = make(chan struct{})
		p.gone = make(chan struct{})
		p.all = map[*process]struct{}{}
		p.patience = firstPatience
		p.starters.Go(p.starter)
	})
}

// Run gives the job of this name the input and returns its result. It waits while
// all workers are busy; the time limit begins when a worker has been found. The job
// itself runs once at most. Its worker has been told the needs; each has the time limit
// for itself.
//
// A worker costs more to start than a short job takes, so a job first waits for one
// that is busy. When jobs have waited longer than some starts take, all together, each
// gets a worker of its own, up to [Options.Workers].
//
// The error is a [*LimitError], a [*CrashError], a [*JobError], [ErrClosed] or the
// error of ctx. Any other says that no worker could be started or that there is no
// such job.
func (p *Pool) Run(ctx context.Context, job string, in []byte, needs ...Need) ([]byte, error) {
	if _, ok := os.LookupEnv(marker); ok {
		return nil, errors.New("start worker: this process is a worker itself")
	}
	if len(in) > maxFrame {
		return nil, fmt.Errorf("run %s: %w", job, errFrameLength)
	}
	p.init()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.closed:
		return nil, ErrClosed
	}
	defer func() { <-p.slots }()
	for attempt := 1; ; attempt++ {
		w, err := p.worker(ctx, attempt > 1)
		taken := false
		if err == nil {
			var answer frame
			if err = w.tell(ctx, needs, p.options); err == nil {
				answer, taken, err = w.do(ctx, frame{kind: kindRequest, name: job, payload: in}, p.options)
			}
			if err == nil {
				p.release(w)
				return result(answer, job)
			}
			p.discard(w)
		}
		var crash *CrashError
		if taken || attempt == attempts || !errors.As(err, &crash) {
			return nil, err
		}
	}
}

// result is what the answer of a worker means.
func result(f frame, job string) ([]byte, error) {
	switch f.kind {
	case kindResult:
		return f.payload, nil
	case kindError:
		return nil, &JobError{Text: string(f.payload)}
	case kindTooLong:
		return nil, &LimitError{What: "output"}
	default:
		return nil, fmt.Errorf("run %s: the workers know no such job", job)
	}
}

// worker is an idle worker, or a new one that has said hello.
func (p *Pool) worker(ctx context.Context, fresh bool) (*process, error) {
	for !fresh {
		w, err := p.take(ctx)
		if err != nil {
			return nil, err
		}
		if w == nil {
			break
		}
		if w.alive() {
			return w, nil
		}
		p.discard(w)
	}
	begin := time.Now()
	p.begin(1)
	defer p.begin(-1)
	reply := make(chan started, 1)
	select {
	case p.starts <- reply:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.closed:
		return nil, ErrClosed
	}
	s := <-reply
	if s.err != nil {
		return nil, s.err
	}
	if err := s.worker.hello(ctx); err != nil {
		p.discard(s.worker)
		return nil, fmt.Errorf("start worker: %w", err)
	}
	p.mu.Lock()
	p.patience = startsWaited * time.Since(begin)
	p.mu.Unlock()
	return s.worker, nil
}

// starter starts the workers, all from one thread that it keeps: on Linux a child
// is killed with the thread that started it, and Go ends threads as it likes.
func (p *Pool) starter() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for {
		select {
		case reply := <-p.starts:
			w, err := launch(p.options)
			if err == nil && !p.register(w) {
				w.bury(byClose)
				err = ErrClosed
			}
			reply <- started{w, err}
		case <-p.gone:
			return
		}
	}
}

func (p *Pool) register(w *process) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.shut {
		p.all[w] = struct{}{}
	}
	return !p.shut
}

// Close kills the workers and waits until they have ended. Jobs that run give
// [ErrClosed], as does every later Run. The error is always nil.
func (p *Pool) Close() error {
	p.init()
	p.mu.Lock()
	if p.shut {
		p.mu.Unlock()
		p.starters.Wait()
		return nil
	}
	p.shut = true
	close(p.closed)
	all := p.all
	p.all, p.idle = map[*process]struct{}{}, nil
	for w := range all {
		w.kill(byClose)
	}
	p.mu.Unlock()
	for w := range all {
		w.bury(byClose)
		p.account(w)
	}
	close(p.gone)
	p.starters.Wait()
	return nil
}
