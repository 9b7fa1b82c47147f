package risk

import (
	"strings"
	"testing"
)

func TestAddress(t *testing.T) {
	for address, want := range map[string]struct{ bare, host string }{
		"https://git.example.com/acme/fleet.git":             {"https://git.example.com/acme/fleet.git", "git.example.com"},
		"https://me:hunter2@git.example.com:8443/acme?a=b#c": {"https://git.example.com:8443/acme", "git.example.com"},
		"ssh://git@Git.Example.com/acme":                     {"ssh://Git.Example.com/acme", "git.example.com"},
		"git@git.example.com:acme/fleet":                     {"git.example.com:acme/fleet", "git.example.com"},
		"oci://registry.example.com/a:hunter2@b/c":           {"oci://registry.example.com/a:hunter2@b/c", "registry.example.com"},
		"https://hunter2:%zz@git.example.com/acme":           {"git.example.com/acme", "git.example.com"},
		"s3.example.com/bucket/prefix":                       {"s3.example.com/bucket/prefix", "s3.example.com"},
		"":                                                   {"", ""},
	} {
		if got := bare(address); got != want.bare {
			t.Errorf("bare(%q) = %q, want %q", address, got, want.bare)
		}
		if got := hostName(address); got != want.host {
			t.Errorf("hostName(%q) = %q, want %q", address, got, want.host)
		}
	}
}

// FuzzAddress: whatever an address is, what is between "//" and "@" is not shown.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"https://%s@host/a", "https://u:%s@host/a", "//%s@host", "https://u:%s@ho st/a", "%s@host:a", "https://u:%s@host:port/a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		const secret = "hunter2hunter2"
		_ = hostName(s)
		s = strings.ReplaceAll(s, "@", "")
		if got := bare("https://user:" + secret + "@" + s); strings.Contains(got, secret) {
			t.Errorf("shows the password: %q", got)
		}
	})
}

func TestChartStep(t *testing.T) {
	for versions, want := range map[[2]string]string{
		{"1.0.0", "2.0.0"}: "chart-major", {"0.3.1", "0.4.0"}: "chart-major", {"0.3.1", "0.3.2"}: "chart-updated", {"1.0.0", "1.1.0"}: "chart-updated",
		{"1.1.0", "1.0.9"}: "chart-downgraded", {"2.0.0", "1.0.0"}: "chart-downgraded", {"1.0.0", "1.0.0"}: "", {"v1.0.0", "1.0.0"}: "",
		{"1.0.0-rc.1", "1.0.0"}: "chart-updated", {"1.0.0+a", "1.0.0+b"}: "", {"", "1.0.0"}: "", {"x", "1.0.0"}: "", {"1.0.0", strings.Repeat("9", 100)}: "",
	} {
		if got := chartStep(versions[0], versions[1]); got != want {
			t.Errorf("%q: %q, want %q", versions, got, want)
		}
	}
}
