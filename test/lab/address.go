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

// claim takes a free network and an empty folder that go together, and removes what
// labs that were killed have left behind.
func claim() (prefix, dir string, release func(), err error) {
	base := filepath.Join(os.TempDir(), "bulkhead-lab")
	if err := os.MkdirAll(base, 0o700); err != nil {
		return "", "", nil, err
	}
	var busy error
	for i := range networks {
		prefix := fmt.Sprintf("127.%d.%d", firstNetwork+i/256, i%256)
		name := filepath.Join(base, strings.ReplaceAll(prefix, ".", "-"))
		f, err := os.OpenFile(name+".lock", os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // a path of ours
		if err != nil {
			return "", "", nil, err
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil { //nolint:gosec // a descriptor fits
			_ = f.Close()
			continue
		}
		// Nobody holds the lock, so what lies there is of a lab that was killed.
		err = errors.Join(os.RemoveAll(name), os.MkdirAll(filepath.Join(name, "log"), 0o700), free(prefix))
		if err != nil {
			busy = err
			_ = f.Close()
			continue
		}
		if i > 0 || busy != nil {
			sweep(base)
		}
		return prefix, name, func() {
			_ = os.RemoveAll(name)
			_ = f.Close()
		}, nil
	}
	return "", "", nil, fmt.Errorf("no free network among 127.%d.0.0 and its %d followers: end other labs; last: %w", firstNetwork, networks, busy)
}

// free reports ports that somebody else uses. What is taken later fails the process
// that wants it, with its log.
func free(prefix string) error {
	for _, at := range []struct{ host, port int }{
		{sharedHost, portEtcd}, {sharedHost, portEtcdPeer}, {sharedHost, portForge}, {sharedHost, portForgeSSH}, {sharedHost + 1, portAPIServer},
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
		f, err := os.OpenFile(path, os.O_RDWR, 0o600) //nolint:gosec // a path of ours
		if err != nil {
			continue
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil { //nolint:gosec // a descriptor fits
			_ = os.RemoveAll(strings.TrimSuffix(path, ".lock"))
		}
		_ = f.Close()
	}
}
