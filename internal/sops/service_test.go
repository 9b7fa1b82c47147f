package sops

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/hcvault"
)

// vault is Vault's transit engine, as far as the engine asks it. It "encrypts" in
// base64.
func vault(t *testing.T, asked *atomic.Int32) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		var in struct{ Plaintext, Ciphertext string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.Header.Get("X-Vault-Token") != "token" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		out := map[string]string{}
		switch {
		case strings.HasPrefix(r.URL.Path, "/v1/transit/encrypt/"):
			out["ciphertext"] = "vault:v1:" + in.Plaintext
		case strings.HasPrefix(r.URL.Path, "/v1/transit/decrypt/"):
			out["plaintext"] = strings.TrimPrefix(in.Ciphertext, "vault:v1:")
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"data": out})
	}))
	t.Cleanup(s.Close)
	return s
}

func TestKeyservice(t *testing.T) {
	var asked, spied atomic.Int32
	server, spy := vault(t, &asked), vault(t, &spied)
	t.Setenv("VAULT_ADDR", server.URL+"/")
	t.Setenv("VAULT_TOKEN", "token")
	data := encrypt(t, plain[YAML], YAML, sops.Metadata{}, sops.KeyGroup{hcvault.NewMasterKey(server.URL, "transit", "app")})
	elsewhere := []byte(strings.ReplaceAll(string(data), server.URL, spy.URL))
	asked.Store(0)

	remote := decrypter(t, Options{Keyservice: true})
	if out, err := remote.Decrypt(data, YAML); err != nil || string(out) != plain[YAML] || asked.Load() == 0 {
		t.Errorf("got %v after %d questions", err, asked.Load())
	}
	if _, err := remote.Decrypt(elsewhere, YAML); !errors.Is(err, ErrNotForUs) || spied.Load() > 0 {
		t.Errorf("another Vault is asked %d times: %v", spied.Load(), err)
	}
	asked.Store(0)
	identity, _ := ageKey(t)
	local := decrypter(t, Options{AgeKeys: identity})
	if _, err := local.Decrypt(data, YAML); !errors.Is(err, ErrNotForUs) || asked.Load() > 0 {
		t.Errorf("without leave, Vault is asked %d times: %v", asked.Load(), err)
	}
	t.Setenv("VAULT_ADDR", "")
	if _, err := remote.Decrypt(data, YAML); !errors.Is(err, ErrNotForUs) || asked.Load() > 0 {
		t.Errorf("without an address, Vault is asked %d times: %v", asked.Load(), err)
	}
}

var envelopeOfVault = regexp.MustCompile(`vault:v1:\S+`)

// TestDataKeyLength: what opens to something else than a key is not used.
func TestDataKeyLength(t *testing.T) {
	var asked atomic.Int32
	server := vault(t, &asked)
	t.Setenv("VAULT_ADDR", server.URL)
	t.Setenv("VAULT_TOKEN", "token")
	d := decrypter(t, Options{Keyservice: true})
	data := encrypt(t, "a: b\n", YAML, sops.Metadata{}, sops.KeyGroup{hcvault.NewMasterKey(server.URL, "transit", "app")})
	if _, err := answer(nil); err == nil {
		t.Error("nothing is a key")
	}
	for length, want := range map[int]error{1: ErrTampered, 33: ErrTampered, maxDataKey + 1: ErrNotForUs} {
		key := base64.StdEncoding.EncodeToString(make([]byte, length))
		changed := envelopeOfVault.ReplaceAllString(string(data), "vault:v1:"+key)
		if _, err := d.Decrypt([]byte(changed), YAML); !errors.Is(err, want) {
			t.Errorf("%d bytes: got %v, want %v", length, err, want)
		}
	}
}
