package render

import (
	"errors"
	"fmt"
	"path"
	"strings"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/kustomize"
	fluxkustomize "github.com/fluxcd/pkg/kustomize"
	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/provider"
	"sigs.k8s.io/kustomize/api/resource"
	kustypes "sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// buildSpec is the part of a Kustomization's spec that its build depends on.
// Kustomizations with an equal buildSpec on equal files share one build.
type buildSpec struct {
	Path                    string            `json:"path"` // slash path from the artifact's root, clean
	TargetNamespace         string            `json:"targetNamespace,omitempty"`
	NamePrefix              string            `json:"namePrefix,omitempty"`
	NameSuffix              string            `json:"nameSuffix,omitempty"`
	Patches                 []kustomize.Patch `json:"patches,omitempty"`
	Components              []string          `json:"components,omitempty"`
	IgnoreMissingComponents bool              `json:"ignoreMissingComponents,omitempty"`
	Images                  []kustomize.Image `json:"images,omitempty"`
	BuildMetadata           []string          `json:"buildMetadata,omitempty"`
	// ReplaceImages is what kustomize-controller did before 1.9.4: an image of
	// the spec replaces the file's entry of that name as a whole.
	ReplaceImages bool `json:"replaceImages,omitempty"`
	// Decrypt says that ciphertext is decrypted where a key is at hand.
	Decrypt bool `json:"decrypt,omitempty"`
	// origins asks for origin annotations on top, to tell the file of an object.
	origins bool
}

func newBuildSpec(spec *kustomizev1.KustomizationSpec, dir string, p Profile) buildSpec {
	var metadata []string
	for _, o := range spec.BuildMetadata {
		metadata = append(metadata, string(o))
	}
	return buildSpec{
		Path: dir, TargetNamespace: spec.TargetNamespace, NamePrefix: spec.NamePrefix, NameSuffix: spec.NameSuffix,
		Patches: spec.Patches, Components: spec.Components, IgnoreMissingComponents: spec.IgnoreMissingComponents,
		Images: spec.Images, BuildMetadata: metadata, ReplaceImages: p.before(9, 4),
	}
}

// files is what the generator reads; [tree.Recorder] has it.
type files interface {
	Stat(path string) (tree.Entry, error)
	ReadDir(path string) ([]tree.Entry, error)
	ReadFile(path string) ([]byte, error)
}

// generate returns the kustomization file that the controller builds from and
// its path, made from the folder's own file or, without one, from a scan.
//
// Source: fluxcd/pkg/kustomize v1.35.6, Generator.GenerateManifest, which works
// on disk only. TestGenerateLikeUpstream pins this port to the original.
func generate(in files, inspect *inspector, s *buildSpec) (manifest []byte, name string, err error) {
	kus, name, err := generated(in, inspect, s, true)
	if err != nil {
		return nil, "", err
	}
	manifest, err = yaml.Marshal(kus)
	return manifest, name, err
}

// generated is the content of that file. Without check, files that a scan finds are not
// looked into: the build must fail for each that holds no objects.
func generated(in files, inspect *inspector, s *buildSpec, check bool) (kus *kustypes.Kustomization, name string, err error) {
	kus, data, name, err := findKustomization(in, inspect, s.Path, check)
	if err != nil {
		return nil, "", err
	}
	if data != nil {
		if err := inspect.bomb(name, data); err != nil {
			return nil, "", err
		}
		if err := yaml.Unmarshal(data, kus); err != nil {
			return nil, "", fmt.Errorf("parse %s: %w", name, err)
		}
		if len(kus.Resources) == 0 {
			kus.BuildMetadata = []string{kustypes.OriginAnnotations}
		}
	}
	return kus, name, s.mergeInto(kus, in)
}

// mergeInto puts the Kustomization's own fields into the file, in the order of
// GenerateManifest.
func (s *buildSpec) mergeInto(kus *kustypes.Kustomization, in files) error {
	if s.TargetNamespace != "" {
		kus.Namespace = s.TargetNamespace
	}
	if s.NamePrefix != "" {
		kus.NamePrefix = s.NamePrefix
	}
	if s.NameSuffix != "" {
		kus.NameSuffix = s.NameSuffix
	}
	for _, p := range s.Patches {
		kus.Patches = append(kus.Patches, kustypes.Patch{Patch: p.Patch, Target: selector(p.Target)})
	}
	for _, c := range s.Components {
		if !fluxkustomize.IsLocalRelativePath(c) {
			return fmt.Errorf("component path '%s' must be local and relative", c)
		}
		p, ok := rel(path.Join(artifactRoot, s.Path, c))
		if s.IgnoreMissingComponents {
			if !ok {
				continue
			}
			if _, err := in.Stat(p); err != nil {
				continue
			}
		}
		kus.Components = append(kus.Components, c)
	}
	s.mergeImages(kus)
	if len(s.BuildMetadata) > 0 {
		kus.BuildMetadata = s.BuildMetadata
	}
	if s.origins {
		kus.BuildMetadata = append(kus.BuildMetadata, kustypes.OriginAnnotations)
	}
	return nil
}

func (s *buildSpec) mergeImages(kus *kustypes.Kustomization) {
	for _, image := range s.Images {
		i := 0
		for i < len(kus.Images) && kus.Images[i].Name != image.Name {
			i++
		}
		whole := kustypes.Image{Name: image.Name, NewName: image.NewName, NewTag: image.NewTag, Digest: image.Digest}
		switch {
		case i == len(kus.Images):
			kus.Images = append(kus.Images, whole)
		case s.ReplaceImages:
			kus.Images[i] = whole
		default:
			if image.NewName != "" {
				kus.Images[i].NewName = image.NewName
			}
			if image.NewTag != "" || image.Digest != "" { // one unit: setting one clears the other
				kus.Images[i].NewTag, kus.Images[i].Digest = image.NewTag, image.Digest
			}
		}
	}
}

func selector(s *kustomize.Selector) *kustypes.Selector {
	if s == nil {
		return nil
	}
	out := &kustypes.Selector{}
	out.Group, out.Version, out.Kind = s.Group, s.Version, s.Kind
	out.Name, out.Namespace = s.Name, s.Namespace
	out.LabelSelector, out.AnnotationSelector = s.LabelSelector, s.AnnotationSelector
	return out
}

// findKustomization returns what the controller starts from: the folder's own file, as
// data, or without one a kustomization of what a scan finds.
func findKustomization(in files, inspect *inspector, dir string, check bool) (kus *kustypes.Kustomization, data []byte, name string, err error) {
	kus = &kustypes.Kustomization{
		TypeMeta: kustypes.TypeMeta{APIVersion: kustypes.KustomizationVersion, Kind: kustypes.KustomizationKind},
	}
	for _, base := range konfig.RecognizedKustomizationFileNames() {
		name := path.Join(dir, base)
		if e, err := in.Stat(name); err == nil && !e.IsDir() {
			data, err := in.ReadFile(name)
			if data == nil {
				data = []byte{}
			}
			return kus, data, name, err
		}
	}
	found, err := scan(in, inspect, dir, check)
	if err != nil {
		return nil, nil, "", err
	}
	if len(found) == 0 {
		kus.Namespace = "_placeholder" // or kustomize would call the file empty
	}
	for _, p := range found {
		if dir == "." {
			p = "./" + p
		} else {
			p = strings.Replace(p, dir, ".", 1)
		}
		kus.Resources = append(kus.Resources, p)
	}
	return kus, nil, path.Join(dir, konfig.DefaultKustomizationFileName()), nil
}

// scan lists what a kustomization without a file consists of: below dir, in
// lexical order, folders with a kustomization file as units, and every .yaml and
// .yml file, each of which must hold Kubernetes objects, if check is set.
func scan(in files, inspect *inspector, dir string, check bool) ([]string, error) {
	entries, err := in.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, e := range entries {
		p := path.Join(dir, e.Name)
		switch {
		case e.IsDir() && isUnit(in, p):
			found = append(found, p)
		case e.IsDir():
			below, err := scan(in, inspect, p, check)
			if err != nil {
				return nil, err
			}
			found = append(found, below...)
		case path.Ext(e.Name) == ".yaml" || path.Ext(e.Name) == ".yml":
			if check {
				if err := holdsObjects(in, inspect, p); err != nil {
					return nil, err
				}
			}
			found = append(found, p)
		}
	}
	return found, nil
}

func isUnit(in files, dir string) bool {
	for _, base := range konfig.RecognizedKustomizationFileNames() {
		if e, err := in.Stat(path.Join(dir, base)); err == nil && !e.IsDir() {
			return true
		}
	}
	return false
}

// errNotObjects marks a file that lies in a scanned folder but holds no objects.
var errNotObjects = errors.New("decode Kubernetes YAML")

func holdsObjects(in files, inspect *inspector, p string) error {
	data, err := in.ReadFile(p)
	if err != nil {
		return err
	}
	if err := inspect.bomb(p, data); err != nil {
		return err
	}
	if err := inspect.objects(data); err != nil {
		return fmt.Errorf("%w from %s: %w", errNotObjects, p, err)
	}
	return nil
}

// objects reports whether kustomize can read data as objects. Answers are kept
// by content: the build reads the same file once more.
func (in *inspector) objects(data []byte) error {
	key := tree.HashBlob(data)
	in.mu.Lock()
	err, ok := in.decoded[key]
	in.mu.Unlock()
	if ok {
		return err
	}
	err = decodes(data)
	in.mu.Lock()
	in.decoded[key] = err
	in.mu.Unlock()
	return err
}

func decodes(data []byte) error {
	_, err := decoded(data)
	return err
}

// decoded are the objects that kustomize reads off data. Data that it panics at is an
// error.
func decoded(data []byte) ([]*resource.Resource, error) {
	defer useSchema(scopesOnly)() // an object's identity asks the global schema
	return decodedAlready(data)
}

// decodedAlready is decoded for who uses the schema already: to wait for it twice is to wait
// forever when somebody who wants it alone comes in between.
func decodedAlready(data []byte) (objects []*resource.Resource, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	return provider.NewDefaultDepProvider().GetResourceFactory().SliceFromBytes(data)
}
