//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// patience bounds one wait of a test.
const patience = 2 * time.Minute

// apply applies objects in YAML.
func (c *Cluster) apply(t *testing.T, text string) {
	t.Helper()
	objects, err := readManifests(fstest.MapFS{"x/x.yaml": {Data: []byte(text)}}, "x")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		if err := c.Apply(t.Context(), &o); err != nil {
			t.Fatal(err)
		}
	}
}

// get reads an object; it returns nil for what is not there.
func (c *Cluster) get(t *testing.T, o *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	err := c.Client.Get(t.Context(), client.ObjectKeyFromObject(o), o)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// eventually waits until an object is there and is as wanted.
func (c *Cluster) eventually(t *testing.T, o *unstructured.Unstructured, is func(*unstructured.Unstructured) error) {
	t.Helper()
	c.wait(t, o, func(err error) error {
		if err != nil {
			return err
		}
		return is(o)
	})
}

// gone waits until an object, or its kind, is not there.
func (c *Cluster) gone(t *testing.T, o *unstructured.Unstructured) {
	t.Helper()
	c.wait(t, o, func(err error) error {
		if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
			return nil
		}
		return errors.Join(errors.New("it is there"), err)
	})
}

// wait reads an object until enough has nothing against the outcome.
func (c *Cluster) wait(t *testing.T, o *unstructured.Unstructured, enough func(error) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	what := fmt.Sprintf("%s %s/%s on %s", o.GetKind(), o.GetNamespace(), o.GetName(), c.Name)
	err := c.lab.Wait(ctx, what, func(ctx context.Context) (bool, error) {
		return true, enough(c.Client.Get(ctx, client.ObjectKeyFromObject(o), o))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// ready wants a Ready condition of that status with those words in its message.
func ready(status, message string) func(*unstructured.Unstructured) error {
	return func(o *unstructured.Unstructured) error {
		got := Condition(o, "Ready")
		if got.Status != status || !strings.Contains(got.Message, message) {
			return fmt.Errorf("Ready=%s %s: %s", got.Status, got.Reason, got.Message)
		}
		return nil
	}
}

// there wants no more than that the object is there.
func there(*unstructured.Unstructured) error { return nil }

// TestTwoLabs runs two labs in two processes and lets a part of one die, then one as a
// whole.
func TestTwoLabs(t *testing.T) {
	var l *Lab
	begun := make(chan error)
	go func() {
		var err error
		l, err = New(t.Context(), Progress(t.Output()))
		begun <- err
	}()
	p := startPeer(t, "cluster")
	if err := <-begun; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	if l.Dir == p.Dir {
		t.Fatalf("both are in %s", p.Dir)
	}
	a := l.Cluster("a")
	a.apply(t, "{apiVersion: v1, kind: Namespace, metadata: {name: here}}")

	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.said
	p.gone(t)
	p.swept(t)
	if a.get(t, newObject("v1", "Namespace", "", "here")) == nil || l.Err() != nil {
		t.Errorf("the death of the other lab harmed this one: %v", l.Err())
	}

	dies := a.Flux(KustomizeController)
	if err := syscall.Kill(dies.Pid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := l.Wait(ctx, "what never comes", func(context.Context) (bool, error) { return false, nil })
	for _, want := range []string{"wait for what never comes: ", "a/kustomize-controller ended: signal: killed", dies.Log, "starting manager"} {
		if !strings.Contains(fmt.Sprint(err), want) || l.Err() == nil {
			t.Errorf("want %q in %v", want, err)
		}
	}
	if _, err := l.Memory(); err != nil {
		t.Error(err)
	}
	if err := a.Run(t.Context(), KustomizeController); err == nil {
		t.Error("a lab that has failed starts a controller without a word")
	}
	dir := l.Dir
	l.Close()
	if _, err := os.Stat(dir); err == nil {
		t.Errorf("%s is left", dir)
	}
	if err := a.Run(t.Context(), KustomizeController); err == nil {
		t.Error("a closed lab starts a controller")
	}
}

// TestPortTaken wants the name and the log of the process whose port somebody else has.
func TestPortTaken(t *testing.T) {
	network := fmt.Sprintf("127.63.%d", os.Getpid()%256) // not one that claim would take
	health := fmt.Sprintf("%s.11:%d", network, portHealth+1)
	listener, err := net.Listen("tcp", health)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	l, err := New(t.Context(), Progress(t.Output()), func(o *Options) { o.network = network })
	if err == nil {
		l.Close()
	}
	for _, want := range []string{"a/kustomize-controller ended: exit status 1", "the end of its log", "listen tcp " + health + ": bind: address already in use"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("want %q in %v", want, err)
		}
	}
}

func TestNames(t *testing.T) {
	for name, names := range map[string][]string{"twice": {"a", "a"}, "a path": {"../a"}, "nothing": {""}} {
		l, err := New(t.Context(), Clusters(names...))
		if err == nil {
			l.Close()
			t.Errorf("%s: a cluster is called %q", name, names)
		}
	}
}

func TestReadManifests(t *testing.T) {
	_, err := readManifests(fstest.MapFS{"x/broken.yaml": {Data: []byte("kind: A\n---\n{")}}, "x")
	if err == nil || !strings.Contains(err.Error(), "read x/broken.yaml") {
		t.Error(err)
	}
	if _, err := readManifests(fstest.MapFS{}, "x"); err == nil || err.Error() != "no manifests in x" {
		t.Error(err)
	}
}

// TestTail wants whole lines from the end of a log of any size.
func TestTail(t *testing.T) {
	p := &Process{Log: t.TempDir() + "/log"}
	text := strings.Repeat(strings.Repeat("x", 99)+"\n", 10_000)
	if err := os.WriteFile(p.Log, []byte(text+"one\ntwo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := p.Tail(2); got != "one\ntwo" {
		t.Errorf("got %q", got)
	}
	if got := p.Tail(1_000_000); len(got) > tailBytes || len(strings.SplitN(got, "\n", 2)[0]) != 99 {
		t.Errorf("got %d bytes that begin with %.120q", len(got), got)
	}
}
