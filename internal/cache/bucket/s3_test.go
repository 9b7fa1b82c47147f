package bucket_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// gateway starts the S3 server of the lab on loopback, over a folder, and gives its address and
// the folder. It skips when the lab was not built.
func gateway(t *testing.T) (address, buckets string) {
	t.Helper()
	programs, _ := filepath.Glob(filepath.Join(os.Getenv("BULKHEAD_LAB_CACHE"), "s3-"+strings.Repeat("[0-9a-f]", 16), "bin", "versitygw"))
	if len(programs) == 0 {
		t.Skip("SKIPPED: there is no S3 server here; make lab builds one")
	}
	pid := os.Getpid() // an address of its own, where no other test is given the port
	address = fmt.Sprintf("127.62.%d.%d:7070", pid>>8&255, pid&255)
	dir := t.TempDir()
	buckets = filepath.Join(dir, "buckets")
	for _, d := range []string{filepath.Join(buckets, "acme"), filepath.Join(dir, "metadata")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	cmd := exec.CommandContext(t.Context(), programs[len(programs)-1], "--port="+address, "--health=/health", "posix", "--sidecar="+filepath.Join(dir, "metadata"), buckets)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY=AKIAEXAMPLE", "ROOT_SECRET_KEY=example-secret")
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &log, &log, time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for range 1200 {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			r, err := http.Get("http://" + address + "/health")
			if err == nil {
				r.Body.Close()
				return address, buckets
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	t.Fatalf("the S3 server does not answer:\n%s", log.String())
	return "", ""
}

// TestS3 shares a store through a real S3 server.
func TestS3(t *testing.T) {
	address, buckets := gateway(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "example-secret")
	share(t, "s3://acme/flux?region=us-east-1&endpoint=http://"+address)
	files, err := filepath.Glob(filepath.Join(buckets, "acme", "flux", "v1", "*", "*"))
	if err != nil || len(files) != 30 {
		t.Errorf("%d objects, %v", len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil || bytes.Contains(data, []byte("value")) || !bytes.HasPrefix(data, []byte("BHC1")) {
			t.Errorf("%s: %v, %q", file, err, data)
		}
	}
	// What a server, or somebody on it, may do to objects.
	data, err := os.ReadFile(files[1])
	if err != nil {
		t.Fatal(err)
	}
	data[50] ^= 1
	if err := errors.Join(os.Truncate(files[0], 50), os.WriteFile(files[1], data, 0o600), os.Rename(files[3], files[2])); err != nil {
		t.Fatal(err)
	}
	var w warnings
	s := store(t, "s3://acme/flux?region=us-east-1&endpoint=http://"+address, false, 20*time.Second, &w)
	for i := range 30 {
		if got := s.Get(t.Context(), keyOf(i)); got == nil {
			s.Put(keyOf(i), valueOf(i))
		} else if string(got) != string(valueOf(i)) {
			t.Errorf("value %d is another", i)
		}
	}
	s.Close(t.Context())
	if st := s.Stats(); st.Damaged != 3 || st.RemoteHits != 26 || st.Misses != 4 || st.Uploaded != 4 || len(w.all()) > 0 {
		t.Errorf("stats are %+v, warnings %q", st, w.all())
	}
	for name, c := range map[string]struct{ secret, url, want string }{
		"wrong secret":   {"other", "s3://acme?region=us-east-1&endpoint=http://" + address, "left alone"},
		"no such bucket": {"example-secret", "s3://none?region=us-east-1&endpoint=http://" + address, "NoSuchBucket"},
	} {
		t.Setenv("AWS_SECRET_ACCESS_KEY", c.secret)
		var w warnings
		s := store(t, c.url, false, 20*time.Second, &w)
		for i := range 10 {
			s.Get(t.Context(), keyOf(i))
			s.Put(keyOf(i), valueOf(i))
		}
		s.Close(t.Context())
		if got := w.all(); len(got) != 1 || !strings.Contains(got[0], c.want) || s.Stats().Written != 10 {
			t.Errorf("%s: %q, %+v", name, got, s.Stats())
		}
	}
}
