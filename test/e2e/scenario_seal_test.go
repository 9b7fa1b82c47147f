//go:build e2e && linux

package e2e

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
	kyaml "sigs.k8s.io/yaml"
)

// scenarioKeys are new ones for each run: of the platform, and of the tenants.
var scenarioKeys = sync.OnceValues(func() (map[string]*age.X25519Identity, error) {
	out := map[string]*age.X25519Identity{}
	for _, of := range []string{"platform", "tenant"} {
		key, err := age.GenerateX25519Identity()
		if err != nil {
			return nil, err
		}
		out[of] = key
	}
	return out, nil
})

func scenarioKey(t *testing.T, of string) *age.X25519Identity {
	t.Helper()
	keys, err := scenarioKeys()
	if err != nil {
		t.Fatal(err)
	}
	return keys[of]
}

// seal does what files ask for by their first line: "# encrypt: KEY" is a Secret for that key; "# copy: PATH" is the encrypted Secret of that path of the
// hub, with the metadata of the file.
func (f *fleetFiles) seal(t *testing.T) {
	t.Helper()
	each := func(mark string, do func(text, of string) string) {
		for _, files := range f.files {
			for p, text := range files {
				if line, rest, _ := strings.Cut(text, "\n"); strings.HasPrefix(line, mark) {
					files[p] = do(rest, strings.TrimPrefix(line, mark))
				}
			}
		}
	}
	each("# encrypt: ", func(text, of string) string { return sealed(t, text, scenarioKey(t, of)) })
	each("# copy: ", func(text, of string) string {
		var from, to map[string]any
		for text, into := range map[string]*map[string]any{f.files["hub"][of]: &from, text: &to} {
			if err := kyaml.Unmarshal([]byte(text), into); err != nil {
				t.Fatal(err)
			}
		}
		from["metadata"] = to["metadata"]
		return marshalled(t, from)
	})
}

func marshalled(t *testing.T, v any) string {
	t.Helper()
	data, err := kyaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// sealed is a Secret with stringData as sops encrypts it, but for the code that proves it whole, which Flux does not look at.
//
// Source: sops v3.13, aes.Cipher and stores/yaml; kustomize-controller v1.9.5, internal/decryptor.
func sealed(t *testing.T, text string, key *age.X25519Identity) string {
	t.Helper()
	var secret map[string]any
	if err := kyaml.Unmarshal([]byte(text), &secret); err != nil {
		t.Fatal(err)
	}
	dataKey := make([]byte, 32)
	_, _ = rand.Read(dataKey)
	values, _ := secret["stringData"].(map[string]any)
	for k, v := range values {
		values[k] = enciphered(t, dataKey, fmt.Sprint(v), "stringData:"+k+":")
	}
	var wrapped bytes.Buffer
	a := armor.NewWriter(&wrapped)
	w, err := age.Encrypt(a, key.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(dataKey); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	const when = "2026-01-02T03:04:05Z"
	secret["sops"] = map[string]any{
		"age":          []any{map[string]any{"recipient": key.Recipient().String(), "enc": wrapped.String()}},
		"lastmodified": when, "mac": enciphered(t, dataKey, strings.Repeat("0", 128), when), "encrypted_regex": "^(data|stringData)$", "version": "3.13.2",
	}
	return marshalled(t, secret)
}

func enciphered(t *testing.T, key []byte, value, where string) string {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	const nonce = 32
	gcm, err := cipher.NewGCMWithNonceSize(block, nonce)
	if err != nil {
		t.Fatal(err)
	}
	iv := make([]byte, nonce)
	_, _ = rand.Read(iv)
	out := gcm.Seal(nil, iv, []byte(value), []byte(where))
	data, tag := out[:len(out)-gcm.Overhead()], out[len(out)-gcm.Overhead():]
	enc := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("ENC[AES256_GCM,data:%s,iv:%s,tag:%s,type:str]", enc(data), enc(iv), enc(tag))
}
