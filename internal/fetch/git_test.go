package fetch

import (
	"crypto/ed25519"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// gitRun runs Git itself: what serves the tests is the real thing.
func gitRun(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b",
		"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b", "GIT_ALLOW_PROTOCOL=file")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// gitRepo makes a repository below root with commits on main: one for each tag.
func gitRepo(t *testing.T, root, name string, tags ...string) string {
	t.Helper()
	dir := filepath.Join(root, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	gitRun(t, dir, "init", "-q", "-b", "main")
	for i, tag := range tags {
		write(t, filepath.Join(dir, "app/file.yaml"), "version: "+tag)
		gitRun(t, dir, "add", ".")
		gitRun(t, dir, "commit", "-q", "-m", tag, "--date", fmt.Sprintf("2024-01-%02dT00:00:00Z", i+1))
		if i%2 == 0 {
			gitRun(t, dir, "tag", tag)
		} else {
			gitRun(t, dir, "tag", "-a", "-m", tag, tag)
		}
	}
	return dir
}

// gitServer serves the repositories below root by smart HTTP, as Git does. A
// password, if not "", is wanted.
func gitServer(t *testing.T, root, password string) (*httptest.Server, *atomic.Int32) {
	t.Helper()
	exe, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Skip("no Git")
	}
	var n atomic.Int32
	h := &cgi.Handler{Path: filepath.Join(strings.TrimSpace(string(exe)), "git-http-backend"), Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "HOME=" + root}, Stderr: io.Discard, Logger: quiet()}
	if _, err := os.Stat(h.Path); err != nil {
		t.Skip("no git-http-backend")
	}
	write(t, filepath.Join(root, ".gitconfig"), "[safe]\n\tdirectory = *\n")
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		if _, got, _ := r.BasicAuth(); got != password {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	})
	return s, &n
}

// fileIn reads app/file.yaml of a mirror's commit.
func fileIn(t *testing.T, dir, commit string) string {
	t.Helper()
	repo, err := git.PlainOpen(dir)
	if err != nil {
		t.Fatal(err)
	}
	c, err := repo.CommitObject(plumbing.NewHash(commit))
	if err != nil {
		t.Fatal(err)
	}
	f, err := c.File("app/file.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text, err := f.Contents()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestGit(t *testing.T) {
	root := t.TempDir()
	dir := gitRepo(t, root, "app", "v1.0.0", "v1.1.0", "v2.0.0")
	gitRun(t, dir, "branch", "stable", "v1.0.0")
	gitRun(t, dir, "update-ref", "refs/pull/7/head", "v1.1.0^{commit}")
	hash := func(rev string) string { return gitRun(t, dir, "rev-parse", rev+"^{commit}") }
	s, n := gitServer(t, root, "")
	for name, c := range map[string]struct {
		ref      *sourcev1.GitRepositoryRef
		rev      string // what it should be
		revision string // before the "@"
		refs     string // in the mirror
		kind     error
	}{
		"branch":         {ref: &sourcev1.GitRepositoryRef{Branch: "main"}, rev: "main", revision: "main", refs: "refs/heads/main"},
		"other branch":   {ref: &sourcev1.GitRepositoryRef{Branch: "stable"}, rev: "v1.0.0", revision: "stable", refs: "refs/heads/stable"},
		"tag":            {ref: &sourcev1.GitRepositoryRef{Tag: "v1.0.0", Branch: "main"}, rev: "v1.0.0", revision: "v1.0.0", refs: "refs/tags/v1.0.0"},
		"annotated tag":  {ref: &sourcev1.GitRepositoryRef{Tag: "v1.1.0"}, rev: "v1.1.0", revision: "v1.1.0", refs: "refs/tags/v1.1.0"},
		"range":          {ref: &sourcev1.GitRepositoryRef{SemVer: "1.x"}, rev: "v1.1.0", revision: "v1.1.0", refs: "refs/tags/v1.1.0"},
		"name":           {ref: &sourcev1.GitRepositoryRef{Name: "refs/pull/7/head", Tag: "v2.0.0"}, rev: "v1.1.0", revision: "refs/pull/7/head", refs: "refs/pull/7/head"},
		"HEAD":           {ref: &sourcev1.GitRepositoryRef{Name: "HEAD"}, rev: "main", revision: "HEAD"},
		"master":         {kind: ErrNotFound},
		"no such branch": {ref: &sourcev1.GitRepositoryRef{Branch: "x"}, kind: ErrNotFound},
		"no such tag":    {ref: &sourcev1.GitRepositoryRef{Tag: "v3"}, kind: ErrNotFound},
		"no match":       {ref: &sourcev1.GitRepositoryRef{SemVer: "7.x"}, kind: ErrNotFound},
		"bad range":      {ref: &sourcev1.GitRepositoryRef{SemVer: "seven"}, kind: ErrInvalid},
		"bad commit":     {ref: &sourcev1.GitRepositoryRef{Commit: "abc"}, kind: ErrInvalid},
		"no such commit": {ref: &sourcev1.GitRepositoryRef{Commit: strings.Repeat("a", 40)}, kind: ErrNotFound},
		"odd branch":     {ref: &sourcev1.GitRepositoryRef{Branch: "../../x"}, kind: ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t)
			q := GitRequest{URL: s.URL + "/app", Ref: c.ref}
			m, err := client.Git(t.Context(), q)
			if c.kind != nil {
				want(t, err, c.kind)
				if left := entries(filepath.Join(client.cache.dir, "git")); len(left) > 0 {
					t.Errorf("a failure leaves %v", left)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if m.Commit != hash(c.rev) || m.Revision != c.revision+"@sha1:"+m.Commit || m.FromCache {
				t.Errorf("mirror is %+v", m)
			}
			if got := fileIn(t, m.Dir, m.Commit); got != gitRun(t, dir, "show", c.rev+":app/file.yaml") {
				t.Errorf("file is %q", got)
			}
			if out := gitRun(t, m.Dir, "for-each-ref", "--format=%(refname)"); out != c.refs {
				t.Errorf("references are %q, want %q", out, c.refs)
			}
			gitRun(t, m.Dir, "fsck", "--strict", "--no-dangling")
			before := n.Load()
			again, err := client.Git(t.Context(), q)
			if err != nil || !again.FromCache || again.Dir != m.Dir || again.Revision != m.Revision || n.Load() != before {
				t.Errorf("the second time: %+v, %v", again, err)
			}
		})
	}
}

func TestGitCommit(t *testing.T) {
	root := t.TempDir()
	dir := gitRepo(t, root, "app", "v1.0.0", "v1.1.0", "v2.0.0")
	hidden := gitRun(t, dir, "rev-parse", "v1.1.0^{commit}")
	gitRun(t, dir, "tag", "-d", "v1.0.0", "v1.1.0") // only reachable from main
	gitRun(t, dir, "branch", "other", hidden+"~1")
	s, _ := gitServer(t, root, "")
	for _, allow := range []string{"false", "true"} {
		gitRun(t, dir, "config", "uploadpack.allowReachableSHA1InWant", allow)
		m, err := newClient(t).Git(t.Context(), GitRequest{URL: s.URL + "/app", Ref: &sourcev1.GitRepositoryRef{Commit: hidden, Branch: "main"}})
		if err != nil {
			t.Fatal(err)
		}
		if m.Revision != "main@sha1:"+hidden || fileIn(t, m.Dir, hidden) != "version: v1.1.0" {
			t.Errorf("mirror is %+v", m)
		}
		if got := gitRun(t, m.Dir, "rev-list", "--count", hidden); (got == "1") != (allow == "true") {
			t.Errorf("allowed %s: %s commits", allow, got)
		}
	}
	gitRun(t, dir, "config", "uploadpack.allowReachableSHA1InWant", "false")
	_, err := newClient(t).Git(t.Context(), GitRequest{URL: s.URL + "/app", Ref: &sourcev1.GitRepositoryRef{Commit: hidden, Branch: "other"}})
	want(t, err, ErrNotFound)
}

// TestGitMoves: a branch is asked for again after its interval; the old mirror
// stays as it is.
func TestGitMoves(t *testing.T) {
	root := t.TempDir()
	dir := gitRepo(t, root, "app", "v1.0.0")
	s, _ := gitServer(t, root, "")
	c := newClient(t)
	now := time.Now()
	c.now = func() time.Time { return now }
	q := GitRequest{URL: s.URL + "/app", Ref: &sourcev1.GitRepositoryRef{Branch: "main"}, Interval: time.Minute}
	a, err := c.Git(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "app/file.yaml"), "moved")
	gitRun(t, dir, "commit", "-q", "-a", "-m", "moved")
	now = now.Add(2 * time.Minute)
	b, err := c.Git(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if a.Commit == b.Commit || a.Dir == b.Dir || fileIn(t, a.Dir, a.Commit) != "version: v1.0.0" || fileIn(t, b.Dir, b.Commit) != "moved" {
		t.Errorf("mirrors are %+v and %+v", a, b)
	}
}

// TestGitTied: of tags that differ in build metadata the one of the latest commit.
func TestGitTied(t *testing.T) {
	root := t.TempDir()
	dir := gitRepo(t, root, "app", "v0.1.0")
	for i, tag := range []string{"1.0.0+b", "1.0.0+c", "1.0.0+a"} {
		write(t, filepath.Join(dir, "app/file.yaml"), tag)
		cmd := exec.Command("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-a", "-m", tag)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), fmt.Sprintf("GIT_COMMITTER_DATE=2024-02-0%dT00:00:00Z", i+1))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s", out)
		}
		gitRun(t, dir, "tag", tag)
	}
	s, _ := gitServer(t, root, "")
	c := newClient(t)
	for range 2 { // fetched, then from the cache
		m, err := c.Git(t.Context(), GitRequest{URL: s.URL + "/app", Ref: &sourcev1.GitRepositoryRef{SemVer: "1.x"}})
		if err != nil {
			t.Fatal(err)
		}
		if m.Revision != "1.0.0+a@sha1:"+gitRun(t, dir, "rev-parse", "main") || fileIn(t, m.Dir, m.Commit) != "1.0.0+a" {
			t.Errorf("mirror is %+v", m)
		}
		if out := gitRun(t, m.Dir, "tag"); out != "1.0.0+a\n1.0.0+b\n1.0.0+c" {
			t.Errorf("tags are %q", out)
		}
	}
}

func TestGitSubmodules(t *testing.T) {
	root := t.TempDir()
	gitRepo(t, root, "deep", "v1.0.0")
	for _, r := range [][2]string{{"lib", "deep"}, {"app", "lib"}} {
		dir := gitRepo(t, root, r[0], "v1.0.0")
		gitRun(t, dir, "-c", "protocol.file.allow=always", "submodule", "add", "-q", filepath.Join(root, r[1]), "vendor/"+r[1])
		gitRun(t, dir, "config", "-f", ".gitmodules", "submodule.vendor/"+r[1]+".url", "../"+r[1])
		gitRun(t, dir, "commit", "-q", "-a", "-m", "sub")
	}
	s, _ := gitServer(t, root, "")
	q := GitRequest{URL: s.URL + "/app", Ref: &sourcev1.GitRepositoryRef{Branch: "main"}, RecurseSubmodules: true}
	c := newClient(t)
	m, err := c.Git(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, sub := range m.Submodules {
		got = append(got, sub.Path)
		if fileIn(t, sub.Dir, sub.Commit) != "version: v1.0.0" {
			t.Errorf("submodule %s", sub.Path)
		}
	}
	if strings.Join(got, ",") != "vendor/lib,vendor/lib/vendor/deep" {
		t.Errorf("submodules are %v", got)
	}
	if again, err := c.Git(t.Context(), q); err != nil || !again.FromCache || len(again.Submodules) != 2 {
		t.Errorf("the second time: %+v, %v", again, err)
	}
	// A submodule's host is checked like any other.
	dir := filepath.Join(root, "app")
	gitRun(t, dir, "config", "-f", ".gitmodules", "submodule.vendor/lib.url", "http://169.254.169.254/x")
	gitRun(t, dir, "commit", "-q", "-a", "-m", "evil")
	_, err = newClient(t).Git(t.Context(), q)
	want(t, err, ErrPrivate)
	gitRun(t, dir, "config", "-f", ".gitmodules", "submodule.vendor/lib.url", "file:///etc")
	gitRun(t, dir, "commit", "-q", "-a", "-m", "file")
	_, err = newClient(t).Git(t.Context(), q)
	if err == nil {
		t.Error("a submodule was read from disk")
	}
}

func TestGitCredentials(t *testing.T) {
	root := t.TempDir()
	gitRepo(t, root, "app", "v1.0.0")
	s, _ := gitServer(t, root, "hunter22")
	host := hostOf(t, s)
	q := GitRequest{URL: s.URL + "/app", Ref: &sourcev1.GitRepositoryRef{Branch: "main"}}
	for name, c := range map[string]struct {
		file, text string
		ok         bool
	}{
		"netrc":           {".netrc", "machine other login x password y\nmachine 127.0.0.1\n login joe\n password hunter22\n", true},
		"default":         {".netrc", "default login joe password hunter22", false},
		"git-credentials": {".git-credentials", "https://a:b@github.com\nhttp://joe:hunter22@" + host + "\n", true},
		"other port":      {".git-credentials", "http://joe:hunter22@127.0.0.1:1\n", false},
		"wrong":           {".netrc", "machine 127.0.0.1 login joe password hunter23", false},
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			t.Setenv("HOME", home)
			write(t, filepath.Join(home, c.file), c.text)
			client := newClient(t)
			m, err := client.Git(t.Context(), q)
			if !c.ok {
				if e := want(t, err, ErrDenied); !strings.Contains(e.Hint, ".netrc") || strings.Contains(fmt.Sprintf("%+v", e), "hunter") {
					t.Errorf("error is %+v", e)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			noSecretIn(t, m.Dir, "hunter22")
		})
	}
	with := strings.Replace(q.URL, "://", "://joe:hunter22@", 1)
	client := newClient(t)
	m, err := client.Git(t.Context(), GitRequest{URL: with, Ref: q.Ref})
	if err != nil {
		t.Fatal(err)
	}
	noSecretIn(t, m.Dir, "hunter22")
	_, err = client.Git(t.Context(), GitRequest{URL: with + "/none", Ref: q.Ref})
	if e := want(t, err, ErrNotFound); strings.Contains(fmt.Sprintf("%+v", e), "hunter") {
		t.Errorf("error is %+v", e)
	}
}

func noSecretIn(t *testing.T, dir, secret string) {
	t.Helper()
	filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if data, _ := os.ReadFile(p); strings.Contains(string(data), secret) {
				t.Errorf("%s holds the secret", p)
			}
		}
		return err
	})
}

func TestGitHostile(t *testing.T) {
	c := newClient(t, func(o *Options) { o.Limits.Unpacked = 1 << 20 })
	for url, kind := range map[string]error{
		"file:///etc": ErrInvalid, "file://localhost/etc": ErrUnsupported, "ext::sh -c x": ErrInvalid, "git://example.com/x": ErrUnsupported,
		"git@github.com:a/b": ErrInvalid, "/etc": ErrInvalid, "": ErrInvalid, "http://169.254.169.254/x": ErrPrivate, "ssh://-oProxyCommand=x/y": nil,
	} {
		_, err := c.Git(t.Context(), GitRequest{URL: url})
		if kind == nil && err == nil {
			t.Errorf("%s has no error", url)
		}
		if kind != nil {
			want(t, err, kind)
		}
	}
	root := t.TempDir()
	dir := gitRepo(t, root, "bomb", "v1.0.0")
	write(t, filepath.Join(dir, "zeros"), strings.Repeat("\x00", 8<<20))
	gitRun(t, dir, "add", ".")
	gitRun(t, dir, "commit", "-q", "-m", "bomb")
	s, _ := gitServer(t, root, "")
	_, err := c.Git(t.Context(), GitRequest{URL: s.URL + "/bomb", Ref: &sourcev1.GitRepositoryRef{Branch: "main"}})
	want(t, err, ErrInvalid)
	small := newClient(t, func(o *Options) { o.Limits.Pack = 2000 })
	_, err = small.Git(t.Context(), GitRequest{URL: s.URL + "/bomb", Ref: &sourcev1.GitRepositoryRef{Branch: "main"}})
	want(t, err, ErrInvalid)
	for name, h := range map[string]http.HandlerFunc{
		"html":   func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"refs":   func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "001e# service=git-upload-pack\n0000ffff") },
		"404":    status(404),
		"500":    status(500),
		"empty":  func(http.ResponseWriter, *http.Request) {},
		"parrot": func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) },
	} {
		s := serve(t, h)
		if _, err := c.Git(t.Context(), GitRequest{URL: s.URL + "/x", Ref: &sourcev1.GitRepositoryRef{Branch: "main"}}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// sshServer runs git-upload-pack on the repositories below root for one key.
func sshServer(t *testing.T, root string, host ssh.Signer, user ssh.PublicKey) net.Listener {
	t.Helper()
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if string(key.Marshal()) != string(user.Marshal()) {
			return nil, fmt.Errorf("unknown key")
		}
		return nil, nil
	}}
	config.AddHostKey(host)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serveSSH(conn, config, root)
		}
	}()
	return l
}

func serveSSH(conn net.Conn, config *ssh.ServerConfig, root string) {
	defer conn.Close()
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for nc := range channels {
		ch, reqs, err := nc.Accept()
		if err != nil {
			return
		}
		for req := range reqs {
			req.Reply(req.Type == "exec", nil)
			if req.Type != "exec" {
				continue
			}
			path := strings.Trim(strings.TrimPrefix(string(req.Payload[4:]), "git-upload-pack "), "'")
			cmd := exec.Command("git", "-c", "safe.directory=*", "upload-pack", filepath.Join(root, path))
			cmd.Stdout = ch
			if in, err := cmd.StdinPipe(); err == nil {
				go func() { io.Copy(in, ch); in.Close() }()
			}
			cmd.Run()
			ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{0}))
			ch.Close()
			break
		}
	}
}

func newKey(t *testing.T) (ed25519.PrivateKey, ssh.Signer) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return key, signer
}

func TestGitSSH(t *testing.T) {
	root := t.TempDir()
	gitRepo(t, root, "app", "v1.0.0", "v1.1.0")
	_, host := newKey(t)
	key, user := newKey(t)
	l := sshServer(t, root, host, user.PublicKey())
	home := t.TempDir()
	t.Setenv("HOME", home)
	q := GitRequest{URL: "ssh://git@" + l.Addr().String() + "/app", Ref: &sourcev1.GitRepositoryRef{SemVer: "1.x"}}
	fails := func(part string) {
		t.Helper()
		_, err := newClient(t).Git(t.Context(), q)
		if e := want(t, err, ErrDenied); !strings.Contains(e.Text+e.Hint, part) {
			t.Errorf("error is %+v, want %q", e, part)
		}
	}
	known := filepath.Join(home, ".ssh/known_hosts")
	_, other := newKey(t)
	fails("known_hosts")
	write(t, known, knownhosts.Line([]string{"elsewhere"}, host.PublicKey())+"\n")
	fails("not in known_hosts")
	write(t, known, knownhosts.Line([]string{l.Addr().String()}, other.PublicKey())+"\n")
	fails("not the one")
	write(t, known, knownhosts.Line([]string{l.Addr().String()}, host.PublicKey())+"\n")
	fails("SSH agent")
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(home, ".ssh/id_ed25519"), string(pem.EncodeToMemory(block)))
	c := newClient(t)
	m, err := c.Git(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(m.Revision, "v1.1.0@sha1:") || fileIn(t, m.Dir, m.Commit) != "version: v1.1.0" || c.Stats().Bytes == 0 {
		t.Errorf("mirror is %+v", m)
	}
	q.URL += "-none"
	_, err = newClient(t).Git(t.Context(), q)
	want(t, err, ErrNotFound)
	_, err = newClient(t, func(o *Options) { o.All = false }).Git(t.Context(), q)
	want(t, err, ErrNotAllowed)
	_, err = newClient(t, func(o *Options) { o.Private = nil }).Git(t.Context(), q)
	want(t, err, ErrPrivate)
}

func FuzzNetrc(f *testing.F) {
	f.Add("machine a login b password c\nmacdef x\n y\n\ndefault login d", "a")
	f.Fuzz(func(t *testing.T, text, host string) {
		if _, _, ok := netrc(text, host); ok && !strings.Contains(text, "machine") {
			t.Fatal("an entry without a machine")
		}
	})
}

func FuzzVarint(f *testing.F) {
	f.Add([]byte{0x80, 0x80, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, b []byte) {
		if targetSize(b) < 0 {
			t.Fatal("a size below zero")
		}
	})
}
