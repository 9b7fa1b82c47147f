package sops

import (
	"testing"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

func TestFormatOf(t *testing.T) {
	for name, want := range map[string]struct{ file, env Format }{
		"a.yaml":                  {YAML, YAML},
		"dir/a.yml":               {YAML, YAML},
		"a.json":                  {JSON, JSON},
		".dockerconfigjson":       {JSON, JSON},
		"x.dockerconfigjson":      {JSON, JSON},
		".env":                    {Dotenv, Dotenv},
		"a.env":                   {Dotenv, Dotenv},
		"a.ini":                   {INI, INI},
		"a.txt":                   {Binary, Dotenv},
		"":                        {Binary, Dotenv},
		"a.YAML":                  {Binary, Dotenv},
		"a.yaml.enc":              {Binary, Dotenv},
		".dockerconfigjson.plain": {Binary, Dotenv},
	} {
		if got := FormatOf(name); got != want.file {
			t.Errorf("%q is %s, want %s", name, got, want.file)
		}
		if got := FormatOfEnv(name); got != want.env {
			t.Errorf("%q in envs is %s, want %s", name, got, want.env)
		}
	}
}

func TestDetect(t *testing.T) {
	for text, want := range map[string]struct {
		format Format
		ok     bool
	}{
		"":                                  {Binary, false},
		"sops:\n  mac: ENC[x]":              {YAML, true},
		"sops:\n  mac: \"ENC[x]\"":          {Binary, false},
		`{"sops": {"mac": "ENC[x]"}}`:       {JSON, true},
		`{"sops":{"mac":"ENC[x]"}}`:         {Binary, false},
		"sops_mac=ENC[x]":                   {Dotenv, true},
		"[sops]\nmac = ENC[x]":              {INI, true},
		"[sops]\n# mac: ENC[x]":             {YAML, true},
		"sops_mac=ENC[x]\n#\"mac\": \"ENC[": {JSON, true},
	} {
		if f, ok := Detect([]byte(text)); f != want.format || ok != want.ok {
			t.Errorf("%q: got %s %v, want %s %v", text, f, ok, want.format, want.ok)
		}
	}
	if !Encrypted([]byte(`"mac": "ENC[`), Binary) || !Encrypted([]byte(`"mac": "ENC[`), JSON) || Encrypted([]byte(`"mac": "ENC[`), YAML) {
		t.Error("the marker of JSON is that of JSON and binary")
	}
}

func TestEncryptedObject(t *testing.T) {
	object := func(sops any) map[string]any { return map[string]any{"kind": "Secret", "sops": sops} }
	for name, c := range map[string]struct {
		object map[string]any
		want   bool
	}{
		"nil":       {nil, false},
		"plain":     {map[string]any{"kind": "Secret"}, false},
		"no map":    {object("x"), false},
		"null":      {object(nil), false},
		"empty":     {object(map[string]any{}), false},
		"no MAC":    {object(map[string]any{"age": []any{}}), false},
		"null MAC":  {object(map[string]any{"mac": nil}), false},
		"empty MAC": {object(map[string]any{"mac": ""}), true},
		"empty map": {object(map[string]any{"mac": map[string]any{}}), false},
		"any MAC":   {object(map[string]any{"mac": "x"}), true},
		"a number":  {object(map[string]any{"mac": int64(0)}), true},
	} {
		if got := EncryptedObject(c.object); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
		if c.object == nil {
			continue
		}
		node, err := yaml.FromMap(c.object)
		if err != nil {
			t.Fatal(err)
		}
		field := node.Field("sops")
		if upstream := !field.IsNilOrEmpty() && !field.Value.Field("mac").IsNilOrEmpty(); upstream != c.want {
			t.Errorf("%s: the controller says %v", name, upstream)
		}
	}
}
