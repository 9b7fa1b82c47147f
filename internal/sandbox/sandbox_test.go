package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	Main(testJobs())
	if os.Getenv(parentMarker) != "" {
		parent()
	}
	os.Exit(m.Run())
}

// parentMarker makes the test binary a parent of workers.
const parentMarker = "SANDBOX_TEST_PARENT"

var sink any // keeps what jobs make

func testJobs() map[string]Job {
	pure := func(f func(in []byte) ([]byte, error)) Job {
		return func(_ context.Context, in []byte) ([]byte, error) { return f(in) }
	}
	return map[string]Job{
		"echo": pure(func(in []byte) ([]byte, error) { return in, nil }),
		"pid":  pure(func([]byte) ([]byte, error) { return fmt.Append(nil, os.Getpid()), nil }),
		"keep": pure(func(in []byte) ([]byte, error) { sink = in; return nil, nil }),
		"kept": pure(func([]byte) ([]byte, error) { b, _ := sink.([]byte); return b, nil }),
		"fail": pure(func(in []byte) ([]byte, error) { return nil, errors.New(string(in)) }),
		"loop": pure(func([]byte) ([]byte, error) {
			for i := 0; ; i++ {
				sinkInt = i
			}
		}),
		"sleep": pure(func(in []byte) ([]byte, error) { time.Sleep(time.Minute); return in, nil }),
		"huge": pure(func([]byte) ([]byte, error) {
			size := int64(10) << 30
			b := make([]byte, size)
			b[len(b)-1] = 1
			return b[:1], nil
		}),
		"grow": pure(func([]byte) ([]byte, error) {
			var kept [][]byte
			for {
				kept = append(kept, bytes.Repeat([]byte{1}, 1<<16))
				sink = kept
			}
		}),
		"some":    pure(func([]byte) ([]byte, error) { b := bytes.Repeat([]byte{1}, 40<<20); return b[:1], nil }),
		"leak":    pure(func([]byte) ([]byte, error) { sink = bytes.Repeat([]byte{1}, 100<<20); return nil, nil }),
		"recurse": pure(func([]byte) ([]byte, error) { return fmt.Append(nil, recurse(1)), nil }),
		"exit":    pure(func(in []byte) ([]byte, error) { os.Exit(int(in[0])); return nil, nil }),
		"panic":   pure(func(in []byte) ([]byte, error) { panic(string(in)) }),
		"print": pure(func(in []byte) ([]byte, error) {
			fmt.Println("R garbage")
			for range 1000 {
				_, _ = rawStdout(bytes.Repeat([]byte("R\x00\x00\x00\x00\x00\x01"), 100))
			}
			return in, nil
		}),
		"output": pure(func(in []byte) ([]byte, error) { return make([]byte, 1<<20+1), nil }),
		"env":    pure(func([]byte) ([]byte, error) { return []byte(strings.Join(os.Environ(), "\n")), nil }),
		"where":  pure(func([]byte) ([]byte, error) { d, err := os.Getwd(); return []byte(d), err }),
		"forbidden": pure(func(in []byte) ([]byte, error) {
			return []byte(strings.Join(forbidden(string(in)), "\n")), nil
		}),
		"read": pure(func(in []byte) ([]byte, error) { return os.ReadFile(string(in)) }),
		"zone": pure(func(in []byte) ([]byte, error) { _, err := time.LoadLocation(string(in)); return nil, err }),
		"nested": pure(func(in []byte) ([]byte, error) {
			_ = os.Setenv(marker, "1,1") // as it was
			p := New(Options{})
			defer p.Close()
			return p.Run(context.Background(), "echo", in)
		}),
	}
}

var sinkInt int

func recurse(n int) int {
	if n == 0 {
		return 0
	}
	return 1 + recurse(n+1)
}

// limits are such that a test takes a second or so.
func pool(tb testing.TB, o Options) *Pool {
	tb.Helper()
	if o.Memory == 0 {
		o.Memory = 128 << 20
	}
	p := New(o)
	tb.Cleanup(func() {
		if err := p.Close(); err != nil {
			tb.Error(err)
		}
	})
	return p
}

func TestRun(t *testing.T) {
	p := pool(t, Options{Workers: 1})
	for _, in := range [][]byte{nil, []byte("a"), bytes.Repeat([]byte("0123456789abcdef"), 1<<18)} {
		out, err := p.Run(t.Context(), "echo", in)
		if err != nil || !bytes.Equal(out, in) {
			t.Fatalf("echo of %d bytes: %d bytes, %v", len(in), len(out), err)
		}
	}
	var failure *JobError
	if _, err := p.Run(t.Context(), "fail", []byte("no such chart")); !errors.As(err, &failure) || failure.Text != "no such chart" {
		t.Errorf("got %v, want the job's own error", err)
	}
	if _, err := p.Run(t.Context(), "fail", bytes.Repeat([]byte("x"), 1<<20)); !errors.As(err, &failure) || len(failure.Text) != maxErrorText {
		t.Errorf("an error text is not bounded: %d bytes", len(failure.Text))
	}
	if _, err := p.Run(t.Context(), "unknown", nil); err == nil || errors.As(err, &failure) {
		t.Errorf("a job that is not there: %v", err)
	}
}

// TestZeroPool: also without New.
func TestZeroPool(t *testing.T) {
	var p Pool
	defer p.Close()
	if out, err := p.Run(t.Context(), "echo", []byte("a")); err != nil || string(out) != "a" {
		t.Fatal(out, err)
	}
}

func TestLimits(t *testing.T) {
	cases := map[string]struct {
		job  string
		in   string
		what string // of the LimitError; "": a CrashError
		tell string // in the error's text
	}{
		"a loop":              {job: "loop", what: "time"},
		"a sleep":             {job: "sleep", what: "time"},
		"10 GB at once":       {job: "huge", what: "memory"},
		"more and more":       {job: "grow", what: "memory"},
		"a result too long":   {job: "output", what: "output"},
		"recursion":           {job: "recurse", tell: "stack overflow"},
		"exit":                {job: "exit", in: "\x03", tell: "exit status 3"},
		"exit without error":  {job: "exit", in: "\x00", tell: "exit status 0"},
		"panic":               {job: "panic", in: "secret", tell: "exit status 2: panic"},
		"panic to look fatal": {job: "panic", in: "\nfatal error: secret", tell: "panic"},
	}
	patient := pool(t, Options{Workers: 1, Time: 2 * time.Minute, Output: 1 << 20})
	hasty := pool(t, Options{Workers: 1, Time: 300 * time.Millisecond})
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p := patient
			if c.what == "time" {
				p = hasty
			}
			begin := time.Now()
			_, err := p.Run(t.Context(), c.job, []byte(c.in))
			if took := time.Since(begin); took > 5*time.Minute {
				t.Errorf("took %v", took)
			}
			var limit *LimitError
			var crash *CrashError
			switch {
			case c.what != "":
				if !errors.As(err, &limit) || limit.What != c.what {
					t.Errorf("got %v, want the limit of %s", err, c.what)
				}
			case !errors.As(err, &crash) || !strings.Contains(err.Error(), c.tell):
				t.Errorf("got %v, want a crash with %q", err, c.tell)
			case strings.Contains(err.Error(), "secret"):
				t.Errorf("the error tells what the job said: %v", err)
			case len(crash.Tail) > 2*tailLength+8:
				t.Errorf("the tail has %d bytes", len(crash.Tail))
			}
			if out, err := patient.Run(t.Context(), "echo", []byte("next")); err != nil || string(out) != "next" {
				t.Errorf("the next job: %q, %v", out, err)
			}
		})
	}
}

// TestGarbage: what a job prints is not taken for an answer.
func TestGarbage(t *testing.T) {
	p := pool(t, Options{Workers: 1})
	for range 3 {
		if out, err := p.Run(t.Context(), "print", []byte("answer")); err != nil || string(out) != "answer" {
			t.Fatalf("got %q, %v", out, err)
		}
	}
}

func pid(tb testing.TB, p *Pool) string {
	tb.Helper()
	out, err := p.Run(context.Background(), "pid", nil)
	if err != nil {
		tb.Fatal(err)
	}
	return string(out)
}

// TestReuse: a worker lives on, also after errors of a job, and ends after those
// of its own.
func TestReuse(t *testing.T) {
	p := pool(t, Options{Workers: 1, Time: time.Second, Output: 1 << 20})
	first := pid(t, p)
	_, _ = p.Run(t.Context(), "fail", nil)
	_, _ = p.Run(t.Context(), "output", nil)
	_, _ = p.Run(t.Context(), "unknown", nil)
	_, _ = p.Run(t.Context(), "some", nil)
	if got := pid(t, p); got != first {
		t.Errorf("the worker changed from %s to %s", first, got)
	}
	_, _ = p.Run(t.Context(), "loop", nil)
	if got := pid(t, p); got == first {
		t.Error("a worker that overran its time is used again")
	}
}

// TestLeak: memory that one job leaves behind is not missing to the next.
func TestLeak(t *testing.T) {
	p := pool(t, Options{Workers: 1, Memory: 180 << 20})
	first := pid(t, p)
	if _, err := p.Run(t.Context(), "leak", nil); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if _, err := p.Run(t.Context(), "some", nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := pid(t, p); got == first {
		t.Error("the worker kept what the job left behind")
	}
}

func TestParallel(t *testing.T) {
	p := pool(t, Options{Workers: 2})
	var group sync.WaitGroup
	var mu sync.Mutex
	pids := map[string]bool{}
	for i := range 200 {
		group.Go(func() {
			in := fmt.Appendf(nil, "%d", i)
			if out, err := p.Run(t.Context(), "echo", in); err != nil || !bytes.Equal(out, in) {
				t.Errorf("job %d: %q, %v", i, out, err)
			}
			id, err := p.Run(t.Context(), "pid", nil)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			pids[string(id)] = true
		})
	}
	group.Wait()
	if len(pids) > 2 {
		t.Errorf("%d workers, 2 are allowed", len(pids))
	}
}

func TestCancel(t *testing.T) {
	p := pool(t, Options{Workers: 1})
	first := pid(t, p)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if _, err := p.Run(ctx, "loop", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(begin); took > 5*time.Minute {
		t.Errorf("took %v", took)
	}
	if _, err := p.Run(ctx, "echo", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with an ended context: %v", err)
	}
	if got := pid(t, p); got == first {
		t.Error("the worker that was interrupted is used again")
	}
}

// TestCancelWaiting: also who waits for a worker can give up.
func TestCancelWaiting(t *testing.T) {
	p := pool(t, Options{Workers: 1})
	ctx, cancel := context.WithCancel(t.Context())
	busy := make(chan struct{})
	go func() {
		defer close(busy)
		_, _ = p.Run(ctx, "loop", nil)
	}()
	for len(p.slotsForTest()) == 0 {
		time.Sleep(time.Millisecond)
	}
	short, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if _, err := p.Run(short, "echo", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	cancel()
	<-busy
}

func (p *Pool) slotsForTest() chan struct{} {
	p.init()
	return p.slots
}

func TestClose(t *testing.T) {
	before := runtime.NumGoroutine()
	p := New(Options{Workers: 4})
	var group sync.WaitGroup
	for range 12 {
		group.Go(func() {
			if _, err := p.Run(t.Context(), "loop", nil); !errors.Is(err, ErrClosed) {
				t.Errorf("got %v", err)
			}
		})
	}
	time.Sleep(200 * time.Millisecond) // some run, some start, some wait: any of it is right
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	group.Wait()
	if _, err := p.Run(t.Context(), "echo", nil); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

// TestDiedIdle: a worker that died between two jobs costs neither of them.
func TestDiedIdle(t *testing.T) {
	p := pool(t, Options{Workers: 1})
	for range 5 {
		p.mu.Lock()
		for w := range p.all {
			_ = w.cmd.Process.Kill()
		}
		p.mu.Unlock()
		if out, err := p.Run(t.Context(), "echo", []byte("a")); err != nil || string(out) != "a" {
			t.Fatalf("got %q, %v", out, err)
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("HOME", t.TempDir())
	p := pool(t, Options{Workers: 1})
	out, err := p.Run(t.Context(), "env", nil)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(out), "\n") {
		name, _, _ := strings.Cut(line, "=")
		if name != "GOMAXPROCS" && name != "GOGC" && name != "GOTRACEBACK" && name != "SYSTEMROOT" {
			t.Errorf("a worker has %s", name)
		}
	}
	if out, err := p.Run(t.Context(), "where", nil); err != nil || string(out) != filepath.VolumeName(string(out))+string(filepath.Separator) {
		t.Errorf("a worker is in %s, %v", out, err)
	}
}

// TestNested: a worker starts no workers, whatever its job tries.
func TestNested(t *testing.T) {
	p := pool(t, Options{Workers: 1})
	var failure *JobError
	if _, err := p.Run(t.Context(), "nested", nil); !errors.As(err, &failure) {
		t.Errorf("got %v", err)
	}
}

// TestExecutable: something else than a worker is found out, and is not waited for.
func TestExecutable(t *testing.T) {
	echo := "/bin/echo"
	if _, err := os.Stat(echo); err != nil {
		t.Skip(err)
	}
	for name, path := range map[string]string{"another program": echo, "nothing": filepath.Join(t.TempDir(), "gone")} {
		t.Run(name, func(t *testing.T) {
			p := pool(t, Options{Workers: 1, Executable: path})
			if _, err := p.Run(t.Context(), "echo", nil); err == nil || !strings.Contains(err.Error(), "start worker") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestTooLittleMemory: a worker that cannot even begin says so.
func TestTooLittleMemory(t *testing.T) {
	p := pool(t, Options{Workers: 1, Memory: 1 << 20})
	var limit *LimitError
	if _, err := p.Run(t.Context(), "sleep", nil); !errors.As(err, &limit) || limit.What != "memory" {
		t.Errorf("got %v", err)
	}
}

// TestFatal: a panic cannot pass for something else.
func TestFatal(t *testing.T) {
	for text, want := range map[string]string{
		"":        "",
		"hello\n": "",
		"panic: a\n\tfatal error: out of memory\n":                             "panic",
		"panic:\n\tfatal error: out of memory\n":                               "panic",
		"runtime: goroutine stack exceeds 1\nfatal error: stack overflow\nx\n": "stack overflow",
		"fatal error: runtime: out of memory\n":                                "out of memory",
		"fatal error: runtime: cannot allocate memory\n":                       "cannot allocate memory",
		"fatal error: concurrent map writes\n":                                 "concurrent map",
		"fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1\n":  "all goroutines are asleep - deadlock",
		"fatal error: something new\n":                                         "fatal error",
	} {
		if got := fatal(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestTail(t *testing.T) {
	var short, long tail
	for range 3000 {
		_, _ = short.Write([]byte("a"))
		_, _ = long.Write([]byte("0123456789"))
	}
	if got := short.String(); got != strings.Repeat("a", 3000) {
		t.Errorf("%d bytes are kept of 3000", len(got))
	}
	want := strings.Repeat("0123456789", 3000)
	begin, end, ok := strings.Cut(long.String(), "\n...\n")
	if !ok || begin != want[:tailLength] || end != want[len(want)-tailLength:] {
		t.Errorf("begin of %d, end of %d bytes", len(begin), len(end))
	}
}

// FuzzFrame: whatever a worker that was taken over says, reading it ends, takes
// no more than the limit and does not panic.
func FuzzFrame(f *testing.F) {
	var b bytes.Buffer
	_ = writeFrame(&b, frame{kind: kindRequest, name: "job", payload: []byte("payload")})
	f.Add(b.Bytes())
	f.Add([]byte("R\x00\x00\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := readFrame(bufio.NewReader(bytes.NewReader(in)), 1<<10)
		if err != nil {
			return
		}
		if len(got.payload) > 1<<10 {
			t.Fatalf("%d bytes", len(got.payload))
		}
		var again bytes.Buffer
		if err := writeFrame(&again, got); err != nil || !bytes.HasPrefix(in, again.Bytes()) {
			t.Errorf("written again it differs: %v", err)
		}
	})
}

func TestSpec(t *testing.T) {
	for _, spec := range []string{"", "1", "1,", "a,b", "0,1", "1,0", "-1,1"} {
		if _, _, err := parseSpec(spec); err == nil {
			t.Errorf("%q is accepted", spec)
		}
	}
}
