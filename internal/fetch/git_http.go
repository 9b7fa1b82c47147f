package fetch

import (
	"bufio"
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
)

// openHTTP begins a conversation by smart HTTP, over the guard.
func (r *gitRemote) openHTTP(context.Context) (session, error) {
	ep, err := transport.NewEndpoint(r.url.String())
	if err != nil {
		return nil, fault(ErrInvalid, "%s is not a URL", r)
	}
	var method transport.AuthMethod
	if user, password, ok := r.credential(); ok {
		r.c.secrets.add(password)
		method = &githttp.BasicAuth{Username: user, Password: password}
	}
	s, err := githttp.NewClient(r.c.http).NewUploadPackSession(ep, method)
	if err != nil {
		return nil, r.explain(err)
	}
	return s, nil
}

// credential looks for a user and password: in the URL, in ~/.netrc, in
// ~/.git-credentials. Helpers that Git would run are not.
func (r *gitRemote) credential() (user, password string, ok bool) {
	if !r.c.mayCarry(r.url.Scheme, r.url.Hostname(), portOf(r.url)) {
		return "", "", false
	}
	if r.user != "" {
		return r.user, r.password, true
	}
	file := os.Getenv("NETRC")
	if file == "" && r.c.home != "" {
		file = filepath.Join(r.c.home, ".netrc")
	}
	if data, err := os.ReadFile(file); err == nil { //nolint:gosec // the user's own file
		if user, password, ok = netrc(string(data), r.url.Hostname()); ok {
			return user, password, true
		}
	}
	if r.c.home == "" {
		return "", "", false
	}
	data, err := os.ReadFile(filepath.Join(r.c.home, ".git-credentials"))
	if err != nil {
		return "", "", false
	}
	return gitCredentials(string(data), r.url)
}

// netrc finds a host. A "default" entry counts for every host and is therefore
// not used: who writes a repository chooses its host.
//
// Source: netrc(5).
func netrc(text, host string) (user, password string, ok bool) {
	words := bufio.NewScanner(strings.NewReader(dropMacros(text)))
	words.Split(bufio.ScanWords)
	next := func() string {
		if words.Scan() {
			return words.Text()
		}
		return ""
	}
	in := false
	for words.Scan() {
		switch words.Text() {
		case "machine":
			if in {
				return user, password, user != "" || password != ""
			}
			in = normalHost(next()) == normalHost(host)
		case "default":
			if in {
				return user, password, user != "" || password != ""
			}
		case "login":
			if v := next(); in {
				user = v
			}
		case "password":
			if v := next(); in {
				password = v
			}
		case "account":
			next()
		}
	}
	return user, password, in && (user != "" || password != "")
}

// dropMacros takes out "macdef" entries, which go to the next empty line.
func dropMacros(text string) string {
	var out strings.Builder
	in := false
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "macdef"):
			in = true
		case strings.TrimSpace(line) == "":
			in = false
		}
		if !in {
			out.WriteString(line)
		}
	}
	return out.String()
}

// gitCredentials finds a URL in the file of git-credential-store.
//
// Source: git-credential-store(1).
func gitCredentials(text string, want *url.URL) (user, password string, ok bool) {
	for line := range strings.Lines(text) {
		u, err := url.Parse(strings.TrimSpace(line))
		if err != nil || u.User == nil || !sameOrigin(u, want) {
			continue
		}
		if p := strings.Trim(u.Path, "/"); p != "" && p != strings.Trim(want.Path, "/") {
			continue
		}
		password, _ = u.User.Password()
		return u.User.Username(), password, true
	}
	return "", "", false
}
