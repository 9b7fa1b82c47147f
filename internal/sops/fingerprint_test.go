package sops

import (
	"regexp"
	"strings"
	"testing"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	"github.com/getsops/sops/v3/keyservice"
	"pgregory.net/rapid"
)

func TestFingerprint(t *testing.T) {
	_, key := ageKey(t)
	_, other := ageKey(t)
	group := sops.KeyGroup{key}
	text := "# c\nopen_unencrypted: hello\npassword: hunter2\nother: swordfish\n"
	data := string(encrypt(t, text, YAML, sops.Metadata{}, group))
	value := value.FindAllString(data, -1)
	cases := map[string]struct {
		data  string
		equal bool
	}{
		"itself":            {data, true},
		"the layout":        {strings.NewReplacer("password: ", "password:   ", "other:", "\n\nother:").Replace(data), true},
		"quotes":            {strings.Replace(data, "hello", `"hello"`, 1), true},
		"the time":          {strings.Replace(data, "2026-01-02", "2026-01-03", 1), true},
		"the MAC":           {strings.Replace(data, value[len(value)-1], "ENC[x]", 1), true},
		"the version":       {strings.Replace(data, "3.13.2", "3.9.0", 1), true},
		"the recipient":     {strings.ReplaceAll(data, key.Recipient, other.Recipient), true},
		"a value":           {strings.Replace(data, "iv:", "iv:A", 1), false},
		"a value in plain":  {strings.Replace(data, "hello", "world", 1), false},
		"a type":            {strings.Replace(data, "unencrypted: hello", "unencrypted: 1", 1), false},
		"a name":            {strings.Replace(data, "password:", "passwort:", 1), false},
		"a key more":        {"new: 1\n" + data, false},
		"a key less":        {regexp.MustCompile(`(?m)^other:.*\n`).ReplaceAllString(data, ""), false},
		"a comment":         {regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(data, ""), false},
		"the rule":          {strings.Replace(data, "_unencrypted\n", "_clear\n", 1), false},
		"a document more":   {data + "---\na: b\n", false},
		"unreadable":        {data + "\t", false},
		"encrypted again":   {string(encrypt(t, text, YAML, sops.Metadata{}, group)), false},
		"not encrypted":     {text, false},
		"nothing":           {"", false},
		"not to be read":    {"\x00", false},
		"of another format": {string(encrypt(t, `{"a": "b"}`, JSON, sops.Metadata{}, group)), false},
	}
	want := Fingerprint([]byte(data), YAML)
	seen := map[string]string{}
	for name, c := range cases {
		if name != "itself" && c.data == data {
			t.Errorf("%s: the case changes nothing", name)
		}
		got := Fingerprint([]byte(c.data), YAML)
		if (got == want) != c.equal {
			t.Errorf("%s: equal is %v", name, !c.equal)
		}
		if old, ok := seen[got]; ok && !c.equal {
			t.Errorf("%s and %s have one fingerprint", name, old)
		}
		if !c.equal {
			seen[got] = name
		}
	}
	if Fingerprint([]byte(data), JSON) == want {
		t.Error("the format makes no difference")
	}
}

// TestFingerprintOfUpdate: what `sops updatekeys` and `sops edit` do.
func TestFingerprintOfUpdate(t *testing.T) {
	identity, key := ageKey(t)
	_, more := ageKey(t)
	d := decrypter(t, Options{AgeKeys: identity})
	data := encrypt(t, plain[YAML], YAML, sops.Metadata{}, sops.KeyGroup{key})
	tree, err := load(data, YAML)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := d.dataKey(&tree)
	if err != nil {
		t.Fatal(err)
	}
	tree.Metadata.KeyGroups = []sops.KeyGroup{{key, more}}
	if errs := tree.Metadata.UpdateMasterKeysWithKeyServices(secret, []keyservice.KeyServiceClient{keyservice.NewLocalClient()}); len(errs) > 0 {
		t.Fatal(errs)
	}
	updated, err := store(YAML).EmitEncryptedFile(tree)
	if err != nil {
		t.Fatal(err)
	}
	if Fingerprint(updated, YAML) != Fingerprint(data, YAML) {
		t.Error("another recipient changes the fingerprint")
	}
	cipher := aes.NewCipher()
	if _, err := tree.Decrypt(secret, cipher); err != nil {
		t.Fatal(err)
	}
	tree.Branches[0][1].Value = "v2"
	if _, err := tree.Encrypt(secret, cipher); err != nil {
		t.Fatal(err)
	}
	edited, err := store(YAML).EmitEncryptedFile(tree)
	if err != nil {
		t.Fatal(err)
	}
	if Fingerprint(edited, YAML) == Fingerprint(data, YAML) {
		t.Error("another value does not change the fingerprint")
	}
}

// TestFingerprintLaw: one fingerprint, one plain text.
func TestFingerprintLaw(t *testing.T) {
	identity, key := ageKey(t)
	d := decrypter(t, Options{AgeKeys: identity})
	data := encrypt(t, plain[YAML], YAML, sops.Metadata{}, sops.KeyGroup{key})
	want, fingerprint := string(must(d.Decrypt(data, YAML))), Fingerprint(data, YAML)
	rapid.Check(t, func(r *rapid.T) {
		changed := []byte(string(data))
		for range rapid.IntRange(1, 3).Draw(r, "changes") {
			i := rapid.IntRange(0, len(changed)-1).Draw(r, "at")
			changed[i] = byte(rapid.SampledFrom([]int{' ', '\n', '#', 'A', '0', ':', '=', int(changed[i])}).Draw(r, "byte"))
		}
		if Fingerprint(changed, YAML) != fingerprint {
			return
		}
		if out, err := d.Decrypt(changed, YAML); err == nil && string(out) != want {
			r.Errorf("one fingerprint, but\n%s\nand\n%s", out, want)
		}
	})
}

func must(out []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return out
}

func TestParseValue(t *testing.T) {
	_, key := ageKey(t)
	data := encrypt(t, plain[YAML], YAML, sops.Metadata{}, sops.KeyGroup{key})
	kinds := map[string]int{}
	texts := map[string]string{}
	for _, text := range value.FindAllString(string(data), -1) {
		kind, digest, ok := ParseValue(text)
		if other := texts[digest]; !ok || len(digest) != 64 || other != "" && other != text {
			t.Errorf("%s: %s %s %v", text, kind, digest, ok)
		}
		texts[digest] = text
		kinds[kind]++
	}
	for _, kind := range []string{"str", "int", "float", "bool", "comment"} {
		if kinds[kind] == 0 {
			t.Errorf("no %s among %v", kind, kinds)
		}
	}
	for _, text := range []string{
		"", "ENC[]", "hunter2", "ENC[AES256_GCM,data:,iv:a,tag:b,type:str]", "ENC[AES256_GCM,data:a,iv:a,tag:b,type:x]",
		"ENC[AES256_GCM,data:a,iv:a,tag:b,type:str] ", "xENC[AES256_GCM,data:a,iv:a,tag:b,type:str]",
	} {
		if _, _, ok := ParseValue(text); ok {
			t.Errorf("%q is one", text)
		}
	}
}
