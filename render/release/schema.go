package release

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	chart "helm.sh/helm/v4/pkg/chart/v2"
)

// localSchema sees to it that Helm's check of the values reads nothing but the chart. Helm would fetch a schema
// that values.schema.json refers to; such a reference is taken out, with a note, so that all else is still checked. One
// to a file, which the controller's container does not have, is left to fail.
//
// Source: helm.sh/helm/v4 v4.2.4, pkg/chart/common/util/jsonschema.go ValidateAgainstSingleSchema.
func (l *loaded) localSchema(c *chart.Chart) error {
	if c.Schema == nil {
		return nil
	}
	for range 64 {
		missing, err := compiles(c.Schema)
		if missing == "" {
			return nil // it compiles, or Helm says why not
		}
		if strings.HasPrefix(missing, "file:") {
			c.Schema = []byte("false")
			l.notes = append(l.notes, fmt.Sprintf(schemaFile+" of %s refers to %s, which is no part of the chart", c.Name(), missing))
			return nil
		}
		l.notes = append(l.notes, fmt.Sprintf(schemaFile+" of %s refers to %s, which is not read: what it demands is not checked", c.Name(), missing))
		without, ok := withoutRef(c.Schema, missing)
		if !ok || err == nil {
			c.Schema = nil
			return nil
		}
		c.Schema = without
	}
	c.Schema = nil
	return nil
}

const (
	schemaFile = "values.schema.json"
	schemaURL  = "file:///" + schemaFile
)

// compiles reads a schema as Helm does, without opening anything. missing is the first URL that would be, if any.
func compiles(schema []byte) (missing string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("recovered from panic: %v", r)
		}
	}()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return "", err
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(loaderFunc(func(url string) (any, error) {
		if strings.HasPrefix(url, "urn:") {
			return true, nil // as Helm
		}
		if missing == "" {
			missing = url
		}
		return nil, errors.New("not read")
	}))
	if err := compiler.AddResource(schemaURL, doc); err != nil {
		return missing, err
	}
	_, err = compiler.Compile(schemaURL)
	return missing, err
}

type loaderFunc func(url string) (any, error)

// Load implements jsonschema.URLLoader.
func (f loaderFunc) Load(url string) (any, error) { return f(url) }

// withoutRef takes the references to a URL out of a schema, and reports whether there were any.
func withoutRef(schema []byte, missing string) ([]byte, bool) {
	dec := json.NewDecoder(bytes.NewReader(schema))
	dec.UseNumber()
	var doc any
	if err := dec.Decode(&doc); err != nil {
		return nil, false
	}
	base, err := url.Parse(schemaURL)
	if err != nil {
		return nil, false
	}
	found := false
	dropRefs(doc, base, missing, &found)
	out, err := json.Marshal(doc)
	return out, found && err == nil
}

func dropRefs(v any, base *url.URL, missing string, found *bool) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			dropRefs(e, base, missing, found)
		}
	case map[string]any:
		for _, id := range []string{"$id", "id"} {
			if s, ok := v[id].(string); ok {
				if u, err := base.Parse(s); err == nil {
					base = u
				}
			}
		}
		for _, key := range []string{"$ref", "$dynamicRef", "$recursiveRef", "$schema"} {
			s, ok := v[key].(string)
			if !ok {
				continue
			}
			if u, err := base.Parse(s); err == nil {
				u.Fragment, u.RawFragment = "", ""
				if u.String() == missing || strings.TrimSuffix(s, "#") == missing {
					delete(v, key)
					*found = true
				}
			}
		}
		for _, e := range v {
			dropRefs(e, base, missing, found)
		}
	}
}
