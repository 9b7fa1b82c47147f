//go:build linux

package lab

// A Part is a module below tools: programs that are built together.
type Part struct {
	name string
	// folder of the module below test/lab/tools.
	folder   string
	env      []string
	args     []string // of go build, after the output flag
	packages []string
	// links are further names of a program, which looks at the name it is called by.
	links map[string][]string
	// copies are files and folders of modules that are needed at run time: from
	// "module:path" to a folder of the result. A path may be a pattern.
	copies [][2]string
}

// imageCRDs is the folder of the kinds that a cluster has with [WithImages] only: a fleet
// without its controllers is not to find them.
const imageCRDs = "crds-images"

// clusterPart is Kubernetes, etcd and Flux. The five Kubernetes programs are one binary,
// since they share nearly all of their code.
func clusterPart() Part {
	return Part{
		name: "cluster", folder: "cluster", env: []string{"CGO_ENABLED=0"},
		args: []string{"-trimpath", "-gcflags=all=-dwarf=false", "-ldflags", "-s -w" + kubernetesVersionFlags},
		packages: []string{
			"./cmd/kubelab", "sigs.k8s.io/kwok/cmd/kwok",
			"github.com/fluxcd/source-controller", "github.com/fluxcd/kustomize-controller",
			"github.com/fluxcd/helm-controller", "github.com/fluxcd/notification-controller",
			"github.com/fluxcd/image-reflector-controller", "github.com/fluxcd/image-automation-controller",
		},
		links: map[string][]string{"kubelab": {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"}},
		copies: [][2]string{
			{"github.com/fluxcd/source-controller:config/crd/bases/*.yaml", "crds"},
			{"github.com/fluxcd/kustomize-controller:config/crd/bases/*.yaml", "crds"},
			{"github.com/fluxcd/helm-controller:config/crd/bases/*.yaml", "crds"},
			{"github.com/fluxcd/notification-controller:config/crd/bases/*.yaml", "crds"},
			{"github.com/fluxcd/image-reflector-controller:config/crd/bases/*.yaml", imageCRDs},
			{"github.com/fluxcd/image-automation-controller:config/crd/bases/*.yaml", imageCRDs},
			{"sigs.k8s.io/kwok:kustomize/stage/node/fast/node-initialize.yaml", "stages"},
			{"sigs.k8s.io/kwok:kustomize/stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml", "stages"},
			{"sigs.k8s.io/kwok:kustomize/stage/pod/fast/pod-ready.yaml", "stages"},
			{"sigs.k8s.io/kwok:kustomize/stage/pod/fast/pod-complete.yaml", "stages"},
			{"sigs.k8s.io/kwok:kustomize/stage/pod/fast/pod-delete.yaml", "stages"},
		},
	}
}

// forgePart is Gitea; its replaced modules clash with those of Flux. SQLite needs cgo.
func forgePart() Part {
	return Part{
		name: "forge", folder: "forge", env: []string{"CGO_ENABLED=1"},
		args: []string{
			"-trimpath", "-gcflags=all=-dwarf=false", "-tags=sqlite,sqlite_unlock_notify",
			"-ldflags", "-s -w -X main.Version=" + giteaVersion,
		},
		packages: []string{"code.gitea.io/gitea"},
		copies: [][2]string{
			{"code.gitea.io/gitea:templates", "static/templates"},
			{"code.gitea.io/gitea:options", "static/options"},
			{"code.gitea.io/gitea:public", "static/public"},
		},
	}
}

// s3Part is Versity's S3 gateway; its modules would move versions of Flux's.
func s3Part() Part {
	return Part{
		name: "s3", folder: "s3", env: []string{"CGO_ENABLED=0"},
		args:     []string{"-trimpath", "-gcflags=all=-dwarf=false", "-ldflags", "-s -w -X main.Version=" + versityVersion},
		packages: []string{"github.com/versity/versitygw/cmd/versitygw"},
	}
}

// Versions that the programs must be told; a test compares them with the modules.
const (
	kubernetesVersion = "v1.36.3"
	giteaVersion      = "1.26.0"
	versityVersion    = "v1.8.0"

	kubernetesVersionFlags = " -X k8s.io/component-base/version.gitVersion=" + kubernetesVersion +
		" -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36" +
		" -X k8s.io/component-base/version.gitCommit=lab -X k8s.io/component-base/version.gitTreeState=archive" +
		" -X k8s.io/component-base/version.buildDate=2026-01-01T00:00:00Z" +
		" -X k8s.io/client-go/pkg/version.gitVersion=" + kubernetesVersion +
		" -X k8s.io/client-go/pkg/version.gitMajor=1 -X k8s.io/client-go/pkg/version.gitMinor=36"
)
