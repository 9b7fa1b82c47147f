package render

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/normalize"
	ssautil "github.com/fluxcd/pkg/ssa/utils"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/kyaml/resid"

	"github.com/bulkhead-dev/bulkhead/object"
)

// finished is an item after substitution, labels and normalisation.
type finished struct {
	once    sync.Once
	bodies  []*object.Body
	id      resid.ResId // as kustomize sees it after substitution
	unknown []string    // variables that are not in Git
	dropped bool        // the controller drops it in silence: no usable name or kind
	sops    encryption
	err     error

	verdicts []string // why the API server refuses each of the bodies, or ""; nil when it refuses none
}

// encryption says what of an object is SOPS ciphertext.
type encryption uint8

const (
	plain     encryption = iota
	encrypted            // values that only the cluster can decrypt
	refused              // a Secret that the controller refuses without spec.decryption
)

// stamp is what a Kustomization puts on each of its objects.
type stamp struct {
	name, namespace string
	meta            *kustomizev1.CommonMetadata
	decrypt         bool
	secrets         []string // values from Secrets that the Kustomization itself holds, in a patch for one
}

func (s *stamp) key() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\x00%s\x00%t", s.name, s.namespace, s.decrypt)
	if s.meta != nil {
		for _, m := range []map[string]string{s.meta.Labels, s.meta.Annotations} {
			b.WriteByte(0)
			for _, k := range slices.Sorted(maps.Keys(m)) {
				fmt.Fprintf(&b, "\x00%s\x00%s", k, m[k])
			}
		}
	}
	fmt.Fprintf(&b, "\x00%q", s.secrets)
	return b.String()
}

// finish makes of it what the controller applies, once for all appliers that
// make the same. stampKey is s.key().
//
// Source: kustomize-controller v1.9.5: build, ReadObjects, SetOwnerLabels, then
// in apply normalize.UnstructuredList and SetCommonMetadata, in this order.
func (c *Cache) finished(it *item, v *variables, s *stamp, stampKey string) *finished {
	key := stampKey
	substituting := it.usage != nil && v.run()
	if substituting {
		c.substitutions.Add(1)
		key += "\x01" + it.usage.key(v)
	}
	value, _ := it.finished.LoadOrStore(key, &finished{})
	f, _ := value.(*finished)
	f.once.Do(func() {
		data := it.json
		f.id = it.id
		if substituting {
			c.substituted.Add(1)
			if data, f.unknown, f.err = it.usage.substitute(v); f.err != nil {
				return
			}
		}
		f.err = f.make(data, s, slices.Concat(sensitiveValues(it, v, substituting), s.secrets, it.secrets))
		if substituting && f.err == nil {
			f.id = idOf(data, it.id)
		}
	})
	return f
}

func (f *finished) make(data []byte, s *stamp, sensitive []string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("recovered from panic while reading the object: %v", r)
		}
	}()
	objects, err := ssautil.ReadObjects(bytes.NewReader(data))
	if err != nil {
		return err
	}
	f.dropped = len(objects) == 0
	for _, u := range objects {
		if s.decrypt && decryptable(u) {
			f.sops = encrypted
		}
	}
	ssa.NewResourceManager(nil, nil, ssa.Owner{Group: kustomizev1.GroupVersion.Group}).SetOwnerLabels(objects, s.name, s.namespace)
	before := make([]map[string]any, len(objects))
	for i, u := range objects {
		before[i] = u.Object
	}
	if err := normalize.UnstructuredList(objects); err != nil {
		return err
	}
	if s.meta != nil {
		ssautil.SetCommonMetadata(objects, s.meta.Labels, s.meta.Annotations)
	}
	for i, u := range objects {
		if f.sops == plain && encryptedSecret(u) {
			f.sops = refused
		}
		if msg := admit(u, !sameMap(before[i], u.Object), len(sensitive) > 0); msg != "" {
			if f.verdicts == nil {
				f.verdicts = make([]string, len(objects))
			}
			f.verdicts[i] = msg
		}
		f.bodies = append(f.bodies, object.NewBodySensitive(u.Object, sensitive))
	}
	return nil
}

// decryptable reports whether the controller decrypts an object, as it came out of
// the build.
//
// Source: kustomize-controller v1.9.5, internal/decryptor DecryptResource.
func decryptable(u *unstructured.Unstructured) bool {
	if decryptionOff(u) {
		return false
	}
	if sops, _ := u.Object["sops"].(map[string]any); sops["mac"] != nil {
		return true
	}
	values, _, _ := unstructured.NestedMap(u.Object, "data")
	for _, v := range values {
		if s, ok := v.(string); ok && u.GetKind() == "Secret" && holdsSOPS(s) {
			return true
		}
	}
	return false
}

// encryptedSecret reports whether the controller refuses an object that it is
// about to apply. Normalisation comes before that and drops the sops field of every
// Secret that it can read, such as one with stringData only.
//
// Source: kustomize-controller v1.9.5, KustomizationReconciler.apply and
// internal/decryptor IsEncryptedSecret.
func encryptedSecret(u *unstructured.Unstructured) bool {
	_, marked := u.Object["sops"]
	return marked && u.GetKind() == "Secret" && u.GetAPIVersion() == "v1" && !decryptionOff(u)
}

func decryptionOff(u *unstructured.Unstructured) bool {
	return strings.EqualFold(u.GetAnnotations()[kustomizev1.GroupVersion.Group+"/decrypt"], disabled)
}

// sensitiveValues are the values from Secrets that the item's text uses.
func sensitiveValues(it *item, v *variables, substituting bool) []string {
	if !substituting {
		return nil
	}
	var out []string
	for _, n := range it.usage.names {
		if value, ok := v.values[n]; ok && v.sensitive[n] && value != "" {
			out = append(out, value)
		}
	}
	return out
}
