package release

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/kustomize"
	"sigs.k8s.io/kustomize/api/builtins" //nolint:staticcheck // what the controller uses
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/provider"
	"sigs.k8s.io/kustomize/api/resmap"
	kustypes "sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/openapi"
)

// originGroup is the prefix of the labels that name the HelmRelease of an object.
const originGroup = "helm.toolkit.fluxcd.io"

// postRenderer is the chain of the controller: what the user asks for, common metadata, origin labels.
//
// Source: helm-controller v1.6.4, internal/postrender, all files.
type postRenderer struct {
	release *Release
	guard   func(merges bool, run func() error) error
	nodes   int
	ran     bool
}

// Run takes and gives a stream of manifests, as Helm asks.
func (p *postRenderer) Run(manifests *bytes.Buffer) (out *bytes.Buffer, err error) {
	p.ran = true
	if err := plainYAML("a manifest", manifests.Bytes(), p.nodes); err != nil {
		return nil, err
	}
	guard := p.guard
	if guard == nil {
		guard = alone
	}
	err = guard(p.merges(), func() (err error) {
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("recovered from kustomize panic: %v", r)
			}
		}()
		out, err = p.chain(manifests)
		return err
	})
	return out, err
}

// merges reports whether the steps merge objects: a patch may be a strategic merge patch.
func (p *postRenderer) merges() bool {
	return slices.ContainsFunc(p.release.PostRenderers, func(r helmv2.PostRenderer) bool {
		return r.Kustomize != nil && len(r.Kustomize.Patches) > 0
	})
}

// alone runs steps of kustomize one at a time, with its global schema parsed where they
// merge objects: parsing takes a tenth of a second.
func alone(merges bool, run func() error) error {
	kustomizing.Lock()
	defer kustomizing.Unlock()
	if merges {
		kustomizing.once.Do(func() { _ = openapi.Schema() })
	}
	return run()
}

var kustomizing struct { //nolint:gochecknoglobals // kustomize's schema is global, and so is what guards it
	sync.Mutex
	once sync.Once
}

func (p *postRenderer) chain(manifests *bytes.Buffer) (*bytes.Buffer, error) {
	var err error
	for _, r := range p.release.PostRenderers {
		if r.Kustomize == nil {
			continue
		}
		if manifests, err = kustomized(manifests, r.Kustomize); err != nil {
			return nil, err
		}
	}
	if m := p.release.CommonMetadata; m != nil {
		var steps []transformer
		if m.Labels != nil {
			steps = append(steps, labels(m.Labels))
		}
		if m.Annotations != nil {
			steps = append(steps, annotations(m.Annotations))
		}
		if len(steps) > 0 {
			if manifests, err = transformed(manifests, steps...); err != nil {
				return nil, err
			}
		}
	}
	return transformed(manifests, labels(originLabels(p.release)))
}

func originLabels(r *Release) map[string]string {
	return map[string]string{originGroup + "/name": r.Name, originGroup + "/namespace": r.Namespace}
}

func kustomized(manifests *bytes.Buffer, k *helmv2.Kustomize) (*bytes.Buffer, error) {
	const input = "helm-output.yaml"
	cfg := kustypes.Kustomization{}
	cfg.APIVersion = kustypes.KustomizationVersion
	cfg.Kind = kustypes.KustomizationKind
	cfg.Images = images(k.Images)
	cfg.Resources = []string{input}
	for _, m := range k.Patches {
		cfg.Patches = append(cfg.Patches, kustypes.Patch{Patch: m.Patch, Target: selector(m.Target)})
	}
	kustomization, err := json.Marshal(cfg)
	if err != nil {
		return nil, err
	}
	fs := filesys.MakeFsInMemory()
	if err := fs.WriteFile(input, manifests.Bytes()); err != nil {
		return nil, err
	}
	if err := fs.WriteFile("kustomization.yaml", kustomization); err != nil {
		return nil, err
	}
	m, err := krusty.MakeKustomizer(&krusty.Options{
		LoadRestrictions: kustypes.LoadRestrictionsNone,
		PluginConfig:     kustypes.DisabledPluginConfig(),
	}).Run(fs, ".")
	if err != nil {
		return nil, err
	}
	text, err := m.AsYaml()
	return bytes.NewBuffer(text), err
}

func images(list []kustomize.Image) (out []kustypes.Image) {
	for _, i := range list {
		out = append(out, kustypes.Image{Name: i.Name, NewName: i.NewName, NewTag: i.NewTag, Digest: i.Digest})
	}
	return out
}

func selector(s *kustomize.Selector) *kustypes.Selector {
	if s == nil {
		return nil
	}
	out := &kustypes.Selector{LabelSelector: s.LabelSelector, AnnotationSelector: s.AnnotationSelector}
	out.Group, out.Version, out.Kind = s.Group, s.Version, s.Kind
	out.Name, out.Namespace = s.Name, s.Namespace
	return out
}

type transformer interface{ Transform(resmap.ResMap) error }

func transformed(manifests *bytes.Buffer, steps ...transformer) (*bytes.Buffer, error) {
	m, err := resmap.NewFactory(provider.NewDefaultDepProvider().GetResourceFactory()).NewResMapFromBytes(manifests.Bytes())
	if err != nil {
		return nil, err
	}
	for _, s := range steps {
		if err := s.Transform(m); err != nil {
			return nil, err
		}
	}
	text, err := m.AsYaml()
	return bytes.NewBuffer(text), err
}

func labels(m map[string]string) transformer {
	return &builtins.LabelTransformerPlugin{
		Labels:     m,
		FieldSpecs: []kustypes.FieldSpec{{Path: "metadata/labels", CreateIfNotPresent: true}},
	}
}

func annotations(m map[string]string) transformer {
	return &builtins.AnnotationsTransformerPlugin{
		Annotations: m,
		FieldSpecs:  []kustypes.FieldSpec{{Path: "metadata/annotations", CreateIfNotPresent: true}},
	}
}
