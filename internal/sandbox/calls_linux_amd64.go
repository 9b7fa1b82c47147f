package sandbox

import "syscall"

// Source: linux/audit.h and asm/unistd_64.h, for what package syscall lacks.
const (
	auditArch  = 0xc000003e
	sysSeccomp = 317
	sysClone3  = 435
)

var openCalls = []openCall{{syscall.SYS_OPEN, 1}, {syscall.SYS_OPENAT, 2}} //nolint:gochecknoglobals // a table

//nolint:gochecknoglobals // a table
var deniedCalls = []uint32{
	syscall.SYS_SOCKET, syscall.SYS_SOCKETPAIR, syscall.SYS_CONNECT, syscall.SYS_BIND, syscall.SYS_LISTEN,
	syscall.SYS_ACCEPT, syscall.SYS_ACCEPT4, syscall.SYS_SENDTO, syscall.SYS_SENDMSG,
	syscall.SYS_EXECVE, 322 /* execveat */, syscall.SYS_FORK, syscall.SYS_VFORK,
	syscall.SYS_PTRACE, 310 /* process_vm_readv */, 311 /* process_vm_writev */, syscall.SYS_KILL,
	425 /* io_uring_setup */, 437 /* openat2 */, 321 /* bpf */, 250 /* keyctl */, 304, /* open_by_handle_at */
	syscall.SYS_CREAT, syscall.SYS_TRUNCATE, syscall.SYS_UNLINK, syscall.SYS_UNLINKAT, syscall.SYS_RMDIR,
	syscall.SYS_RENAME, syscall.SYS_RENAMEAT, 316 /* renameat2 */, syscall.SYS_LINK, syscall.SYS_LINKAT,
	syscall.SYS_SYMLINK, syscall.SYS_SYMLINKAT, syscall.SYS_MKDIR, syscall.SYS_MKDIRAT, syscall.SYS_MKNOD, syscall.SYS_MKNODAT,
	syscall.SYS_CHMOD, syscall.SYS_FCHMOD, syscall.SYS_FCHMODAT, syscall.SYS_CHOWN, syscall.SYS_FCHOWN,
	syscall.SYS_LCHOWN, syscall.SYS_FCHOWNAT, syscall.SYS_SETXATTR, syscall.SYS_MOUNT, syscall.SYS_UNSHARE, 308, /* setns */
}
