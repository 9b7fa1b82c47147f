package guard

import (
	"strings"

	"github.com/fluxcd/pkg/apis/kustomize"
)

// Flags are the flags of Flux's controllers that the policies build on, as patches of the manifests that "flux bootstrap" writes: of the kustomization
// file in flux-system. They need Flux 2.7.
//
// Source: Flux's guides "Multi-tenancy lockdown" and "Workload identity"; kustomize-controller v1.9.5, helm-controller v1.6.4, source-controller v1.9.5, image-reflector-controller and image-automation-controller v1.2.4.
func Flags() []kustomize.Patch {
	return []kustomize.Patch{
		flags("(kustomize-controller|helm-controller|notification-controller|image-reflector-controller|image-automation-controller|source-watcher)", "--no-cross-namespace-refs=true"),
		flags("kustomize-controller", "--no-remote-bases=true", "--default-decryption-service-account=default"),
		flags("(kustomize-controller|helm-controller)", "--default-kubeconfig-service-account=default"),
		flags("(source-controller|kustomize-controller|helm-controller|notification-controller|image-reflector-controller|image-automation-controller)",
			"--default-service-account=default", "--feature-gates=ObjectLevelWorkloadIdentity=true"),
		{Target: &kustomize.Selector{Kind: "Kustomization", Name: fluxNamespace}, Patch: "- op: add\n  path: /spec/serviceAccountName\n  value: kustomize-controller\n"},
	}
}

func flags(name string, list ...string) kustomize.Patch {
	var b strings.Builder
	for _, f := range list {
		_, _ = b.WriteString("- op: add\n  path: /spec/template/spec/containers/0/args/-\n  value: " + f + "\n")
	}
	return kustomize.Patch{Target: &kustomize.Selector{Kind: "Deployment", Name: name}, Patch: b.String()}
}
