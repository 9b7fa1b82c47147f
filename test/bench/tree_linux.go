package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// adopt makes us the parent of descendants whose own parent ends before them, so
// that their CPU time is counted too.
func adopt() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// mortal makes a child die with the thread that starts it.
func mortal() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// reap waits for adopted descendants.
func reap() error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		switch pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); {
		case errors.Is(err, syscall.ECHILD):
			return nil
		case err != nil && !errors.Is(err, syscall.EINTR):
			return err
		case pid == 0 && time.Now().After(deadline):
			return errors.New("a process that it started does not end: its CPU time cannot be known")
		case pid == 0:
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// sample looks at the descendants of a process until the function it returns is
// called, which gives the most memory they held together, in bytes. A process that
// lives for less than the pause is missed.
func sample(pid int) func() int64 {
	const pause = 20 * time.Millisecond
	end, most := make(chan struct{}), make(chan int64)
	go func() {
		var peak int64
		for {
			select {
			case <-end:
				most <- peak
				return
			case <-time.After(pause):
				var sum int64
				own := command(pid)
				for _, child := range children(pid) {
					// Until it has become another program a child shows its parent's memory.
					if command(child) != own {
						sum += resident(child)
					}
				}
				peak = max(peak, sum)
			}
		}
	}()
	return func() int64 { close(end); return <-most }
}

// children are the descendants of a process; none when it has ended.
//
// Source: proc(5), /proc/pid/task/tid/children.
func children(pid int) []int {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil
	}
	var out []int
	for _, task := range tasks {
		list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		if err != nil {
			continue
		}
		for field := range strings.FieldsSeq(string(list)) {
			if child, err := strconv.Atoi(field); err == nil {
				out = append(append(out, child), children(child)...)
			}
		}
	}
	return out
}

// command is the command line of a process; "" when it has ended.
func command(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	return string(data)
}

// resident is the memory of a process in bytes; 0 when it has ended.
//
// Source: proc(5), /proc/pid/statm, the second field in pages.
func resident(pid int) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
