package fetch

import (
	"io"
	stdlog "log"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func quiet() *stdlog.Logger { return stdlog.New(io.Discard, "", 0) }

func TestCleanURL(t *testing.T) {
	for in, want := range map[string]string{
		"https://user:pass@host/x":             "https://host/x",
		"https://token@host:8080/x?sig=1#frag": "https://host:8080/x",
		"https://host/x@y":                     "https://host/x@y",
		"oci://host/repo:tag@sha256:abc":       "oci://host/repo:tag@sha256:abc",
		"oci://host:5000/repo@sha256:abc":      "oci://host:5000/repo@sha256:abc",
		"https://u:p/w@host/x":                 "https://host/x",
		"ssh://git@host:22/x":                  "ssh://host:22/x",
		"https://host?token=x":                 "https://host",
		"https://a@b@host/":                    "https://host/",
	} {
		if got := cleanURL(in); got != want {
			t.Errorf("cleanURL(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestNoSecretInTexts(t *testing.T) {
	c := newClient(t)
	c.secrets.add("s3cr3t/pass word", "x")
	got := c.clean("GET https://u:hunter22@h/p?X-Amz-Signature=abc: s3cr3t/pass word, s3cr3t%2Fpass+word \x1b[31mred\u202e " + strings.Repeat("a", 1000))
	for _, secret := range []string{"hunter22", "Signature", "s3cr3t", "\x1b", "\u202e"} {
		if strings.Contains(got, secret) {
			t.Errorf("%q holds %q", got, secret)
		}
	}
	if len(got) > maxText+10 {
		t.Errorf("%d bytes", len(got))
	}
}

func TestErrorText(t *testing.T) {
	for want, e := range map[string]*Error{
		"fetch ghcr.io/a: not found: no such tag":         {Kind: ErrNotFound, What: "ghcr.io/a", Text: "no such tag"},
		"fetch ghcr.io/a: host is not allowed: ghcr.io":   {Kind: ErrNotAllowed, What: "ghcr.io/a", Host: "ghcr.io"},
		"fetch: access denied: h: the server answers 401": {Kind: ErrDenied, Host: "h", Text: "the server answers 401"},
	} {
		if diff := cmp.Diff(want, e.Error()); diff != "" {
			t.Error(diff)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("https://user:SECRETSECRET@host/x?token=SECRETSECRET")
	f.Add("git clone ssh://SECRETSECRET@host:22")
	f.Fuzz(func(t *testing.T, s string) {
		once := cleanText(s)
		if len(once) > maxText+len("...") {
			t.Fatalf("%d bytes", len(once))
		}
		if strings.ContainsAny(once, "\x00\x1b\r\n") {
			t.Fatalf("%q holds control characters", once)
		}
		for _, scheme := range []string{"https", "oci", "ssh"} {
			in := scheme + "://user:SECRETSECRET@host/path"
			if strings.Contains(cleanText(in+" "+s), "SECRETSECRET") && !strings.Contains(s, "SECRETSECRET") {
				t.Fatal("a password is left")
			}
		}
	})
}
