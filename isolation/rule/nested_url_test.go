package rule

import "testing"

// TestUnder: a prefix ends at the end of a word, whatever the spelling of both.
func TestUnder(t *testing.T) {
	for name, c := range map[string]struct {
		address, prefix string
		want            bool
	}{
		"the same":                      {"https://git.example.com/acme/app", "https://git.example.com/acme/app", true},
		"with .git":                     {"https://git.example.com/acme/app.git", "https://git.example.com/acme/app", true},
		"below":                         {"https://git.example.com/acme/app", "https://git.example.com/acme/", true},
		"the folder itself":             {"oci://ghcr.io/acme", "oci://ghcr.io/acme/", true},
		"half a word":                   {"https://git.example.com/acme-evil/app", "https://git.example.com/acme", false},
		"a dash that is meant":          {"https://git.example.com/acme/billing-x", "https://git.example.com/acme/billing-", true},
		"another host":                  {"https://git.example.com.evil.com/acme", "https://git.example.com", false},
		"a user that looks like a host": {"https://git.example.com@evil.com/acme", "https://git.example.com", false},
		"another port":                  {"https://git.example.com:8443/acme", "https://git.example.com/", false},
		"the default port":              {"ssh://git@git.example.com:22/acme/app", "ssh://git.example.com/acme/", true},
		"up again":                      {"https://git.example.com/acme/../evil/app", "https://git.example.com/acme/", false},
		"up again, encoded":             {"https://git.example.com/acme/%2e%2e/evil/app", "https://git.example.com/acme/", false},
		"another scheme":                {"http://git.example.com/acme/app", "https://git.example.com/acme/", false},
		"case of the host":              {"https://GIT.example.com/acme/app", "https://git.Example.com/acme/", true},
		"case of the path":              {"https://git.example.com/ACME/app", "https://git.example.com/acme/", false},
		"no URL":                        {"https://%zz/", "https://", false},
		"an empty prefix":               {"https://git.example.com/acme", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			have, ok := canonicalURL(c.address)
			if got := ok && under(have, c.prefix, false); got != c.want {
				t.Errorf("%s under %q: %v, want %v (%q, %v)", c.address, c.prefix, got, c.want, have, ok)
			}
		})
	}
}
