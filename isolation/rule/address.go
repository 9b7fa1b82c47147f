package rule

import (
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

// userAtHost is how SSH is told of a repository: git@host:path.
var userAtHost = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*@[^/]`)

// fetched reports whether kustomize takes an entry for something to fetch.
//
// Source: kustomize API v0.21.1, NewRepoSpecFromURL and IsRemoteFile.
func fetched(entry string) bool {
	s := strings.TrimPrefix(strings.ToLower(entry), "git::")
	return strings.Contains(s, "://") || strings.HasPrefix(s, "github.com") || strings.HasPrefix(s, "www.github.com") ||
		strings.HasPrefix(s, "gh:") || userAtHost.MatchString(s)
}

// byHTTP reports whether kustomize asks for an entry by HTTP, as a file, before it tries anything else.
func byHTTP(entry string) bool {
	s := strings.ToLower(entry)
	return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://")
}

// shown is an address as a message may show it: without a user, a password and a query, which may hold a token.
func shown(address string) string {
	address, _, _ = strings.Cut(address, "?")
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return clipped(address)
	}
	host, path, slash := strings.Cut(rest, "/")
	host = host[strings.LastIndexByte(host, '@')+1:]
	if slash {
		path = "/" + path
	}
	return clipped(scheme + "://" + host + path)
}

// clipped is a text of a tenant on one line, not endless.
func clipped(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, text)
	const most = 200
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// hostOf is the host of an address, without user and port, in lower case; "" when there is none. It takes URLs, user@host:path and host/path.
func hostOf(address string) string {
	s := strings.TrimPrefix(strings.TrimSpace(address), "git::")
	if u, err := url.Parse(s); err == nil && u.Host != "" {
		return strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	}
	if _, rest, ok := strings.Cut(s, "://"); ok {
		s = rest
	}
	s, _, _ = strings.Cut(s, "/")
	s = s[strings.LastIndexByte(s, '@')+1:]
	if a, err := netip.ParseAddrPort(s); err == nil {
		return a.Addr().String()
	}
	if _, err := netip.ParseAddr(s); err != nil {
		s, _, _ = strings.Cut(s, ":")
	}
	return strings.TrimSuffix(strings.ToLower(s), ".")
}

// imageHost is the registry of an image; "docker.io" when the name has none.
func imageHost(image string) string {
	image = strings.TrimPrefix(image, "oci://")
	first, _, ok := strings.Cut(image, "/")
	if !ok || !strings.ContainsAny(first, ".:") && first != "localhost" {
		return "docker.io"
	}
	return hostOf(first)
}

// shared is the block that carriers and clouds use between themselves.
var sharedBlock = netip.MustParsePrefix("100.64.0.0/10") //nolint:gochecknoglobals // a constant

// inside says why a host is one of the cluster's network or of the node's, and not of the internet; "" when it is not.
func inside(host string) string {
	if host == "" {
		return ""
	}
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		a = a.Unmap().WithZone("")
		switch {
		case a.IsLoopback() || a.IsUnspecified():
			return "the controller's own pod"
		case a.IsLinkLocalUnicast():
			return "a link-local address, where clouds keep the credentials of the node"
		case a.IsPrivate() || sharedBlock.Contains(a):
			return "a private address"
		}
		return ""
	}
	labels := strings.Split(host, ".")
	last := labels[len(labels)-1]
	switch {
	case last == "localhost":
		return "the controller's own pod"
	case strings.HasSuffix(host, ".svc") || strings.HasSuffix(host, ".cluster.local"):
		return "a Service of the cluster"
	case len(labels) == 1:
		return "a name that only the cluster's DNS completes"
	case last == "internal" || last == "local":
		return "a name of a private network"
	case last != "" && last[0] >= '0' && last[0] <= '9':
		return "an IP address in another spelling"
	}
	return ""
}

// repositoryOf is HOST/PATH of a URL, as estate.Source has it; "" for none.
func repositoryOf(raw string) string {
	s := strings.TrimSpace(raw)
	if s == "" {
		return ""
	}
	if u, err := url.Parse(s); err == nil && u.Host != "" {
		s = u.Hostname() + "/" + strings.TrimPrefix(u.Path, "/")
	} else if at, rest, ok := strings.Cut(s, ":"); ok && !strings.Contains(at, "/") {
		s = at[strings.IndexByte(at, '@')+1:] + "/" + rest
	}
	s = strings.TrimSuffix(strings.TrimSuffix(s, "/"), ".git")
	host, path, _ := strings.Cut(s, "/")
	return strings.ToLower(host) + "/" + strings.TrimPrefix(path, "/")
}

// begins reports whether an address begins with a prefix of a contract, where that ends at the end of a name: "https://a.example/b" is no
// prefix of "https://a.example/bc", nor is it one of what leads out of it.
func begins(address, prefix string) bool {
	rest, ok := strings.CutPrefix(address, prefix)
	if !ok || prefix == "" || strings.Contains(rest, "..") || strings.Contains(rest, "@") {
		return false
	}
	last := prefix[len(prefix)-1]
	named := last >= 'a' && last <= 'z' || last >= 'A' && last <= 'Z' || last >= '0' && last <= '9'
	return rest == "" || !named || rest[0] == '/' || rest == ".git"
}
