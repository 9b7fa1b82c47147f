package fetch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// sshSession is a conversation by SSH over the guard's dialer. ~/.ssh/config and
// proxies are not read.
//
// Source: go-git v5.19.1 plumbing/transport/internal/common/common.go, whose own
// transport dials by itself.
type sshSession struct {
	client *ssh.Client
	run    *ssh.Session
	in     io.WriteCloser
	out    *bufio.Reader
	refs   *packp.AdvRefs
	stop   func() bool
}

// openSSH connects, checks the host's key against known_hosts and starts
// git-upload-pack.
func (r *gitRemote) openSSH(ctx context.Context) (session, error) {
	host, port := r.url.Hostname(), portOf(r.url)
	addr := net.JoinHostPort(host, port)
	known, err := gitssh.NewKnownHostsDb()
	if err != nil {
		return nil, &Error{Kind: ErrDenied, Host: normalHost(host), Text: "no known_hosts file", Hint: knownHint}
	}
	methods, done := r.sshMethods(ctx)
	defer done()
	user := r.user
	if user == "" {
		user = gitssh.DefaultUsername
	}
	r.c.guard.count()
	plain, err := r.c.guard.dial(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	conn := &countedConn{plain, r.c.guard.received, budgetOf(ctx)}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	config := &ssh.ClientConfig{
		User: user, Auth: methods, Timeout: handshakeTime,
		HostKeyCallback: known.HostKeyCallback(), HostKeyAlgorithms: known.HostKeyAlgorithms(addr),
	}
	c, channels, requests, err := ssh.NewClientConn(conn, addr, config)
	if err != nil {
		stop()
		_ = conn.Close()
		return nil, r.explainSSH(ctx, err)
	}
	s := &sshSession{client: ssh.NewClient(c, channels, requests), stop: stop}
	if err := s.start(r.url.Path); err != nil {
		_ = s.Close()
		return nil, r.explainSSH(ctx, err)
	}
	return s, nil
}

const knownHint = "add the host's key: ssh-keyscan HOST >> ~/.ssh/known_hosts, after checking it"

// explainSSH gives errors of SSH their kind.
func (r *gitRemote) explainSSH(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	host := normalHost(r.url.Hostname())
	switch {
	case knownhosts.IsHostKeyChanged(err):
		return &Error{Kind: ErrDenied, Host: host, Text: "its key is not the one in known_hosts", Hint: knownHint}
	case knownhosts.IsHostUnknown(err):
		return &Error{Kind: ErrDenied, Host: host, Text: "its key is not in known_hosts", Hint: knownHint}
	case strings.Contains(err.Error(), "unable to authenticate"):
		return r.explain(transport.ErrAuthenticationRequired)
	}
	return err
}

// sshMethods are the keys of the agent, then those in ~/.ssh without a
// passphrase. done lets go of the agent.
func (r *gitRemote) sshMethods(ctx context.Context) (methods []ssh.AuthMethod, done func()) {
	done = func() {}
	if socket := os.Getenv("SSH_AUTH_SOCK"); socket != "" {
		if conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket); err == nil {
			methods = append(methods, ssh.PublicKeysCallback(agent.NewClient(conn).Signers))
			done = func() { _ = conn.Close() }
		}
	}
	var signers []ssh.Signer
	for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
		data, err := os.ReadFile(filepath.Join(r.c.home, ".ssh", name)) //nolint:gosec // the user's own file
		if err != nil || r.c.home == "" {
			continue
		}
		if key, err := ssh.ParsePrivateKey(data); err == nil {
			signers = append(signers, key)
		}
	}
	if len(signers) > 0 {
		methods = append(methods, ssh.PublicKeys(signers...))
	}
	if r.password != "" {
		methods = append(methods, ssh.Password(r.password))
	}
	return methods, done
}

func (s *sshSession) start(path string) (err error) {
	if s.run, err = s.client.NewSession(); err != nil {
		return err
	}
	if s.in, err = s.run.StdinPipe(); err != nil {
		return err
	}
	out, err := s.run.StdoutPipe()
	if err != nil {
		return err
	}
	s.out = bufio.NewReader(out)
	return s.run.Start("git-upload-pack " + quote(path))
}

// quote makes one shell word of a path.
//
// Source: git quote.c sq_quote_buf.
func quote(s string) string {
	return "'" + strings.NewReplacer(`'`, `'\''`, `!`, `'\!'`).Replace(s) + "'"
}

// AdvertisedReferencesContext reads the references, once.
func (s *sshSession) AdvertisedReferencesContext(context.Context) (*packp.AdvRefs, error) {
	if s.refs != nil {
		return s.refs, nil
	}
	refs := packp.NewAdvRefs()
	switch err := refs.Decode(s.out); {
	case errors.Is(err, packp.ErrEmptyInput):
		return nil, transport.ErrRepositoryNotFound // the program ended without a word
	case errors.Is(err, packp.ErrEmptyAdvRefs):
		return nil, transport.ErrEmptyRemoteRepository
	case err != nil:
		return nil, err
	}
	transport.FilterUnsupportedCapabilities(refs.Capabilities)
	s.refs = refs
	return refs, nil
}

// UploadPack asks for a pack. The answer is to be read before Close.
func (s *sshSession) UploadPack(_ context.Context, req *packp.UploadPackRequest) (*packp.UploadPackResponse, error) {
	if err := req.Validate(); err != nil {
		return nil, fmt.Errorf("ask for pack: %w", err)
	}
	if err := req.UploadRequest.Encode(s.in); err != nil {
		return nil, fmt.Errorf("ask for pack: %w", err)
	}
	if err := req.UploadHaves.Encode(s.in, true); err != nil {
		return nil, fmt.Errorf("ask for pack: %w", err)
	}
	if err := pktline.NewEncoder(s.in).Encodef("done\n"); err != nil {
		return nil, fmt.Errorf("ask for pack: %w", err)
	}
	if err := s.in.Close(); err != nil {
		return nil, fmt.Errorf("ask for pack: %w", err)
	}
	answer := packp.NewUploadPackResponse(req)
	if err := answer.Decode(io.NopCloser(s.out)); err != nil {
		return nil, err
	}
	return answer, nil
}

// Close ends the conversation.
func (s *sshSession) Close() error {
	s.stop()
	if s.run != nil {
		_ = s.run.Close()
	}
	return s.client.Close()
}

// countedConn is counted for a connection.
type countedConn struct {
	net.Conn
	received func(int)
	budget   *budget
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.received(n)
		if !c.budget.take(int64(n)) {
			return 0, fault(ErrInvalid, "too many bytes for one request")
		}
	}
	return n, err
}
