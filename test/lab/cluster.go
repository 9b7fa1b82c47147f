//go:build linux

package lab

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Cluster is an API server with its controllers.
type Cluster struct {
	Name   string
	Client client.WithWatch // of cluster-admin
	Config *rest.Config     // of cluster-admin

	lab  *Lab
	ip   string
	dir  string
	bare bool
	flux map[string]*Process
	mu   sync.Mutex
	base map[string]string // what etcd held when the cluster was ready, see Reset
	crds []unstructured.Unstructured
}

// Ports of a cluster's processes, each at the cluster's own address.
const (
	portAPIServer         = 6443
	portControllerManager = 10257
	portScheduler         = 10259
	portKwok              = 10247
)

// kubernetesControllers run without [WithWorkloads].
const kubernetesControllers = "namespace-controller,serviceaccount-controller,root-ca-certificate-publisher-controller," +
	"garbage-collector-controller,clusterrole-aggregation-controller," +
	"persistentvolumeclaim-protection-controller,persistentvolume-protection-controller,validatingadmissionpolicy-status-controller"

// label is a name that can be part of a path, an etcd prefix and a host.
var label = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

func (l *Lab) newCluster(name string, i int, bare bool) (*Cluster, error) {
	if !label.MatchString(name) || l.clusters[name] != nil {
		return nil, fmt.Errorf("a cluster is called %q: each needs a name of its own, of lower case letters, digits and dashes", name)
	}
	if sharedHost+1+i > 254 {
		return nil, fmt.Errorf("no address is left for cluster %s", name)
	}
	c := &Cluster{
		Name: name, lab: l, bare: bare, flux: map[string]*Process{},
		ip: fmt.Sprintf("%s.%d", l.prefix, sharedHost+1+i), dir: filepath.Join(l.Dir, "cluster-"+name),
	}
	return c, os.MkdirAll(c.dir, 0o700)
}

func (c *Cluster) begin(ctx context.Context) error {
	if err := c.startAPIServer(ctx); err != nil {
		return err
	}
	if err := c.startControllers(); err != nil {
		return err
	}
	if err := c.install(ctx); err != nil {
		return fmt.Errorf("install Flux on cluster %s: %w", c.Name, err)
	}
	if !c.bare {
		var all errgroup.Group
		for _, name := range c.controllers() {
			all.Go(func() error { return c.Run(ctx, name) })
		}
		if err := all.Wait(); err != nil {
			return err
		}
	}
	return c.remember(ctx)
}

// startAPIServer starts kube-apiserver. Each component has a token that is its true
// identity, so RBAC and impersonation are those of a real cluster.
func (c *Cluster) startAPIServer(ctx context.Context) error {
	l := c.lab
	crt, key, err := l.pki.writeServer("apiserver-"+c.Name, []string{"localhost", "kubernetes.default.svc"}, net.ParseIP(c.ip), net.IPv4(127, 0, 0, 1))
	if err != nil {
		return err
	}
	saKey, saPub, tokens := filepath.Join(c.dir, "sa.key"), filepath.Join(c.dir, "sa.pub"), filepath.Join(c.dir, "tokens.csv")
	if err := writeAccountKey(saKey, saPub); err != nil {
		return err
	}
	lines := []string{
		c.token("admin") + `,admin,admin,"system:masters"`,
		c.token("kube-controller-manager") + ",system:kube-controller-manager,kcm",
		c.token("kube-scheduler") + ",system:kube-scheduler,scheduler",
		c.token("kwok") + `,kwok,kwok,"system:masters"`,
	}
	for _, name := range fluxControllers() {
		lines = append(lines, fmt.Sprintf(`%s,system:serviceaccount:%s:%s,%s,"system:serviceaccounts,system:serviceaccounts:%s"`,
			c.token(name), FluxNamespace, name, name, FluxNamespace))
	}
	if err := os.WriteFile(tokens, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	ca := l.pki.caFile()
	p, err := l.start(c.Name+"/kube-apiserver", nil, l.program("cluster", "kube-apiserver"),
		"--etcd-servers=http://"+l.shared(portEtcd), "--etcd-prefix=/"+c.Name,
		"--bind-address="+c.ip, "--advertise-address="+c.ip, fmt.Sprintf("--secure-port=%d", portAPIServer),
		"--endpoint-reconciler-type=none", // endpoints may not be loopback addresses
		"--tls-cert-file="+crt, "--tls-private-key-file="+key, "--client-ca-file="+ca,
		"--requestheader-client-ca-file="+ca, "--requestheader-allowed-names=front-proxy",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--token-auth-file="+tokens, "--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+saPub, "--service-account-signing-key-file="+saKey,
		"--service-cluster-ip-range=10.96.0.0/16", "--allow-privileged=true", "--profiling=false")
	if err != nil {
		return err
	}
	c.Config = &rest.Config{
		Host: fmt.Sprintf("https://%s:%d", c.ip, portAPIServer), BearerToken: c.token("admin"),
		TLSClientConfig: rest.TLSClientConfig{CAData: l.pki.ca()}, QPS: -1,
	}
	return l.waitHTTP(ctx, p, c.Config.Host+"/readyz")
}

// token of a component. It guards nothing but a loopback address of a test.
func (c *Cluster) token(component string) string { return c.Name + "-" + component }

// Kubeconfig is the configuration of a component, or of "admin".
func (c *Cluster) Kubeconfig(component string) ([]byte, error) {
	config := clientcmdapi.NewConfig()
	config.Clusters["lab"] = &clientcmdapi.Cluster{Server: c.Config.Host, CertificateAuthorityData: c.lab.pki.ca()}
	config.AuthInfos["lab"] = &clientcmdapi.AuthInfo{Token: c.token(component)}
	config.Contexts["lab"] = &clientcmdapi.Context{Cluster: "lab", AuthInfo: "lab"}
	config.CurrentContext = "lab"
	return clientcmd.Write(*config)
}

// KubeconfigFile writes what [Cluster.Kubeconfig] returns and names the file.
func (c *Cluster) KubeconfigFile(component string) (string, error) {
	data, err := c.Kubeconfig(component)
	if err != nil {
		return "", err
	}
	path := filepath.Join(c.dir, component+".kubeconfig")
	return path, os.WriteFile(path, data, 0o600)
}

func (c *Cluster) startControllers() error {
	l := c.lab
	kubeconfig, err := c.KubeconfigFile("kube-controller-manager")
	if err != nil {
		return err
	}
	controllers := kubernetesControllers
	if l.opts.workloads {
		controllers = "*"
	}
	_, err = l.start(c.Name+"/kube-controller-manager", nil, l.program("cluster", "kube-controller-manager"),
		"--kubeconfig="+kubeconfig, "--authentication-kubeconfig="+kubeconfig, "--authorization-kubeconfig="+kubeconfig,
		"--bind-address="+c.ip, fmt.Sprintf("--secure-port=%d", portControllerManager), "--leader-elect=false",
		"--service-account-private-key-file="+filepath.Join(c.dir, "sa.key"), "--root-ca-file="+l.pki.caFile(),
		"--use-service-account-credentials=true", "--controllers="+controllers)
	if err != nil || !l.opts.workloads {
		return err
	}
	if kubeconfig, err = c.KubeconfigFile("kube-scheduler"); err != nil {
		return err
	}
	if _, err = l.start(c.Name+"/kube-scheduler", nil, l.program("cluster", "kube-scheduler"),
		"--kubeconfig="+kubeconfig, "--authentication-kubeconfig="+kubeconfig, "--authorization-kubeconfig="+kubeconfig,
		"--bind-address="+c.ip, fmt.Sprintf("--secure-port=%d", portScheduler), "--leader-elect=false"); err != nil {
		return err
	}
	return c.startKwok()
}

// startKwok starts what plays the kubelet of the one node.
func (c *Cluster) startKwok() error {
	kubeconfig, err := c.KubeconfigFile("kwok")
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(c.lab.programs["cluster"], "stages", "*.yaml"))
	if err != nil {
		return err
	}
	args := []string{
		"--kubeconfig=" + kubeconfig, "--manage-all-nodes=true", "--cidr=10.200.0.1/16",
		fmt.Sprintf("--server-address=%s:%d", c.ip, portKwok), "--node-lease-duration-seconds=40",
	}
	for _, f := range files {
		args = append(args, "--config="+f)
	}
	_, err = c.lab.start(c.Name+"/kwok", nil, c.lab.program("cluster", "kwok"), args...)
	return err
}

//go:embed manifests/*.yaml
var manifests embed.FS

// install applies the CRDs of Flux and what its installation grants the controllers.
func (c *Cluster) install(ctx context.Context) error {
	var err error
	if c.Client, err = client.NewWithWatch(c.Config, client.Options{Scheme: runtime.NewScheme()}); err != nil {
		return err
	}
	objects, err := readManifests(os.DirFS(c.lab.programs["cluster"]), "crds")
	if err != nil {
		return err
	}
	if c.lab.opts.images {
		more, err := readManifests(os.DirFS(c.lab.programs["cluster"]), imageCRDs)
		if err != nil {
			return err
		}
		objects = append(objects, more...)
	}
	more, err := readManifests(manifests, "manifests")
	if err != nil {
		return err
	}
	for _, o := range append(objects, more...) {
		if o.GetKind() == "Node" && !c.lab.opts.workloads {
			continue
		}
		if o.GetKind() == "CustomResourceDefinition" {
			// A fleet may hold the manifests of another Flux; these here stay.
			o.SetAnnotations(map[string]string{"kustomize.toolkit.fluxcd.io/ssa": "Ignore"})
			c.crds = append(c.crds, o)
		}
		if err := c.Apply(ctx, &o); err != nil {
			return err
		}
	}
	for _, crd := range c.crds {
		if err := c.established(ctx, crd.GetName()); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) established(ctx context.Context, name string) error {
	return c.lab.Wait(ctx, "CustomResourceDefinition "+name, func(ctx context.Context) (bool, error) {
		crd := newObject("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", name)
		if err := c.Client.Get(ctx, client.ObjectKeyFromObject(crd), crd); err != nil {
			return false, err
		}
		return Condition(crd, "Established").Status == "True", nil
	})
}

// Apply sends an object by server-side apply, as the owner of its fields.
func (c *Cluster) Apply(ctx context.Context, o *unstructured.Unstructured) error {
	err := c.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("lab"), client.ForceOwnership)
	if err != nil {
		return fmt.Errorf("apply %s %s/%s: %w", o.GetKind(), o.GetNamespace(), o.GetName(), err)
	}
	return nil
}

// readManifests reads all objects of a folder's YAML files.
func readManifests(files fs.FS, dir string) ([]unstructured.Unstructured, error) {
	names, err := fs.Glob(files, dir+"/*.yaml")
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no manifests in %s", dir)
	}
	var all []unstructured.Unstructured
	for _, name := range names {
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		for d := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096); ; {
			var o unstructured.Unstructured
			if err := d.Decode(&o.Object); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, fmt.Errorf("read %s: %w", name, err)
			}
			if len(o.Object) > 0 {
				all = append(all, o)
			}
		}
	}
	return all, nil
}

func newObject(apiVersion, kind, namespace, name string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetAPIVersion(apiVersion)
	o.SetKind(kind)
	o.SetNamespace(namespace)
	o.SetName(name)
	return o
}
