package sandbox

import "syscall"

// Source: linux/audit.h and asm-generic/unistd.h, for what package syscall lacks.
const (
	auditArch  = 0xc00000b7
	sysSeccomp = 277
	sysClone3  = 435
)

var openCalls = []openCall{{syscall.SYS_OPENAT, 2}} //nolint:gochecknoglobals // a table

//nolint:gochecknoglobals // a table
var deniedCalls = []uint32{
	syscall.SYS_SOCKET, syscall.SYS_SOCKETPAIR, syscall.SYS_CONNECT, syscall.SYS_BIND, syscall.SYS_LISTEN,
	syscall.SYS_ACCEPT, syscall.SYS_ACCEPT4, syscall.SYS_SENDTO, syscall.SYS_SENDMSG,
	syscall.SYS_EXECVE, 281, /* execveat */
	syscall.SYS_PTRACE, syscall.SYS_PROCESS_VM_READV, syscall.SYS_PROCESS_VM_WRITEV, syscall.SYS_KILL,
	425 /* io_uring_setup */, 437 /* openat2 */, 280 /* bpf */, syscall.SYS_KEYCTL, syscall.SYS_OPEN_BY_HANDLE_AT,
	syscall.SYS_TRUNCATE, syscall.SYS_UNLINKAT, syscall.SYS_RENAMEAT, 276 /* renameat2 */, syscall.SYS_LINKAT,
	syscall.SYS_SYMLINKAT, syscall.SYS_MKDIRAT, syscall.SYS_MKNODAT, syscall.SYS_FCHMOD, syscall.SYS_FCHMODAT,
	syscall.SYS_FCHOWN, syscall.SYS_FCHOWNAT, syscall.SYS_SETXATTR, syscall.SYS_MOUNT, syscall.SYS_UNSHARE, syscall.SYS_SETNS,
}
