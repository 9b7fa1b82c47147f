package sandbox

import (
	"errors"
	"strings"
	"testing"
)

// TestNeeds: a worker is told what a job needs before it, once; the next worker again.
func TestNeeds(t *testing.T) {
	p := pool(t, Options{Workers: 1, Memory: 512 << 20})
	asked := 0
	need := Need{Key: "k", Job: "keep", Input: func() ([]byte, error) { asked++; return []byte("told"), nil }}
	run := func(want string, asks int) {
		t.Helper()
		if out, err := p.Run(t.Context(), "kept", nil, need); err != nil || string(out) != want || asked != asks {
			t.Errorf("%q, %v, asked %d times; want %q, %d", out, err, asked, want, asks)
		}
	}
	run("told", 1)
	run("told", 1)
	_, _ = p.Run(t.Context(), "exit", []byte{3})
	run("told", 2)
	bad := Need{Key: "b", Job: "fail", Input: func() ([]byte, error) { return []byte("no"), nil }}
	var failure *JobError
	if _, err := p.Run(t.Context(), "kept", nil, bad); !errors.As(err, &failure) || failure.Text != "no" {
		t.Errorf("a need that fails: %v", err)
	}
	bad.Input = func() ([]byte, error) { return nil, errors.New("none") }
	if _, err := p.Run(t.Context(), "kept", nil, bad); err == nil || err.Error() != "none" {
		t.Errorf("a need without input: %v", err)
	}
	need.Input = func() ([]byte, error) { return []byte(strings.Repeat("x", maxTold)), nil }
	need.Key = "large"
	first := pid(t, p)
	if _, err := p.Run(t.Context(), "echo", nil, need, need); err != nil {
		t.Error(err)
	}
	if _, err := p.Run(t.Context(), "echo", nil, Need{"more", "keep", func() ([]byte, error) { return []byte("x"), nil }}); err != nil {
		t.Error(err)
	}
	if got := pid(t, p); got == first {
		t.Error("a worker that has been told too much lives on")
	}
}

// TestOneWorker: jobs that are short take turns with one worker, those that are long do not.
func TestOneWorker(t *testing.T) {
	p := pool(t, Options{Workers: 2})
	p.init()
	p.mu.Lock()
	p.patience = 1 << 60
	p.mu.Unlock()
	done := make(chan string)
	for range 4 {
		go func() { done <- pid(t, p) }()
		go func() { done <- pid(t, p) }()
		p.mu.Lock()
		p.patience = 1 << 60
		p.mu.Unlock()
		if a, b := <-done, <-done; a != b {
			t.Errorf("workers %s and %s", a, b)
		}
	}
	_ = p.Close()
	if u := p.Usage(); u.Workers != 1 || u.CPU <= 0 {
		t.Errorf("%+v", u)
	}
}
