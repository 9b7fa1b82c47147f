package render

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"

	"github.com/bulkhead-dev/bulkhead/object"
)

// variables collects what postBuild supplies, in the controller's order: each
// reference overrides the ones before it, and substitute all of them.
//
// Source: fluxcd/pkg/kustomize v1.35.6, LoadVariables and SubstituteVariables.
func (v *evaluator) variables() *variables {
	vars := &variables{values: map[string]string{}, sensitive: map[string]bool{}, strict: v.profile.strict()}
	post := v.ks.Spec.PostBuild
	if post == nil {
		vars.off = true
		return vars
	}
	vars.always = v.ks.GetSubstituteStrategy() == kustomizev1.SubstituteStrategyAlways
	n := v.out.node
	supplied := v.e.fleet.variables[n.home]
	for _, ref := range post.SubstituteFrom {
		o := v.ask.get(n.home, object.ID{Kind: ref.Kind, Namespace: n.id.Namespace, Name: ref.Name})
		switch {
		case o != nil && sopsHeld(o):
			v.closed(vars, ref, "is encrypted: its values are not known", supplied)
		case o != nil:
			take(vars, ref.Kind, o)
		case ref.Optional && len(supplied) == 0:
			v.out.notes = append(v.out.notes, Note{n.id.String(), "optional " + ref.Kind + "/" + ref.Name + " is taken to be absent: it is not in Git"})
		default:
			v.closed(vars, ref, "is not in Git", supplied)
		}
	}
	for name, value := range post.Substitute {
		vars.values[name] = strings.ReplaceAll(value, "\n", "")
		vars.sensitive[name] = holdsSecret(value, v.inherited)
	}
	for name, secret := range vars.sensitive {
		if secret {
			v.secrets = append(v.secrets, vars.values[name])
		}
	}
	slices.Sort(v.secrets)
	return vars
}

// closed handles a reference whose values are not known: the values supplied for
// the cluster stand in, and what they do not name stays open.
func (v *evaluator) closed(vars *variables, ref kustomizev1.SubstituteReference, why string, supplied map[string]string) {
	for name, value := range supplied {
		vars.values[name] = strings.ReplaceAll(value, "\n", "")
		vars.sensitive[name] = ref.Kind == "Secret"
	}
	vars.open = append(vars.open, ref.Kind+"/"+ref.Name+" "+why)
}

func take(vars *variables, kind string, o *object.Object) {
	data, _ := o.Body().Map()["data"].(map[string]any)
	secrets := o.Body().Sensitive()
	for name, raw := range data {
		value, ok := raw.(string)
		if !ok {
			continue
		}
		if kind == "Secret" {
			plain, err := base64.StdEncoding.DecodeString(value)
			if err != nil {
				continue
			}
			value = string(plain)
		}
		vars.values[name] = strings.ReplaceAll(value, "\n", "")
		vars.sensitive[name] = kind == "Secret" || holdsSecret(value, secrets)
	}
}

// sopsHeld reports whether an object's values are SOPS ciphertext.
func sopsHeld(o *object.Object) bool {
	content := o.Body().Map()
	if _, ok := content["sops"].(map[string]any); ok {
		return true
	}
	data, _ := content["data"].(map[string]any)
	for _, raw := range data {
		if s, ok := raw.(string); ok && o.ID.Kind == "Secret" && holdsSOPS(s) {
			return true
		}
	}
	return false
}

// substitute finishes every object of the build and notes what is not known.
func (v *evaluator) substitute(b *build) {
	a := v.out.applier
	vars := v.variables()
	if vars.run() {
		for _, it := range b.items {
			if it.optOut {
				continue
			}
			if err := vars.check(); err != nil {
				v.fail("substitute", "", "", "post build failed for '%s/%s': %v", it.id.Gvk, it.id.Name, err)
				return
			}
			break
		}
	}
	s := &stamp{name: a.Name, namespace: a.Namespace, meta: v.ks.Spec.CommonMetadata, decrypt: v.ks.Spec.Decryption != nil, secrets: v.inherited}
	key := s.key()
	done := make([]*finished, len(b.items))
	for i, it := range b.items {
		done[i] = v.e.cache.finished(it, vars, s, key)
		if err := done[i].err; err != nil {
			v.fail("substitute", fileOf(b, i), hintFor(err), "post build failed for '%s/%s': %v", it.id.Gvk, it.id.Name, err)
			return
		}
		if err := collision(b.items, done, i); err != nil {
			v.fail("substitute", fileOf(b, i), "", "%v", err)
			return
		}
	}
	v.openVariables(vars, done)
	v.objects(b, done)
}

func hintFor(err error) string {
	if strings.Contains(err.Error(), "variable not set") {
		return "define it in postBuild, give it a default ${NAME:=value}, or write $${NAME} to keep it as text"
	}
	return ""
}

// collision finds an object that substitution made equal to another, as
// ResMap.Replace does: those before it are substituted, those after it not yet.
func collision(items []*item, done []*finished, i int) error {
	id := done[i].id
	if id == items[i].id {
		return nil
	}
	for j := range items {
		other := items[j].id
		if j < i {
			other = done[j].id
		}
		if j != i && id.Equals(other) {
			return fmt.Errorf("id matched 2 resources: %s", id)
		}
	}
	return nil
}

func (v *evaluator) openVariables(vars *variables, done []*finished) {
	seen := map[string]bool{}
	for _, f := range done {
		for _, name := range f.unknown {
			if seen[name] {
				continue
			}
			seen[name] = true
			v.unknown(UnresolvedVariable, name, strings.Join(vars.open, "; "), "give it a value: --var "+v.out.node.home+":"+name+"=VALUE")
		}
	}
	if len(vars.open) > 0 && len(seen) == 0 {
		why := ", but no object here uses a variable of it"
		if len(v.e.fleet.variables[v.out.node.home]) > 0 {
			why = ": the values given for the cluster stand in"
		}
		v.out.notes = append(v.out.notes, Note{v.out.node.id.String(), strings.Join(vars.open, "; ") + why})
	}
}

// objects gives the finished bodies their origin, and finds the appliers.
func (v *evaluator) objects(b *build, done []*finished) {
	a, n := v.out.applier, v.out.node
	chain := append(append([]object.Applier(nil), n.chain...), a.Applier)
	ciphertexts, told := 0, false
	v.refusals(b, done)
	for i, f := range done {
		switch f.sops {
		case refused:
			if !told {
				told = true
				v.refuse(fileOf(b, i), "set spec.decryption",
					fmt.Sprintf("%s is SOPS encrypted, configuring decryption is required for this secret to be reconciled", "Secret/"+b.items[i].id.Namespace+"/"+b.items[i].id.Name), Definitions)
			}
		case encrypted:
			ciphertexts++
		case plain:
		}
		if f.dropped {
			v.out.notes = append(v.out.notes, Note{n.id.String(), "the controller drops " + b.items[i].id.String() + " in silence: its name or kind is no text, or it is a kustomization file"})
		}
		for _, body := range f.bodies {
			o, err := object.New(body, object.Origin{Cluster: a.Target, Chain: chain})
			if err != nil {
				v.fail("apply", fileOf(b, i), "", "%v", err)
				return
			}
			a.Objects, a.items = append(a.Objects, o), append(a.items, i)
			if fluxApplier(o) {
				at := len(a.items) - 1
				v.out.children = append(v.out.children, &node{
					file: func() string { return a.File(at) },
					id:   object.Applier{Kind: o.ID.Kind, Namespace: o.ID.Namespace, Name: o.ID.Name},
					home: a.Target, root: n.root, object: o, chain: chain, open: n.open || len(f.unknown) > 0,
				})
			}
		}
	}
	if ciphertexts > 0 {
		v.unknown(UnresolvedEncrypted, fmt.Sprintf("%d objects", ciphertexts), "their values are SOPS ciphertext", "")
	}
	if a.State == Suspended {
		a.Objects, a.Held = nil, a.Objects
	}
}

// fluxApplier reports whether o makes a controller write to a cluster.
func fluxApplier(o *object.Object) bool {
	return applies(o.ID.Group, o.ID.Kind)
}

func applies(group, kind string) bool {
	switch group {
	case kustomizev1.GroupVersion.Group:
		return kind == kustomizev1.KustomizationKind
	case "helm.toolkit.fluxcd.io":
		return kind == "HelmRelease"
	case "fluxcd.controlplane.io":
		return kind == "ResourceSet"
	}
	return false
}
