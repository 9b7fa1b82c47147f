package rule

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUsesIn(t *testing.T) {
	got := usesIn([]byte("kind: A\na: ${one}\nb: ${two:=x}\nc: $${three}\n---\nkustomize.toolkit.fluxcd.io/substitute: disabled\nd: ${four}\n---\ne: ${five:?m} ${six/a/b} ${7} ${} ${"))
	want := []variableUse{
		{Name: "one", Line: 2, Manifest: true},
		{Name: "two", Operator: ":=", Default: "x", Line: 3, Manifest: true},
		{Name: "five", Operator: ":?", Default: "m", Line: 9},
		{Name: "six", Line: 9},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestSOPSIn(t *testing.T) {
	got := sopsIn([]byte(`a: b
---
kind: Secret
metadata: {name: db}
data: {open: eA==, empty: "", closed: "ENC[x]", odd: [1]}
sops:
  age: [{recipient: age1b}, {recipient: age1a}, 7]
  kms: text
  hc_vault: [{vault_address: "https://v", engine_path: e, key_name: k}]
  key_groups: [{pgp: [{fp: F}], age: [{recipient: age1a}]}]
---
sops: text
`))
	want := []sopsDoc{{Kind: "Secret", Name: "db", Recipients: []string{"F", "age1a", "age1b", "https://v/v1/e/keys/k"}, Open: []string{"data.odd", "data.open"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestFieldWith: the field is named, whatever is around it, and nothing is found of nothing.
func TestFieldWith(t *testing.T) {
	doc := map[string]any{"b": []any{map[string]any{"c": "a secret value"}}, "a": int64(1)}
	if got := fieldWith(doc, []string{"secret"}, 0); got != "b[0].c" {
		t.Errorf("%q", got)
	}
	if got := fieldWith(doc, []string{"other"}, 0); got != "" {
		t.Errorf("%q", got)
	}
}

// FuzzRead: what tenants write is read without a panic.
func FuzzRead(f *testing.F) {
	f.Add("kind: Secret\nsops: {age: [{recipient: x}]}\ndata: {a: ENC[}\n---\n${a:=b}", "https://a@b:1/c?d")
	f.Fuzz(func(_ *testing.T, text, address string) {
		sopsIn([]byte(text))
		usesIn([]byte(text))
		plugin(text)
		kustomizationFile{Doc: map[string]any{"resources": []any{text, nil, 1}, "patches": text}}.refs()
		_, _, _, _ = hostOf(address), shown(address), inside(address), imageHost(address)
		_, _, _ = repositoryOf(address), begins(address, text), wild(address, text)
	})
}
