package rule

import "testing"

func TestInside(t *testing.T) {
	for host, want := range map[string]bool{
		"169.254.169.254": true, "10.0.0.1": true, "127.0.0.1": true, "::1": true, "::ffff:10.0.0.1": true, "fd00::1": true, "100.64.1.1": true, "0.0.0.0": true,
		"127.1": true, "2130706433": true, "0x7f.1": true, "localhost": true, "a.localhost": true, "dashboard": true, "api.kube-system.svc": true,
		"api.kube-system.svc.cluster.local": true, "metadata.google.internal": true, "printer.local": true,
		"github.com": false, "8.8.8.8": false, "2606:4700::1": false, "svc.example.com": false, "": false, "a..b": false, ".": false, "a.7example.com": false,
	} {
		if got := inside(host) != ""; got != want {
			t.Errorf("inside(%q) is %v", host, got)
		}
	}
}

func TestHostOf(t *testing.T) {
	for address, want := range map[string]string{
		"https://User:pw@Git.Example.com:8443/a/b?ref=v1": "git.example.com", "ssh://git@git.example.com/a": "git.example.com",
		"git@git.example.com:a/b": "git.example.com", "git::https://10.0.0.1/a": "10.0.0.1", "http://[::1]:80/": "::1", "10.0.0.1:9000": "10.0.0.1",
		"s3.amazonaws.com": "s3.amazonaws.com", "minio:9000": "minio", "github.com/a/b": "github.com", "git.example.com.": "git.example.com", "": "", "://": "",
		"https://good.example@10.0.0.1/": "10.0.0.1",
	} {
		if got := hostOf(address); got != want {
			t.Errorf("hostOf(%q) is %q, want %q", address, got, want)
		}
	}
	for image, want := range map[string]string{"nginx": "docker.io", "acme/app": "docker.io", "localhost/app": "localhost", "10.0.0.1:5000/app": "10.0.0.1", "ghcr.io/acme/app:v1": "ghcr.io"} {
		if got := imageHost(image); got != want {
			t.Errorf("imageHost(%q) is %q, want %q", image, got, want)
		}
	}
}

func TestShown(t *testing.T) {
	for address, want := range map[string]string{
		"https://user:token@git.example.com/a?token=t": "https://git.example.com/a", "https://a@b@c/d@e": "https://c/d@e",
		"git@git.example.com:a/b": "git@git.example.com:a/b", "a\nb\x00": "ab",
	} {
		if got := shown(address); got != want {
			t.Errorf("shown(%q) is %q, want %q", address, got, want)
		}
	}
}

func TestBegins(t *testing.T) {
	const prefix = "https://git.example.com/acme/billing"
	for address, want := range map[string]bool{
		prefix: true, prefix + ".git": true, prefix + "/charts": true, prefix + "-evil": false, prefix + "s": false, prefix + "/../auth": false, prefix + ".gitx": false, "": false,
	} {
		if got := begins(address, prefix); got != want {
			t.Errorf("begins(%q) is %v", address, got)
		}
	}
	if !begins("oci://ghcr.io/acme/billing-api", "oci://ghcr.io/acme/billing-") || begins("https://git.example.com@evil.example/", "https://git.example.com") || begins("x", "") {
		t.Error("a prefix that ends in no name, a user, or no prefix")
	}
}

func TestWild(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"a", "a", true},
		{"a", "ab", false},
		{"a*", "ab", true},
		{"*", "", true},
		{"a*c", "abc", true},
		{"a*c", "abcd", false},
		{"a*b*c", "a-b-c", true},
		{"a*b*c", "a-c", false},
		{"ab*ba", "aba", false},
		{"", "", true},
		{"", "a", false},
	} {
		if got := wild(c.pattern, c.text); got != c.want {
			t.Errorf("wild(%q, %q) is %v", c.pattern, c.text, got)
		}
	}
}

func TestLoose(t *testing.T) {
	for pattern, bad := range map[string]bool{
		"": true, ".*": true, "^.*$": true, "^.+$": true, "acme": true, "^acme": true, `^acme\$`: true, `^https://github.com/acme/.+$`: true,
		`^https://github\.com/acme/.+$`: false, "^acme$": false,
	} {
		if why, _ := loose(pattern); (why != "") != bad {
			t.Errorf("loose(%q) is %q", pattern, why)
		}
	}
}
