package render

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"sigs.k8s.io/kustomize/api/konfig"
	kustypes "sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

// Decrypt turns SOPS ciphertext of one format into plain text of another. Formats go
// by SOPS' names: binary, dotenv, ini, json, yaml. The error wraps [ErrNoKey] when none
// of the keys at hand opens it; another error is one that the controller has, too.
type Decrypt func(data []byte, from, to string) ([]byte, error)

// ErrNoKey is wrapped by the error of a [Decrypt] that lacks the key: the ciphertext
// then stays, and its values are not known.
var ErrNoKey = errors.New("no key at hand opens it")

// maxEncrypted is the size in bytes of a file that the controller still decrypts.
//
// Source: kustomize-controller v1.9.5 kustomization_controller.go build.
const maxEncrypted = 5 << 20

// markers tell a file with SOPS metadata by its format.
//
// Source: kustomize-controller v1.9.5 internal/decryptor, sopsFormatToMarkerBytes.
var markers = []struct{ format, text string }{ //nolint:gochecknoglobals // a constant list
	{"binary", `"mac": "ENC[`}, {"dotenv", "sops_mac=ENC["}, {"ini", "[sops]"}, {"json", `"mac": "ENC[`}, {"yaml", "mac: ENC["},
}

// sopsFormat is the format that SOPS takes a file of that name for.
//
// Source: kustomize-controller v1.9.5 formatForPath, and sops v3.13.2 cmd/sops/formats.
func sopsFormat(name string) string {
	switch {
	case strings.HasSuffix(name, ".dockerconfigjson"), strings.HasSuffix(name, ".json"):
		return "json"
	case strings.HasSuffix(name, ".yaml"), strings.HasSuffix(name, ".yml"):
		return "yaml"
	case strings.HasSuffix(name, ".env"):
		return "dotenv"
	case strings.HasSuffix(name, ".ini"):
		return "ini"
	}
	return "binary"
}

// decrypts reports whether the controller decrypts what a Kustomization applies.
func decrypts(spec *kustomizev1.KustomizationSpec) bool {
	return spec.Decryption != nil && spec.Decryption.Provider == "sops"
}

// opener decrypts the files of one build.
type opener struct {
	in       files
	decrypt  Decrypt
	overlay  map[string][]byte // what the build reads in place of files
	revealed []string          // plain values
	visited  map[string]bool
}

// sources decrypts the files that a kustomization and those it is made of name: of
// secret generators, and patches. They are put over the tree before the build, so
// that the hash in a generated name is that of the plain text.
//
// Source: kustomize-controller v1.9.5 internal/decryptor DecryptSources.
func (o *opener) sources(dir string) error {
	if o.visited[dir] {
		return nil
	}
	o.visited[dir] = true
	if e, err := o.in.Stat(dir); err != nil || !e.IsDir() {
		return nil //nolint:nilerr // what is no folder has nothing to decrypt
	}
	kus, err := o.kustomization(dir)
	if err != nil {
		return err
	}
	for _, ref := range references(kus) {
		if err := o.file(path.Join(dir, ref[0]), ref[1]); err != nil {
			return err
		}
	}
	for _, below := range append(slices.Clone(kus.Resources), kus.Components...) {
		if err := o.sources(clamp(path.Join(dir, below))); err != nil {
			return err
		}
	}
	return nil
}

func (o *opener) kustomization(dir string) (*kustypes.Kustomization, error) {
	found := ""
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		p := path.Join(dir, name)
		if _, err := o.in.Stat(p); err != nil && o.overlay[p] == nil {
			continue
		}
		if found != "" {
			return nil, fmt.Errorf("decrypt sources: %s: found multiple kustomization files", dir)
		}
		found = p
	}
	if found == "" {
		return nil, fmt.Errorf("decrypt sources: %s: no kustomization file found", dir)
	}
	data := o.overlay[found]
	if data == nil {
		var err error
		if data, err = o.in.ReadFile(found); err != nil {
			return nil, fmt.Errorf("decrypt sources: %w", err)
		}
	}
	kus := &kustypes.Kustomization{}
	if err := yaml.Unmarshal(data, kus); err != nil {
		return nil, fmt.Errorf("decrypt sources: read %s: %w", found, err)
	}
	return kus, nil
}

// references are the files of a kustomization that may be encrypted, with their formats.
func references(kus *kustypes.Kustomization) (refs [][2]string) {
	for _, gen := range kus.SecretGenerator {
		for _, source := range gen.FileSources {
			key, file, named := strings.Cut(source, "=")
			if !named {
				file = key
			}
			refs = append(refs, [2]string{file, sopsFormat(key)})
		}
		for _, file := range gen.EnvSources {
			format := sopsFormat(file)
			if format == "binary" {
				format = "dotenv"
			}
			refs = append(refs, [2]string{file, format})
		}
	}
	for _, patch := range kus.Patches {
		if u, err := url.Parse(patch.Path); patch.Path != "" && (err != nil || u.Scheme == "" || u.Host == "") {
			refs = append(refs, [2]string{patch.Path, sopsFormat(patch.Path)})
		}
	}
	return refs
}

// file decrypts one file, if it is encrypted.
func (o *opener) file(p, format string) error {
	if p = clamp(p); o.overlay[p] != nil {
		return nil
	}
	e, err := o.in.Stat(p)
	if err != nil || e.IsDir() {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("decrypt %s: file does not exist", p)
		}
		return fmt.Errorf("decrypt %s: it is no regular file", p)
	}
	data, err := o.in.ReadFile(p)
	if err != nil {
		return fmt.Errorf("decrypt %s: %w", p, err)
	}
	if len(data) > maxEncrypted {
		return fmt.Errorf("decrypt %s: cannot decrypt file with size (%d bytes) exceeding limit (%d)", p, len(data), maxEncrypted)
	}
	if !marked(data, format) {
		return nil
	}
	plain, err := o.decrypt(data, format, format)
	if errors.Is(err, ErrNoKey) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("decrypt %s: %w", p, err)
	}
	o.overlay[p] = plain
	o.revealed = append(o.revealed, revealed(data, plain)...)
	return nil
}

func marked(data []byte, format string) bool {
	for _, m := range markers {
		if m.format == format {
			return bytes.Contains(data, []byte(m.text))
		}
	}
	return false
}

// resource decrypts an object that came out of a build, given as JSON.
//
// Source: kustomize-controller v1.9.5 internal/decryptor DecryptResource.
func (o *opener) resource(data []byte) (plain []byte, secrets []string, err error) {
	var content map[string]any
	if !bytes.Contains(data, []byte("ENC[")) && !bytes.Contains(data, []byte(`"Secret"`)) {
		return data, nil, nil
	}
	if err := json.Unmarshal(data, &content); err != nil {
		return nil, nil, fmt.Errorf("read object: %w", err)
	}
	if annotation, _ := at(content, "metadata", "annotations", kustomizev1.GroupVersion.Group+"/decrypt").(string); strings.EqualFold(annotation, disabled) {
		return data, nil, nil
	}
	if at(content, "sops", "mac") != nil {
		plain, err = o.decrypt(data, "json", "json")
		if errors.Is(err, ErrNoKey) {
			return data, nil, nil
		}
		return plain, revealed(data, plain), err
	}
	values, _ := content["data"].(map[string]any)
	if content["kind"] != "Secret" || len(values) == 0 {
		return data, nil, nil
	}
	changed := false
	for _, key := range slices.Sorted(maps.Keys(values)) {
		text, _ := values[key].(string)
		raw, err := base64.StdEncoding.DecodeString(text)
		i := slices.IndexFunc(markers, func(m struct{ format, text string }) bool { return bytes.Contains(raw, []byte(m.text)) })
		if err != nil || i < 0 {
			continue
		}
		out, err := o.decrypt(raw, markers[i].format, sopsFormat(key))
		if errors.Is(err, ErrNoKey) {
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("decrypt Secret field %q: %w", key, err)
		}
		values[key], changed = base64.StdEncoding.EncodeToString(out), true
		secrets = append(secrets, string(out))
	}
	if !changed {
		return data, nil, nil
	}
	plain, err = json.Marshal(content)
	return plain, secrets, err
}

// revealed are the plain values that stand where the ciphertext has encrypted ones.
func revealed(before, after []byte) (values []string) {
	var a, b any
	if yaml.Unmarshal(before, &a) != nil || yaml.Unmarshal(after, &b) != nil {
		return nil
	}
	var walk func(a, b any)
	walk = func(a, b any) {
		switch a := a.(type) {
		case map[string]any:
			with, _ := b.(map[string]any)
			for k, v := range a {
				walk(v, with[k])
			}
		case []any:
			with, _ := b.([]any)
			for i := range min(len(a), len(with)) {
				walk(a[i], with[i])
			}
		case string:
			if strings.HasPrefix(a, "ENC[") && b != nil {
				values = append(values, fmt.Sprint(b))
			}
		}
	}
	walk(a, b)
	slices.Sort(values)
	return slices.Compact(values)
}
