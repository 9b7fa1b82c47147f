//go:build linux && (amd64 || arm64)

package sandbox

import (
	"runtime"
	"syscall"
	"unsafe"
)

// What follows is from linux/seccomp.h, linux/filter.h and linux/prctl.h.
const (
	prSetNoNewPrivs  = 38
	seccompSetFilter = 1
	seccompTSync     = 1 // for all threads; takes no_new_privs along

	retAllow = 0x7fff0000
	retErrno = 0x00050000

	opLoad = 0x20 // BPF_LD | BPF_W | BPF_ABS
	opJeq  = 0x15 // BPF_JMP | BPF_JEQ | BPF_K
	opJge  = 0x35 // BPF_JMP | BPF_JGE | BPF_K
	opJset = 0x45 // BPF_JMP | BPF_JSET | BPF_K
	opRet  = 0x06 // BPF_RET | BPF_K

	offNumber = 0
	offArch   = 4
	offArgs   = 16 // the low half of the first argument
)

type instruction struct {
	code   uint16
	jt, jf uint8
	k      uint32
}

// filterCalls makes the kernel refuse what pure work never does: network, new
// programs and processes, files opened to be written or changed, looking into
// other processes. Reading files stays: the time zones are some. It needs no
// privilege and costs nothing. A kernel without seccomp leaves the process as it is.
func filterCalls() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	program := callFilter()
	header := struct {
		length uint16
		filter *instruction
	}{uint16(len(program)), &program[0]} //nolint:gosec // a hundred
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, prSetNoNewPrivs, 1, 0, 0, 0, 0); errno != 0 {
		return
	}
	_, _, _ = syscall.RawSyscall(sysSeccomp, seccompSetFilter, seccompTSync, uintptr(unsafe.Pointer(&header))) //nolint:gosec // the kernel's interface
	runtime.KeepAlive(program)
}

// callFilter is the program for the kernel: it gives each call a verdict.
func callFilter() []instruction {
	deny := func(errno syscall.Errno) instruction { return instruction{opRet, 0, 0, retErrno | uint32(errno)} } //nolint:gosec // small
	allow := instruction{opRet, 0, 0, retAllow}
	program := []instruction{
		{opLoad, 0, 0, offArch},
		{opJeq, 1, 0, auditArch},
		deny(syscall.EPERM), // the calls of another processor, such as those of 32 bits
		{opLoad, 0, 0, offNumber},
		{opJge, 0, 1, 0x40000000}, // those of x32
		deny(syscall.EPERM),
		{opJeq, 0, 1, sysClone3},
		deny(syscall.ENOSYS), // the C library uses clone then
	}
	for _, number := range deniedCalls {
		program = append(program, instruction{opJeq, 0, 1, number}, deny(syscall.EPERM))
	}
	program = append(program,
		instruction{opJeq, 0, 4, syscall.SYS_CLONE},
		instruction{opLoad, 0, 0, offArgs},
		instruction{opJset, 0, 1, syscall.CLONE_THREAD},
		allow,
		deny(syscall.EPERM),
	)
	for _, open := range openCalls {
		program = append(program,
			instruction{opJeq, 0, 4, open.number},
			instruction{opLoad, 0, 0, offArgs + 8*open.flags},
			instruction{opJset, 0, 1, syscall.O_WRONLY | syscall.O_RDWR | syscall.O_CREAT | syscall.O_TRUNC},
			deny(syscall.EPERM),
			allow,
		)
	}
	return append(program, allow)
}

// openCall is a call that opens a file, and which argument has the flags.
type openCall struct{ number, flags uint32 }
