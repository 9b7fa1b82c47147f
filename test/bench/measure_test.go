package main

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain makes the test binary what measure starts: a measurer, or work for one.
func TestMain(m *testing.M) {
	const held = 64 << 20
	switch arg := os.Args[len(os.Args)-1]; arg {
	case measureArg:
		exit(measurer(os.Stdin, os.Stdout))
	case "spin": // take half a second of CPU time, and hold memory
		memory := make([]byte, held)
		for i := 0; i < held; i += 1024 {
			memory[i] = 1
		}
		for spent() < spinTime {
			memory[0]++
		}
		runtime.KeepAlive(memory)
	case "wait", "orphan": // leave that to a child, and wait for it or not
		cmd := exec.Command(os.Args[0], "spin")
		if err := cmd.Start(); err != nil {
			panic(err)
		}
		if arg == "wait" {
			_ = cmd.Wait()
		}
	case "environment":
		os.Stdout.WriteString(strings.Join(os.Environ(), "\n"))
	case "fail":
		os.Stderr.WriteString("no luck\n")
		os.Exit(7)
	default:
		os.Exit(m.Run())
	}
}

const spinTime = time.Second / 2

func spent() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// TestMeasureTree checks that nothing of a tree of processes is lost: the work of
// the process itself, of a child, and of a child that outlives its parent.
func TestMeasureTree(t *testing.T) {
	for _, work := range []string{"spin", "wait", "orphan"} {
		if work == "orphan" && runtime.GOOS != "linux" {
			continue
		}
		u, err := measure(t.Context(), spec{Commands: [][]string{{os.Args[0], work}}})
		if err != nil {
			t.Fatalf("%s: %v", work, err)
		}
		if u.CPU < spinTime.Seconds() {
			t.Errorf("%s: %.3f s of CPU time, at least %s were taken", work, u.CPU, spinTime)
		}
		if u.Peak < 64<<20 {
			t.Errorf("%s: a peak of %d bytes, at least 64 MiB were held", work, u.Peak)
		}
		if work == "wait" && runtime.GOOS == "linux" && u.Children < 64<<20 {
			t.Errorf("%s: children held %d bytes, one held 64 MiB", work, u.Children)
		}
	}
}

// TestMeasureMemory checks that what the measuring program holds is no memory of
// what it measures.
func TestMeasureMemory(t *testing.T) {
	ballast := make([]byte, 256<<20)
	for i := 0; i < len(ballast); i += 1024 {
		ballast[i] = 1
	}
	u, err := measure(t.Context(), spec{Commands: [][]string{{"true"}}})
	if err != nil {
		t.Fatal(err)
	}
	if u.Peak >= int64(len(ballast)) {
		t.Errorf("true takes %d bytes", u.Peak)
	}
	runtime.KeepAlive(ballast)
}

func TestMeasureCommands(t *testing.T) {
	t.Setenv("GOGC", "400")
	t.Setenv("GOMEMLIMIT", "3GiB")
	t.Setenv("BULKHEAD_CACHE", "/somewhere")
	u, err := measure(t.Context(), spec{Env: []string{"ADDED=1"}, Commands: [][]string{{os.Args[0], "environment"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, unwanted := range []string{"GOGC=", "GOMEMLIMIT=", "BULKHEAD_CACHE="} {
		if strings.Contains(u.Head, unwanted) {
			t.Errorf("%s is handed on", unwanted)
		}
	}
	if !strings.Contains(u.Head+u.Tail, "ADDED=1") {
		t.Error("what is added is not there")
	}
	u, err = measure(t.Context(), spec{Dir: t.TempDir(), Commands: [][]string{{os.Args[0], "fail"}, {"touch", "after"}}})
	if err != nil {
		t.Fatal(err)
	}
	if u.Code != 7 || u.Stderr != "no luck\n" {
		t.Errorf("code %d, %q", u.Code, u.Stderr)
	}
	if _, err := measure(t.Context(), spec{Commands: [][]string{{"/nowhere/to/be/found"}}}); err == nil {
		t.Error("a program that is not there: no error")
	}
}

func TestEnds(t *testing.T) {
	e := &ends{limit: 4}
	for _, s := range []string{"ab", "", "cdefgh", "i"} {
		if n, err := e.Write([]byte(s)); n != len(s) || err != nil {
			t.Errorf("%q: %d, %v", s, n, err)
		}
	}
	if string(e.head) != "abcd" || string(e.tail) != "fghi" {
		t.Errorf("head %q, tail %q", e.head, e.tail)
	}
}
