//go:build linux

package lab

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	"golang.org/x/sync/errgroup"
)

// Options of a lab. Use the functions that return an [Option].
type Options struct {
	clusters      []string
	bare          []string
	helm          bool
	notifications bool
	images        bool
	workloads     bool
	with          []string // parts beyond the clusters
	flags         map[string][]string
	progress      io.Writer
	startup       time.Duration
	empty         bool   // no cluster, for tests of the lab
	network       string // 127.x.y, for tests of the lab; otherwise a free one
}

// An Option changes what [Start] starts.
type Option func(*Options)

// Clusters names clusters with Flux on them; without it there is one, "a".
func Clusters(names ...string) Option {
	return func(o *Options) { o.clusters = append(o.clusters, names...) }
}

// Bare names clusters without Flux: targets of a hub.
func Bare(names ...string) Option { return func(o *Options) { o.bare = append(o.bare, names...) } }

// WithHelm starts helm-controller.
func WithHelm() Option { return func(o *Options) { o.helm = true } }

// WithNotifications starts notification-controller, and the others send it their events.
func WithNotifications() Option { return func(o *Options) { o.notifications = true } }

// WithImages starts image-reflector-controller and image-automation-controller, and brings
// their kinds.
func WithImages() Option { return func(o *Options) { o.images = true } }

// WithWorkloads starts all of kube-controller-manager, the scheduler and kwok with one
// node, so Deployments and Jobs become ready. Without it there are the controllers that
// namespaces, service accounts, owner references and aggregated roles need.
func WithWorkloads() Option { return func(o *Options) { o.workloads = true } }

// WithForge starts Gitea.
func WithForge() Option { return func(o *Options) { o.with = append(o.with, "forge") } }

// WithS3 starts a server of buckets.
func WithS3() Option { return func(o *Options) { o.with = append(o.with, "s3") } }

// Lockdown starts the controllers as Flux's guide to multi-tenancy says.
func Lockdown() Option {
	return func(o *Options) {
		o.flags[KustomizeController] = append(o.flags[KustomizeController],
			"--no-cross-namespace-refs=true", "--no-remote-bases=true", "--default-service-account=default")
		o.flags[HelmController] = append(o.flags[HelmController], "--no-cross-namespace-refs=true", "--default-service-account=default")
		for _, name := range []string{NotificationController, ImageReflectorController, ImageAutomationController} {
			o.flags[name] = append(o.flags[name], "--no-cross-namespace-refs=true")
		}
	}
}

// Flags are further flags of a controller, after the lab's own.
func Flags(controller string, flags ...string) Option {
	return func(o *Options) { o.flags[controller] = append(o.flags[controller], flags...) }
}

// Progress is told what the lab builds and starts; without it nothing is told.
func Progress(w io.Writer) Option { return func(o *Options) { o.progress = w } }

// Lab is a set of clusters with what they talk to.
type Lab struct {
	Dir      string // of this lab; it is removed at the end
	Network  *Network
	Git      *Git
	Registry string       // host and port of the OCI registry, over plain HTTP
	OCI      http.Handler // what is behind Registry, for [Lab.Serve]
	Forge    *Forge       // nil without WithForge
	S3       *S3          // nil without WithS3

	opts     Options
	prefix   string // 127.x.y
	programs map[string]string
	pki      *pki
	clusters map[string]*Cluster

	mu        sync.Mutex
	processes []*Process
	ends      []func()
	closed    bool
	err       error
	failed    chan struct{}
}

// startup bounds the start of a lab from built programs. It is generous, for machines
// that are busy.
const startup = 3 * time.Minute

// Start starts a lab that ends with tb. When tb fails it logs the end of what the
// controllers said.
func Start(tb testing.TB, opts ...Option) *Lab {
	tb.Helper()
	l, err := New(tb.Context(), append([]Option{Progress(tb.Output())}, opts...)...)
	if err != nil {
		tb.Fatalf("start the lab: %v", err)
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Log(l.Report())
		}
		if err := l.Err(); err != nil {
			tb.Errorf("the lab failed: %v", err)
		}
		l.Close()
	})
	return l
}

// New starts a lab for a caller that ends it with Close. The context bounds the building
// of its programs and the start, and nothing later.
func New(ctx context.Context, opts ...Option) (*Lab, error) {
	o := Options{flags: map[string][]string{}, progress: io.Discard, startup: startup}
	for _, opt := range opts {
		opt(&o)
	}
	if len(o.clusters) == 0 && !o.empty {
		o.clusters = []string{"a"}
	}
	programs, err := Build(ctx, o.progress, o.with...)
	if err != nil {
		return nil, err
	}
	prefix, dir, release, err := claim(o.network)
	if err != nil {
		return nil, err
	}
	l := &Lab{Dir: dir, opts: o, prefix: prefix, programs: programs, clusters: map[string]*Cluster{}, failed: make(chan struct{})}
	l.atEnd(release)
	ctx, cancel := context.WithTimeout(ctx, o.startup)
	defer cancel()
	begin := time.Now()
	if err := l.begin(ctx); err != nil {
		l.Close()
		return nil, err
	}
	say(o.progress, "lab: %d clusters at %s.0 are ready, %s\n", len(l.clusters), prefix, time.Since(begin).Round(100*time.Millisecond))
	return l, nil
}

func (l *Lab) begin(ctx context.Context) error {
	var clusters []*Cluster
	for i, name := range slices.Concat(l.opts.clusters, l.opts.bare) {
		c, err := l.newCluster(name, i, i >= len(l.opts.clusters))
		if err != nil {
			return err
		}
		l.clusters[name] = c
		clusters = append(clusters, c)
	}
	var err error
	if l.pki, err = newPKI(l.Dir); err != nil {
		return err
	}
	if err := l.startNetwork(ctx); err != nil {
		return err
	}
	if err := l.startGit(ctx); err != nil {
		return err
	}
	if err := l.startRegistry(ctx); err != nil {
		return err
	}
	if err := l.startEtcd(ctx); err != nil {
		return err
	}
	all, ctx := errgroup.WithContext(ctx)
	if slices.Contains(l.opts.with, "forge") {
		all.Go(func() error { return l.startForge(ctx) })
	}
	if slices.Contains(l.opts.with, "s3") {
		all.Go(func() error { return l.startS3(ctx) })
	}
	for _, c := range clusters {
		all.Go(func() error { return c.begin(ctx) })
	}
	err = all.Wait()
	if died := l.Err(); died != nil {
		return died // the cause of the other
	}
	return err
}

// AddBare starts one more cluster without Flux.
func (l *Lab) AddBare(ctx context.Context, name string) (*Cluster, error) {
	l.mu.Lock()
	c, err := l.newCluster(name, len(l.clusters), true)
	if err == nil {
		l.clusters[name] = c
	}
	l.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return c, c.begin(ctx)
}

// shared is an address of the servers that all clusters use; port 0 takes a free one.
func (l *Lab) shared(port int) string { return fmt.Sprintf("%s.%d:%d", l.prefix, sharedHost, port) }

// Cluster returns a cluster by name, or nil.
func (l *Lab) Cluster(name string) *Cluster {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.clusters[name]
}

// Processes are the programs that were started, in that order.
func (l *Lab) Processes() []*Process {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.processes)
}

// Report is the end of every process's log.
func (l *Lab) Report() string {
	var s strings.Builder
	for _, p := range l.Processes() {
		fmt.Fprintf(&s, "--- %s, the end of its log:\n%s\n", p.Name, p.Tail(8))
	}
	return s.String()
}

func (l *Lab) atEnd(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ends = append(l.ends, f)
}

// Close ends every process and removes the lab's folder. It may be called again.
func (l *Lab) Close() {
	l.mu.Lock()
	processes, ends := l.processes, l.ends
	l.processes, l.ends, l.closed = nil, nil, true
	for _, p := range processes {
		p.mu.Lock()
		p.meant = true
		p.mu.Unlock()
	}
	l.mu.Unlock()
	for _, p := range slices.Backward(processes) {
		p.stop()
	}
	for _, f := range slices.Backward(ends) {
		f()
	}
}

// program is the path of a program.
func (l *Lab) program(part, name string) string { return filepath.Join(l.programs[part], "bin", name) }

// The ports of the shared servers.
const (
	portEtcd     = 2379
	portEtcdPeer = 2380
)

func (l *Lab) startEtcd(ctx context.Context) error {
	client, peer := "http://"+l.shared(portEtcd), "http://"+l.shared(portEtcdPeer)
	p, err := l.start("etcd", nil, l.program("cluster", "etcd"),
		"--data-dir="+filepath.Join(l.Dir, "etcd"), "--name=lab", "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls="+client, "--advertise-client-urls="+client,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=lab="+peer)
	if err != nil {
		return err
	}
	return l.waitHTTP(ctx, p, client+"/readyz")
}

// startRegistry serves OCI artifacts from memory.
func (l *Lab) startRegistry(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", l.shared(0))
	if err != nil {
		return err
	}
	l.OCI = registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewUnstartedServer(l.OCI)
	_ = server.Listener.Close()
	server.Listener = listener
	server.Start()
	l.atEnd(server.Close)
	l.Registry = listener.Addr().String()
	return nil
}
