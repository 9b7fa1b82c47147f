// Package object describes one Kubernetes object: its identity, its content, the way it came to a cluster.
//
// It turns parsed manifests into comparable values. Its invariant: nothing reachable from an
// [Object], a [Body] or a [Set] ever changes, so all of them may be shared by any number of
// goroutines. Start at [New], [NewSet] and [Diff].
package object

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Object is one Kubernetes object as an applier would send it to one cluster.
// ID, Version and Origin are free to read; an object made by [New] must not be changed,
// because sets share it.
type Object struct {
	// ID names the object within a cluster, whatever its API version.
	ID ID
	// Version is the API version without the group, such as "v1beta2".
	Version string
	// Origin says which cluster the object is for, and what put it there.
	Origin Origin

	body *Body
}

// New reads apiVersion, kind, metadata.namespace and metadata.name from body.
// It keeps body, which many objects may share, and the chain of origin.
//
// The error says which field is missing or malformed. An object that has only a generateName is an error:
// server-side apply needs a name. No field may hold a slash (other than the one in apiVersion), as
// the API server demands of the segments of a URL.
func New(body *Body, origin Origin) (*Object, error) {
	if body == nil {
		return nil, errors.New("read object: no content")
	}
	content := body.Map()
	apiVersion, err := text(content, "apiVersion", true)
	if err != nil {
		return nil, err
	}
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil || gv.Version == "" {
		return nil, fmt.Errorf("read object: apiVersion %q is not GROUP/VERSION", apiVersion)
	}
	kind, err := segment(content, "kind", true)
	if err != nil {
		return nil, err
	}
	meta, ok := content["metadata"].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("read object: %s: metadata is missing or not a map", kind)
	}
	name, err := segment(meta, "name", true)
	if err != nil {
		return nil, fmt.Errorf("%w (in metadata of a %s)", err, kind)
	}
	namespace, err := segment(meta, "namespace", false)
	if err != nil {
		return nil, fmt.Errorf("%w (in metadata of %s %s)", err, kind, name)
	}
	return &Object{
		ID:      ID{Group: gv.Group, Kind: kind, Namespace: namespace, Name: name},
		Version: gv.Version,
		Origin:  origin,
		body:    body,
	}, nil
}

// Restored is an object that [New] made in an earlier run, of parts that were kept. Nothing is checked.
func Restored(id ID, version string, origin Origin, body *Body) *Object {
	return &Object{ID: id, Version: version, Origin: origin, body: body}
}

// Body is the content of the object, never nil for an object made by [New].
func (o *Object) Body() *Body { return o.body }

// APIVersion is the group and version as manifests spell them: "apps/v1", and "v1" for the core group.
func (o *Object) APIVersion() string {
	return schema.GroupVersion{Group: o.ID.Group, Version: o.Version}.String()
}

// String is the ID's text. It holds no content, and so no secret.
func (o *Object) String() string { return o.ID.String() }

// text reads a string field. A field that is absent, null or empty is an error when it is required.
func text(m map[string]any, field string, required bool) (string, error) {
	switch v := m[field].(type) {
	case string:
		if v == "" && required {
			return "", fmt.Errorf("read object: %s is empty", field)
		}
		return v, nil
	case nil:
		if required {
			return "", fmt.Errorf("read object: %s is missing", field)
		}
		return "", nil
	default:
		return "", fmt.Errorf("read object: %s is not a string", field)
	}
}

// segment reads a string field that becomes a segment of a URL.
func segment(m map[string]any, field string, required bool) (string, error) {
	s, err := text(m, field, required)
	if err != nil {
		return "", err
	}
	if strings.Contains(s, "/") {
		return "", fmt.Errorf("read object: %s %q holds a slash", field, s)
	}
	return s, nil
}
