package sops

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	"github.com/getsops/sops/v3/logging"
	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
)

// plain is a file of each format, as the engine writes it.
var plain = map[Format]string{
	YAML: `# a comment
apiVersion: v1
kind: Secret
metadata:
    name: app
stringData:
    # the password
    password: hunter2
    number: "7"
    count: 7
    share: 0.5
    open: true
    none: null
    empty: ""
    list:
        - one
        - 2
    text: |
        two
        lines
---
second: hunter2
`,
	JSON:   "{\n\t\"name\": \"app\",\n\t\"password\": \"hunter2\",\n\t\"count\": 7,\n\t\"big\": 9007199254740993,\n\t\"share\": 0.5,\n\t\"open\": true,\n\t\"none\": null,\n\t\"list\": [\n\t\t\"one\",\n\t\t2\n\t]\n}\n",
	Dotenv: "# a comment\nNAME=app\nPASSWORD=hunter2\nLINES=one\\ntwo\nEMPTY=\n",
	INI:    "[main]\nname     = app\npassword = hunter2\n\n[other]\nname = hunter2\n",
	Binary: "hunter2\x00\xff\nnot text",
}

var allFormats = []Format{YAML, JSON, Dotenv, INI, Binary}

func decrypter(tb testing.TB, o Options) *Decrypter {
	tb.Helper()
	d, err := New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// TestDecrypt: each format with each kind of key.
func TestDecrypt(t *testing.T) {
	identity, forAge := ageKey(t)
	sshFile, forSSH := sshKey(t, "")
	pgpFile, forPGP := pgpKey(t, "")
	cases := map[string]struct {
		options Options
		key     sops.KeyGroup
	}{
		"age":      {Options{AgeKeys: identity}, sops.KeyGroup{forAge}},
		"age file": {Options{AgeKeyFiles: []string{file(t, "keys.txt", fmt.Appendf(nil, "# created: today\r\n\n%s\r\n", string(identity)))}}, sops.KeyGroup{forAge}},
		"SSH":      {Options{SSHKeyFiles: []string{sshFile}}, sops.KeyGroup{forSSH}},
		"PGP":      {Options{PGPKeyFiles: []string{pgpFile}}, sops.KeyGroup{forPGP}},
	}
	for name, c := range cases {
		d := decrypter(t, c.options)
		for _, f := range allFormats {
			t.Run(name+"/"+f.String(), func(t *testing.T) {
				data := encrypt(t, plain[f], f, sops.Metadata{}, c.key)
				if bytes.Contains(data, []byte("hunter2")) || !Encrypted(data, f) {
					t.Fatalf("not encrypted:\n%s", data)
				}
				got, err := d.Decrypt(data, f)
				if diff := cmp.Diff(plain[f], string(got)); err != nil || diff != "" {
					t.Errorf("%v (-want +got):\n%s", err, diff)
				}
			})
		}
	}
}

// upstream is decrypt.DataWithFormat of sops v3.13.2, whose package needs modules
// that nothing else needs.
func upstream(data []byte, f Format) ([]byte, error) {
	tree, err := store(f).LoadEncryptedFile(data)
	if err != nil {
		return nil, err
	}
	key, err := tree.Metadata.GetDataKey()
	if err != nil {
		return nil, err
	}
	cipher := aes.NewCipher()
	mac, err := tree.Decrypt(key, cipher)
	if err != nil {
		return nil, err
	}
	want, err := cipher.Decrypt(tree.Metadata.MessageAuthenticationCode, key, tree.Metadata.LastModified.Format(time.RFC3339))
	if err != nil || want != mac {
		return nil, fmt.Errorf("the MAC is %s, want %s, %w", mac, want, err)
	}
	return store(f).EmitPlainFile(tree.Branches)
}

// TestDecryptLikeUpstream: the engine's own door, which finds its key in the
// environment and checks the MAC, says the same.
func TestDecryptLikeUpstream(t *testing.T) {
	identity, key := ageKey(t)
	t.Setenv("SOPS_AGE_KEY", string(identity))
	d := decrypter(t, Environment())
	for _, f := range allFormats {
		for name, m := range map[string]sops.Metadata{
			"all":            {},
			"some":           {EncryptedRegex: "^(password|PASSWORD|data)$"},
			"not all":        {UnencryptedRegex: "^(name|kind|metadata)$"},
			"by suffix":      {EncryptedSuffix: "word"},
			"by comment":     {EncryptedCommentRegex: "password"},
			"not by comment": {UnencryptedCommentRegex: "password"},
			"own MAC":        {EncryptedRegex: "^password$", MACOnlyEncrypted: true},
		} {
			if f == Binary && name != "all" && name != "some" {
				continue // what is no text cannot be left in plain
			}
			data := encrypt(t, plain[f], f, m, sops.KeyGroup{key})
			want, err := upstream(data, f)
			if err != nil {
				t.Fatalf("%s, %s: %v", f, name, err)
			}
			got, err := d.Decrypt(data, f)
			if diff := cmp.Diff(string(want), string(got)); err != nil || diff != "" {
				t.Errorf("%s, %s: %v (-want +got):\n%s", f, name, err, diff)
			}
			if diff := cmp.Diff(plain[f], string(got)); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", f, name, diff)
			}
		}
	}
}

// TestExamples opens the engine's own example files with the key that it tests with.
func TestExamples(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/getsops/sops/v3").Output()
	dir := strings.TrimSpace(string(out))
	if err != nil || dir == "" {
		t.Skip("the engine's source is not there")
	}
	d := decrypter(t, Options{PGPKeyFiles: []string{filepath.Join(dir, "pgp", "sops_functional_tests_key.asc")}, CheckMAC: true})
	for name, want := range map[string]string{
		"example.yaml": "t00m4nys3cr3tz",
		"example.json": "John",
		"example.ini":  "John",
		"example.txt":  "",
	} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Skip(err)
		}
		got, err := d.Decrypt(data, FormatOf(name))
		if err != nil || bytes.Contains(got, []byte("ENC[")) || !strings.Contains(string(got), want) {
			t.Errorf("%s: %v, %.200s", name, err, got)
		}
		if bytes.Contains(data, []byte("John")) {
			t.Errorf("%s is in plain", name)
		}
	}
}

// TestGnuPG opens what the gpg program encrypts, which is what the controller uses.
func TestGnuPG(t *testing.T) {
	if _, err := exec.LookPath("gpg"); err != nil {
		t.Skip(err)
	}
	home, err := os.MkdirTemp("", "gpg") //nolint:usetesting // short, as there is a socket in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		_ = os.RemoveAll(home)
	})
	gpg := func(in string, args ...string) []byte {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "gpg", append([]string{"--homedir", home, "--batch", "--quiet", "--yes", "--passphrase", "", "--pinentry-mode", "loopback", "--trust-model", "always"}, args...)...)
		cmd.Stdin = strings.NewReader(in)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return out
	}
	for _, algorithm := range []string{"rsa2048", "future-default"} {
		user := algorithm + "@example.com"
		gpg("", "--quick-generate-key", user, algorithm, "default", "never")
		if algorithm == "rsa2048" {
			listed := regexp.MustCompile(`(?m)^fpr:+([0-9A-F]+):`).FindSubmatch(gpg("", "--list-keys", "--with-colons", user))
			gpg("", "--quick-add-key", string(listed[1]), "rsa2048", "encr", "never")
		}
		d := decrypter(t, Options{PGPKeyFiles: []string{file(t, "key.asc", gpg("", "--export-secret-keys", "--armor", user))}})
		answer, err := d.keys.openPGP(gpg("0123456789abcdef0123456789abcdef", "--encrypt", "--armor", "--recipient", user))
		if err != nil || string(answer.Plaintext) != "0123456789abcdef0123456789abcdef" {
			t.Errorf("%s: %v", algorithm, err)
		}
	}
}

// TestConvert: the value of a Secret is written in the format of its key.
func TestConvert(t *testing.T) {
	identity, key := ageKey(t)
	d := decrypter(t, Options{AgeKeys: identity})
	for _, c := range []struct {
		from Format
		name string
		want string
	}{
		{Binary, "tls.key", plain[Binary]},
		{Dotenv, "a.yaml", "# a comment\nNAME: app\nPASSWORD: hunter2\nLINES: |-\n    one\n    two\nEMPTY: \"\"\n"},
		{JSON, "a.json", plain[JSON]},
		{JSON, ".dockerconfigjson", plain[JSON]},
	} {
		data := encrypt(t, plain[c.from], c.from, sops.Metadata{}, sops.KeyGroup{key})
		from, ok := Detect(data)
		if !ok {
			t.Fatalf("not detected:\n%s", data)
		}
		got, err := d.Convert(data, from, FormatOf(c.name))
		if diff := cmp.Diff(c.want, string(got)); err != nil || diff != "" {
			t.Errorf("%s as %s: %v (-want +got):\n%s", c.from, c.name, err, diff)
		}
	}
	data := encrypt(t, plain[YAML], YAML, sops.Metadata{}, sops.KeyGroup{key})
	if _, err := d.Convert(data, YAML, INI); !errors.Is(err, ErrMalformed) {
		t.Errorf("YAML as INI: %v", err)
	}
}

func TestKeys(t *testing.T) {
	first, forFirst := ageKey(t)
	second, forSecond := ageKey(t)
	other, _ := ageKey(t)
	data := encrypt(t, plain[YAML], YAML, sops.Metadata{}, sops.KeyGroup{forFirst, forSecond})
	for name, c := range map[string]struct {
		keys string
		err  error
	}{
		"the first":  {string(first), nil},
		"the second": {string(second), nil},
		"several":    {string(other) + "\n" + string(second), nil},
		"another":    {string(other), ErrNotForUs},
	} {
		d := decrypter(t, Options{AgeKeys: Secret(c.keys)})
		_, err := d.Decrypt(data, YAML)
		if !errors.Is(err, c.err) {
			t.Errorf("%s: got %v, want %v", name, err, c.err)
		}
		if err != nil && (!strings.Contains(err.Error(), forFirst.Recipient) || strings.Contains(err.Error(), "AGE-SECRET")) {
			t.Errorf("%s: %v", name, err)
		}
		for _, text := range []string{fmt.Sprint(d), fmt.Sprintf("%+v %#v %x", *d, d, d), fmt.Sprintf("%v %x %s", Secret(c.keys), Secret(c.keys), Options{AgeKeys: Secret(c.keys)}.AgeKeys)} {
			if strings.Contains(text, c.keys) || strings.Contains(text, fmt.Sprintf("%x", c.keys)) {
				t.Errorf("%s: a key is printed: %s", name, text)
			}
		}
	}
}

func TestNew(t *testing.T) {
	identity, _ := ageKey(t)
	locked, _ := sshKey(t, "passphrase")
	lockedPGP, _ := pgpKey(t, "passphrase")
	for name, c := range map[string]struct {
		options Options
		want    string // in the error
	}{
		"nothing":            {Options{}, ErrNoKey.Error()},
		"comments":           {Options{AgeKeys: Secret("# nothing\n\n")}, ErrNoKey.Error()},
		"a plugin":           {Options{AgeKeys: Secret("AGE-PLUGIN-YUBIKEY-1QQQ")}, ErrNoKey.Error()},
		"not a key":          {Options{AgeKeys: Secret("#\nAGE-SECRET-KEY-1SECRET")}, "line 2"},
		"a changed key":      {Options{AgeKeys: append(identity[:len(identity)-1:len(identity)-1], '!')}, "line 1"},
		"encrypted":          {Options{AgeKeys: Secret("age-encryption.org/v1\n")}, "passphrase"},
		"no file":            {Options{AgeKeyFiles: []string{filepath.Join(t.TempDir(), "keys.txt")}}, "no such file"},
		"a folder":           {Options{AgeKeyFiles: []string{t.TempDir()}}, "not a file"},
		"too long":           {Options{AgeKeyFiles: []string{file(t, "keys.txt", make([]byte, maxKeyFile+1))}}, "more than"},
		"SSH passphrase":     {Options{SSHKeyFiles: []string{locked}}, "passphrase"},
		"SSH nonsense":       {Options{SSHKeyFiles: []string{file(t, "id", []byte("SECRET"))}}, "not an SSH"},
		"PGP passphrase":     {Options{PGPKeyFiles: []string{lockedPGP}}, "passphrase"},
		"PGP nonsense":       {Options{PGPKeyFiles: []string{file(t, "key.asc", []byte("SECRET"))}}, "no PGP private key"},
		"PGP armor nonsense": {Options{PGPKeyFiles: []string{file(t, "key.asc", []byte("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nAAAA\n-----END PGP PRIVATE KEY BLOCK-----\n"))}}, "PGP"},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := New(c.options)
			if d != nil || err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "SECRET") {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestEnvironment: what is there is found, and no program is started.
func TestEnvironment(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("its folders have other names")
	}
	home, elsewhere := t.TempDir(), t.TempDir()
	for _, name := range []string{"SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE", "SOPS_AGE_SSH_PRIVATE_KEY_FILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(home, "config"))
	trap := filepath.Join(elsewhere, "trap")
	t.Setenv("SOPS_AGE_KEY_CMD", "touch "+trap)
	t.Setenv("SOPS_AGE_SSH_PRIVATE_KEY_CMD", "touch "+trap)
	if _, err := New(Environment()); !errors.Is(err, ErrNoKey) {
		t.Errorf("nothing there: %v", err)
	}
	locked, _ := sshKey(t, "passphrase")
	open, _ := sshKey(t, "")
	identity, forAge := ageKey(t)
	_, forOther := ageKey(t)
	put := func(name, from string) string {
		to := filepath.Join(home, name)
		data, err := os.ReadFile(from)
		if err == nil {
			err = errors.Join(os.MkdirAll(filepath.Dir(to), 0o700), os.WriteFile(to, data, 0o600))
		}
		if err != nil {
			t.Fatal(err)
		}
		return to
	}
	put(".ssh/id_ed25519", locked)
	if _, err := New(Environment()); !errors.Is(err, ErrNoKey) {
		t.Errorf("a key with a passphrase: %v", err)
	}
	want := Options{
		AgeKeys:     Secret("x"),
		AgeKeyFiles: []string{"y", put("config/sops/age/keys.txt", file(t, "keys", identity))},
		SSHKeyFiles: []string{"z", put(".ssh/id_ed25519", open)},
	}
	t.Setenv("SOPS_AGE_KEY", "x")
	t.Setenv("SOPS_AGE_KEY_FILE", "y")
	t.Setenv("SOPS_AGE_SSH_PRIVATE_KEY_FILE", "z")
	if diff := cmp.Diff(want, Environment()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	d := decrypter(t, Options{AgeKeyFiles: want.AgeKeyFiles[1:]})
	if _, err := d.Decrypt(encrypt(t, "a: b\n", YAML, sops.Metadata{}, sops.KeyGroup{forAge}), YAML); err != nil {
		t.Error(err)
	}
	// Without an age key of its own the engine would look for one.
	pgpFile, _ := pgpKey(t, "")
	d = decrypter(t, Options{PGPKeyFiles: []string{pgpFile}})
	if _, err := d.Decrypt(encrypt(t, "a: b\n", YAML, sops.Metadata{}, sops.KeyGroup{forOther}), YAML); !errors.Is(err, ErrNotForUs) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(trap); err == nil {
		t.Error("a program of the environment was started")
	}
}

// value is an encrypted value in a file.
var value = regexp.MustCompile(`ENC\[AES256_GCM,data:([^,]*),iv:[^,]*,tag:[^,]*,type:(\w+)\]`)

// swapped changes one character of base64.
func swapped(text string) string {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		panic(err)
	}
	raw[0] ^= 1
	return base64.StdEncoding.EncodeToString(raw)
}

func TestTampered(t *testing.T) {
	identity, key := ageKey(t)
	relaxed := decrypter(t, Options{AgeKeys: identity})
	strict := decrypter(t, Options{AgeKeys: identity, CheckMAC: true})
	data := string(encrypt(t, "open_unencrypted: hello\npassword: hunter2\nother: swordfish\n", YAML, sops.Metadata{}, sops.KeyGroup{key}))
	values := value.FindAllStringSubmatch(data, -1)
	if len(values) != 3 {
		t.Fatalf("%d values in\n%s", len(values), data)
	}
	password, other, mac := values[0], values[1], values[2]
	with := func(old, new string) string { return strings.Replace(data, old, new, 1) }
	for name, c := range map[string]struct {
		data            string
		relaxed, strict error
	}{
		"nothing":           {data, nil, nil},
		"a value":           {with(password[1], swapped(password[1])), ErrTampered, ErrTampered},
		"a value not whole": {with(password[0], password[0][:len(password[0])-9]), ErrTampered, ErrTampered},
		"a value in plain":  {with(password[0], "hunter2"), ErrTampered, ErrTampered},
		"the type":          {with(password[0], strings.Replace(password[0], "type:str", "type:int", 1)), ErrTampered, ErrTampered},
		"an unhashable type": {
			with(password[0], strings.Replace(password[0], "type:str", "type:bytes", 1)), ErrMalformed, ErrMalformed,
		},
		"two places":      {strings.NewReplacer(password[0], other[0], other[0], password[0]).Replace(data), ErrTampered, ErrTampered},
		"plain text":      {with("hello", "world"), nil, ErrTampered},
		"a key removed":   {regexp.MustCompile(`(?m)^other:.*\n`).ReplaceAllString(data, ""), nil, ErrTampered},
		"the MAC":         {with(mac[1], swapped(mac[1])), nil, ErrTampered},
		"the MAC's place": {with(mac[0], password[0]), nil, ErrTampered},
		"no MAC":          {with(mac[0], `""`), nil, ErrTampered},
		"the time":        {with("2026-01-02", "2026-01-03"), nil, ErrTampered},
		"not a time":      {with("2026-01-02", "yesterday"), ErrMalformed, ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			for d, want := range map[*Decrypter]error{relaxed: c.relaxed, strict: c.strict} {
				out, err := d.Decrypt([]byte(c.data), YAML)
				if !errors.Is(err, want) || (err == nil) != (want == nil) {
					t.Errorf("strict %v: got %v, want %v", d.checkMAC, err, want)
				}
				if err != nil && (len(out) > 0 || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "swordfish")) {
					t.Errorf("the error tells: %q, %v", out, err)
				}
			}
		})
	}
}

// TestQuiet: the engine logs comments and recipients if it is allowed to.
func TestQuiet(t *testing.T) {
	identity, key := ageKey(t)
	d := decrypter(t, Options{AgeKeys: identity})
	var log bytes.Buffer
	for _, l := range logging.Loggers {
		old := l.Out
		l.SetOutput(&log)
		t.Cleanup(func() { l.SetOutput(old) })
		if l.IsLevelEnabled(logrus.ErrorLevel) {
			t.Error("the engine may log errors")
		}
	}
	data := encrypt(t, "# hunter2\npassword: hunter2\n", YAML, sops.Metadata{}, sops.KeyGroup{key})
	data = regexp.MustCompile(`(?m)^#ENC.*$`).ReplaceAll(data, []byte("# hunter2"))
	if _, err := d.Decrypt(data, YAML); err != nil {
		t.Fatal(err)
	}
	if log.Len() > 0 {
		t.Errorf("logged: %s", log.String())
	}
}

func TestShamir(t *testing.T) {
	var ids []string
	var groups []sops.KeyGroup
	for range 3 {
		id, key := ageKey(t)
		ids, groups = append(ids, string(id)), append(groups, sops.KeyGroup{key})
	}
	data := string(encrypt(t, plain[YAML], YAML, sops.Metadata{ShamirThreshold: 2}, groups...))
	if !strings.Contains(data, "shamir_threshold: 2") {
		t.Fatalf("no threshold:\n%s", data)
	}
	threshold := func(n string) string { return strings.Replace(data, "shamir_threshold: 2", "shamir_threshold: "+n, 1) }
	for name, c := range map[string]struct {
		ids  []string
		data string
		err  error
	}{
		"all":             {ids, data, nil},
		"two":             {ids[1:], data, nil},
		"one":             {ids[:1], data, ErrNotForUs},
		"huge threshold":  {ids, threshold("9223372036854775807"), ErrNotForUs},
		"no threshold":    {ids[:1], threshold("0"), ErrMalformed},
		"negative":        {ids[:1], threshold("-9223372036854775808"), ErrMalformed},
		"less than there": {ids[:2], threshold("3"), ErrNotForUs},
	} {
		d := decrypter(t, Options{AgeKeys: Secret(strings.Join(c.ids, "\n"))})
		out, err := d.Decrypt([]byte(c.data), YAML)
		if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) || err == nil && string(out) != plain[YAML] {
			t.Errorf("%s: got %v, want %v", name, err, c.err)
		}
	}
}

func TestConcurrent(t *testing.T) {
	identity, forAge := ageKey(t)
	pgpFile, forPGP := pgpKey(t, "")
	d := decrypter(t, Options{AgeKeys: identity, PGPKeyFiles: []string{pgpFile}})
	files := [][]byte{
		encrypt(t, plain[YAML], YAML, sops.Metadata{}, sops.KeyGroup{forAge}),
		encrypt(t, plain[YAML], YAML, sops.Metadata{}, sops.KeyGroup{forPGP}),
	}
	var group sync.WaitGroup
	for i := range 32 {
		group.Go(func() {
			data := files[i%2]
			if out, err := d.Decrypt(data, YAML); err != nil || string(out) != plain[YAML] {
				t.Error(err)
			}
			Fingerprint(data, YAML)
		})
	}
	group.Wait()
}
