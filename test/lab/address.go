//go:build linux

package lab

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// A lab has a network 127.x.y.0/24 of its own, so the programs keep their usual ports and
// two labs never meet. The lock of a file in the temporary folder says whose it is; the
// kernel releases it with the process. Shared servers listen on host 10, cluster i on 11+i.
const (
	firstNetwork = 64  // x of 127.x.y.0/24
	networks     = 512 // how many are tried
	sharedHost   = 10
)

// claim takes a free network, or the one that is named, and an empty folder that go
// together, and removes what labs that were killed have left behind.
func claim(named string) (prefix, dir string, release func(), err error) {
	base := filepath.Join(os.TempDir(), fmt.Sprintf("bulkhead-lab-%d", os.Getuid()))
	if err := os.MkdirAll(base, 0o700); err != nil {
		return "", "", nil, err
	}
	sweep(base)
	tries := []string{named}
	if named == "" {
		tries = tries[:0]
		for i := range networks {
			tries = append(tries, fmt.Sprintf("127.%d.%d", firstNetwork+i/256, i%256))
		}
	}
	busy := errors.New("all are in use by labs")
	for _, prefix := range tries {
		name := filepath.Join(base, strings.ReplaceAll(prefix, ".", "-"))
		f, err := hold(name)
		if err != nil {
			return "", "", nil, err
		}
		if f == nil {
			continue
		}
		// Nobody holds the lock, so what lies there is of a lab that was killed.
		if err := errors.Join(os.RemoveAll(name), free(prefix)); err != nil {
			busy = err
			_ = f.Close()
			continue
		}
		if err := os.MkdirAll(filepath.Join(name, "log"), 0o700); err != nil {
			return "", "", nil, errors.Join(err, f.Close())
		}
		return prefix, name, func() {
			_ = os.RemoveAll(name)
			_ = f.Close()
		}, nil
	}
	return "", "", nil, fmt.Errorf("no network is free among %s.0 and %d more, end other labs; last: %w", tries[0], len(tries)-1, busy)
}

// hold locks the file that belongs to a folder, or returns nil when somebody else does.
func hold(name string) (*os.File, error) {
	f, err := os.OpenFile(name+".lock", os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // a path of ours
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return f, nil
	}
	_ = f.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, nil
	}
	return nil, fmt.Errorf("lock %s.lock: %w", name, err)
}

// free reports ports that somebody else uses. What is taken later fails the process
// that wants it, with its log.
func free(prefix string) error {
	for _, at := range []struct{ host, port int }{
		{sharedHost, portEtcd}, {sharedHost, portEtcdPeer}, {sharedHost, portForge}, {sharedHost, portForgeSSH}, {sharedHost, portS3}, {sharedHost + 1, portAPIServer},
	} {
		l, err := net.Listen("tcp", fmt.Sprintf("%s.%d:%d", prefix, at.host, at.port)) //nolint:noctx // closed at once
		if err != nil {
			return err
		}
		if err := l.Close(); err != nil {
			return err
		}
	}
	return nil
}

// sweep removes the folders of labs that are gone.
func sweep(base string) {
	locks, _ := filepath.Glob(filepath.Join(base, "*.lock"))
	for _, path := range locks {
		name := strings.TrimSuffix(path, ".lock")
		if f, err := hold(name); err == nil && f != nil {
			_ = os.RemoveAll(name)
			_ = f.Close()
		}
	}
}
