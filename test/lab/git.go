//go:build linux

package lab

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cgi" //nolint:gosec // the flaw that it warns of was in Go 1.6
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/gliderlabs/ssh"
	gossh "golang.org/x/crypto/ssh"
)

// Git is a Git server for every host there is, over HTTP, HTTPS and SSH: Git's own
// http-backend, upload-pack and receive-pack. It takes any credential, but where [Git.Protect]
// says otherwise.
type Git struct {
	lab  *Lab
	root string // HOST/PATH.git
	tls  net.Listener
	http net.Listener

	hostKey gossh.Signer
	mu      sync.Mutex
	ssh     map[string]net.Listener // by host, since SSH does not say which one it means
	pushers map[string]pusher       // by folder
}

func (l *Lab) startGit(ctx context.Context) error {
	g := &Git{lab: l, root: filepath.Join(l.Dir, "git"), ssh: map[string]net.Listener{}, pushers: map[string]pusher{}}
	core, err := exec.CommandContext(ctx, "git", "--exec-path").Output()
	if err != nil {
		return fmt.Errorf("start the Git server: %w: is git installed?", err)
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	if g.hostKey, err = gossh.NewSignerFromKey(private); err != nil {
		return err
	}
	lc := &net.ListenConfig{}
	if g.http, err = lc.Listen(ctx, "tcp", l.shared(0)); err != nil {
		return err
	}
	plain, err := lc.Listen(ctx, "tcp", l.shared(0))
	if err != nil {
		return err
	}
	g.tls = tls.NewListener(plain, &tls.Config{GetCertificate: l.pki.forName, MinVersion: tls.VersionTLS12})
	file, err := os.Create(l.logFile("git"))
	if err != nil {
		return err
	}
	said := log.New(file, "", log.LstdFlags)
	backend := filepath.Join(strings.TrimSpace(string(core)), "git-http-backend")
	server := &http.Server{Handler: g.handler(backend, said), ErrorLog: said, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(g.http) }()
	go func() { _ = server.Serve(g.tls) }()
	l.atEnd(func() {
		_ = server.Close()
		_ = file.Close()
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, s := range g.ssh {
			_ = s.Close()
		}
	})
	to := func(at net.Listener) func(context.Context, string) (net.Conn, error) {
		return func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", at.Addr().String())
		}
	}
	l.Network.route("80", to(g.http))
	l.Network.route("443", to(g.tls))
	l.Network.route("22", g.dialSSH)
	l.Git = g
	return nil
}

// safe is a path of a repository as forges have them.
var safe = regexp.MustCompile(`^/?[A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*/?$`)

// folder of a repository: its path with or without .git.
func (g *Git) folder(host, repository string) (string, error) {
	repository = strings.TrimSuffix(strings.Trim(path.Clean("/"+repository), "/"), ".git")
	if !safe.MatchString(repository) || strings.Contains(repository, "..") || !safe.MatchString(host) {
		return "", fmt.Errorf("no repository %s at %s", repository, host)
	}
	return filepath.Join(g.root, host, filepath.FromSlash(repository)+".git"), nil
}

// services are the ends of the URLs that Git clients ask for.
var services = regexp.MustCompile(`^(.+?)(?:\.git)?(/(?:info/refs|git-upload-pack|git-receive-pack))$`)

func (g *Git) handler(backend string, said *log.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		m := services.FindStringSubmatch(r.URL.Path)
		if m == nil {
			http.NotFound(w, r)
			return
		}
		dir, err := g.folder(host, m[1])
		if err == nil {
			_, err = os.Stat(dir)
		}
		if err != nil {
			http.NotFound(w, r)
			return
		}
		if g.refuses(w, r, dir) {
			return
		}
		r = r.Clone(r.Context())
		r.URL.Path = "/" + filepath.Base(dir) + m[2]
		(&cgi.Handler{
			Path: backend, Dir: filepath.Dir(dir), Logger: said, Stderr: said.Writer(),
			Env: []string{"GIT_PROJECT_ROOT=" + filepath.Dir(dir), "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=lab", "HOME=" + g.lab.Dir},
		}).ServeHTTP(w, r)
	})
}

// dialSSH opens a connection to the SSH server of a host.
func (g *Git) dialSSH(ctx context.Context, host string) (net.Conn, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := g.ssh[host]
	if at == nil {
		var err error
		if at, err = (&net.ListenConfig{}).Listen(ctx, "tcp", g.lab.shared(0)); err != nil {
			return nil, err
		}
		g.ssh[host] = at
		server := &ssh.Server{
			Handler:          func(s ssh.Session) { g.serveSSH(host, s) }, //nolint:contextcheck // a session has a context of its own
			PublicKeyHandler: func(ssh.Context, ssh.PublicKey) bool { return true },
		}
		server.AddHostKey(g.hostKey)
		go func() { _ = server.Serve(at) }()
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", at.Addr().String())
}

func (g *Git) serveSSH(host string, s ssh.Session) {
	code := 1
	defer func() { _ = s.Exit(code) }()
	command := s.Command()
	if len(command) != 2 || command[0] != "git-upload-pack" && command[0] != "git-receive-pack" {
		_, _ = fmt.Fprintf(s.Stderr(), "lab: %q is no Git service\n", s.RawCommand())
		return
	}
	dir, err := g.folder(host, command[1])
	if err != nil {
		_, _ = fmt.Fprintln(s.Stderr(), "lab:", err)
		return
	}
	if _, protected := g.pusher(dir); protected && command[0] == "git-receive-pack" {
		_, _ = fmt.Fprintln(s.Stderr(), "lab: nobody pushes here over SSH")
		return
	}
	cmd := exec.CommandContext(s.Context(), "git", strings.TrimPrefix(command[0], "git-"), dir) //nolint:gosec // one of two services
	cmd.Stdout, cmd.Stderr = s, s.Stderr()
	cmd.Env = g.lab.env()
	// Not cmd.Stdin: Wait would wait for the client's end of the stream.
	in, err := cmd.StdinPipe()
	if err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(in, s)
		_ = in.Close()
	}()
	var exit *exec.ExitError
	switch err := cmd.Run(); {
	case err == nil:
		code = 0
	case errors.As(err, &exit):
		code = exit.ExitCode()
	}
}

// newSSHKey makes a key: a line of authorized_keys, and OpenSSH's form of the private one.
func newSSHKey() (public, private []byte, err error) {
	key, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	block, err := gossh.MarshalPrivateKey(secret, "lab")
	if err != nil {
		return nil, nil, err
	}
	line, err := gossh.NewPublicKey(key)
	if err != nil {
		return nil, nil, err
	}
	return gossh.MarshalAuthorizedKey(line), pem.EncodeToMemory(block), nil
}

// Credentials are the data of a Secret that a GitRepository of any scheme can use.
func (g *Git) Credentials() (map[string][]byte, error) {
	public, private, err := newSSHKey()
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		"identity":     private,
		"identity.pub": public,
		"known_hosts":  append([]byte("* "), gossh.MarshalAuthorizedKey(g.hostKey.PublicKey())...),
		"username":     []byte("lab"),
		"password":     []byte("lab"),
	}, nil
}
