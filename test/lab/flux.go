//go:build linux

package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// FluxNamespace is where Flux runs.
const FluxNamespace = "flux-system"

// The controllers of Flux.
const (
	SourceController          = "source-controller"
	KustomizeController       = "kustomize-controller"
	HelmController            = "helm-controller"
	NotificationController    = "notification-controller"
	ImageReflectorController  = "image-reflector-controller"
	ImageAutomationController = "image-automation-controller"
)

// fluxControllers are all of them; each has its place in the order of the ports.
func fluxControllers() []string {
	return []string{
		SourceController, KustomizeController, HelmController, NotificationController, ImageReflectorController, ImageAutomationController,
	}
}

// Ports of the controllers, at the address of their cluster.
const (
	portMetrics   = 8080 // and the five after it, in the order of fluxControllers
	portHealth    = 9440 // the same
	portArtifacts = 9090 // source-controller
	portEvents    = 9093 // notification-controller
	portReceiver  = 9292 // notification-controller
)

// controllers of this lab.
func (c *Cluster) controllers() []string {
	return slices.DeleteFunc(fluxControllers(), func(name string) bool {
		return name == HelmController && !c.lab.opts.helm || name == NotificationController && !c.lab.opts.notifications ||
			(name == ImageReflectorController || name == ImageAutomationController) && !c.lab.opts.images
	})
}

// args of a controller. Retries and dependencies come round fast, and nothing is spread
// over time; all that decides what is applied is at its default.
func (c *Cluster) args(controller string) (args []string, health string, err error) {
	i := slices.Index(fluxControllers(), controller)
	health = fmt.Sprintf("%s:%d", c.ip, portHealth+i)
	args = []string{
		"--enable-leader-election=false", "--watch-all-namespaces=true", "--log-level=info", "--log-encoding=json",
		fmt.Sprintf("--metrics-addr=%s:%d", c.ip, portMetrics+i), "--health-addr=" + health,
	}
	events := ""
	if c.lab.opts.notifications {
		events = fmt.Sprintf("http://%s:%d/", c.ip, portEvents)
	}
	if controller == NotificationController {
		return append(args, fmt.Sprintf("--events-addr=%s:%d", c.ip, portEvents), fmt.Sprintf("--receiverAddr=%s:%d", c.ip, portReceiver)), health, nil
	}
	args = append(args, "--events-addr="+events, "--min-retry-delay=2s", "--max-retry-delay=10s", "--kube-api-qps=500", "--kube-api-burst=1000")
	switch controller {
	case ImageReflectorController:
		tags := filepath.Join(c.dir, "tags")
		return append(args, "--requeue-dependency=500ms", "--storage-path="+tags), health, os.MkdirAll(tags, 0o700)
	case ImageAutomationController:
		return args, health, nil
	}
	args = append(args, "--requeue-dependency=500ms", "--interval-jitter-percentage=0")
	switch controller {
	case SourceController:
		storage := filepath.Join(c.dir, "storage")
		at := fmt.Sprintf("%s:%d", c.ip, portArtifacts)
		return append(args, "--storage-path="+storage, "--storage-addr="+at, "--storage-adv-addr="+at), health, os.MkdirAll(storage, 0o700)
	case KustomizeController:
		return append(args, "--http-retry=1"), health, nil
	case HelmController:
		return append(args, "--graceful-shutdown-timeout=5s"), health, nil
	}
	return nil, "", fmt.Errorf("no controller is called %q", controller)
}

// Run starts a controller of Flux with further flags and waits until it is ready. One that
// runs is killed first.
func (c *Cluster) Run(ctx context.Context, controller string, flags ...string) error {
	c.Kill(controller)
	args, health, err := c.args(controller)
	if err != nil {
		return err
	}
	kubeconfig, err := c.KubeconfigFile(controller)
	if err != nil {
		return err
	}
	tmp := filepath.Join(c.dir, controller)
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		return err
	}
	env := append(c.lab.Network.env(), "KUBECONFIG="+kubeconfig, "RUNTIME_NAMESPACE="+FluxNamespace, "TMPDIR="+tmp,
		"TUF_ROOT="+filepath.Join(tmp, "sigstore"), "SSL_CERT_FILE="+c.lab.pki.caFile(), "GOMEMLIMIT=512MiB")
	args = slices.Concat(args, c.lab.opts.flags[controller], flags)
	p, err := c.lab.start(c.Name+"/"+controller, env, c.lab.program("cluster", controller), args...)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.flux[controller] = p
	c.mu.Unlock()
	return c.lab.waitHTTP(ctx, p, "http://"+health+"/readyz")
}

// ReceiverURL is where notification-controller answers for a Receiver, by the path in its
// status.webhookPath.
func (c *Cluster) ReceiverURL(path string) string {
	return fmt.Sprintf("http://%s:%d%s", c.ip, portReceiver, path)
}

// Flux is the process of a controller, nil when it does not run.
func (c *Cluster) Flux(controller string) *Process {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flux[controller]
}

// Kill ends a controller, as an outage does.
func (c *Cluster) Kill(controller string) {
	c.mu.Lock()
	p := c.flux[controller]
	delete(c.flux, controller)
	c.mu.Unlock()
	if p != nil {
		p.stop()
	}
}

// Pause holds a controller still until it is resumed.
func (c *Cluster) Pause(controller string) error { return c.signal(controller, syscall.SIGSTOP) }

// Resume lets a paused controller go on.
func (c *Cluster) Resume(controller string) error { return c.signal(controller, syscall.SIGCONT) }

func (c *Cluster) signal(controller string, s syscall.Signal) error {
	p := c.Flux(controller)
	if p == nil {
		return errors.New(controller + " does not run")
	}
	return syscall.Kill(p.Pid(), s)
}

// ConditionOf is what a condition of an object says; all is empty when it has none.
type ConditionOf struct{ Status, Reason, Message string }

// Condition finds a condition of an object's status by its type.
func Condition(o *unstructured.Unstructured, kind string) ConditionOf {
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, c := range conditions {
		m, _ := c.(map[string]any)
		if m["type"] != kind {
			continue
		}
		var found ConditionOf
		found.Status, _ = m["status"].(string)
		found.Reason, _ = m["reason"].(string)
		found.Message, _ = m["message"].(string)
		return found
	}
	return ConditionOf{}
}

// Idle waits until a controller has nothing under way, by its own metrics.
func (c *Cluster) Idle(ctx context.Context, controller string) error {
	url := fmt.Sprintf("http://%s:%d/metrics", c.ip, portMetrics+slices.Index(fluxControllers(), controller))
	return c.lab.Wait(ctx, controller+" to be idle", func(ctx context.Context) (bool, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return false, err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return false, err
		}
		defer func() { _ = res.Body.Close() }()
		found := false
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			rest, ok := strings.CutPrefix(lines.Text(), "controller_runtime_active_workers{")
			if ok && !strings.HasSuffix(rest, " 0") {
				return false, fmt.Errorf("at work: %s", rest)
			}
			found = found || ok
		}
		if !found {
			return false, fmt.Errorf("%s: its metrics do not tell what is at work", res.Status)
		}
		return true, nil
	})
}
