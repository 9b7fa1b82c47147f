package fetch

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"time"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
)

// Git fetches the commit that a reference of another repository stands for into
// a bare repository of its own. The repository holds the commit with all its
// files but not its history; where a server gives no single commits, all of it.
//
// That a commit lies on the branch named beside it is checked only in the last
// case; signatures are not looked at.
//
// Source: fluxcd/pkg git/gogit v0.52.0 Client.Clone.
func (c *Client) Git(ctx context.Context, q GitRequest) (*Mirror, error) {
	key, err := json.Marshal(q)
	if err != nil {
		return nil, c.explain(q.URL, err)
	}
	ref := sourcev1.GitRepositoryRef{}
	if q.Ref != nil {
		ref = *q.Ref
	}
	_, what, _ := strings.Cut(cleanURL(q.URL), "://")
	j := job{key: "git " + string(key), what: what, ref: gitRefText(ref)}
	got, err := once(ctx, c, j, func(ctx context.Context, rep *report) (*Mirror, error) {
		repo, err := c.parseGit(q.URL)
		if err != nil {
			return nil, err
		}
		m, err := repo.mirror(ctx, rep, ref, c.age(q.Interval))
		if err == nil && q.RecurseSubmodules {
			left := maxSubmodules
			m.Submodules, err = repo.submodules(ctx, rep, m, ".", &left)
		}
		if err != nil {
			return nil, err
		}
		m.FromCache = !rep.started
		return m, nil
	})
	if err != nil {
		return nil, err
	}
	out := *got
	out.Submodules = append([]Submodule(nil), got.Submodules...)
	return &out, nil
}

func gitRefText(r sourcev1.GitRepositoryRef) string {
	return cmp.Or(r.Commit, r.Name, r.Tag, r.SemVer, r.Branch, "master")
}

// gitRemote is a Git repository elsewhere.
type gitRemote struct {
	c   *Client
	url *url.URL // without user and password
	// user and password are those of the URL, if it has them.
	user, password string
}

func (c *Client) parseGit(raw string) (*gitRemote, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return nil, fault(ErrInvalid, "%s is not a URL", cleanURL(raw))
	}
	switch u.Scheme {
	case "http", "https", "ssh":
	default:
		return nil, fault(ErrUnsupported, "scheme %.20s", u.Scheme)
	}
	r := &gitRemote{c: c, url: u}
	if u.User != nil {
		r.user = u.User.Username()
		r.password, _ = u.User.Password()
		c.secrets.add(r.password)
		if r.password == "" && u.Scheme != "ssh" {
			c.secrets.add(r.user) // a token
		}
	}
	u.User = nil
	return r, nil
}

func (r *gitRemote) String() string { return cleanURL(r.url.String()) }

// session is a conversation with git-upload-pack.
type session interface {
	AdvertisedReferencesContext(ctx context.Context) (*packp.AdvRefs, error)
	UploadPack(ctx context.Context, req *packp.UploadPackRequest) (*packp.UploadPackResponse, error)
	Close() error
}

// pick is what a reference stands for: the commit, and the references that a
// mirror needs so that it is found by the same reference.
type pick struct {
	Commit   string            `json:"commit"`
	Revision string            `json:"revision"`
	Refs     map[string]string `json:"refs,omitempty"` // name -> commit
	branch   string            // where Commit is looked for when the other side gives no single commits; "" is everywhere
}

// folder is the name of the mirror of a pick: of its references, or of its commit
// when there are none.
func (r *gitRemote) folder(p pick) string {
	commit := p.Commit
	if len(p.Refs) > 0 {
		commit = ""
	}
	text, err := json.Marshal([]any{r.String(), commit, p.Refs})
	if err != nil {
		return ""
	}
	return hexOf(digestOf(text))[:40]
}

// mirror gives the bare repository for a reference, from the cache if it is
// there and its age is right. A commit does not age.
func (r *gitRemote) mirror(ctx context.Context, rep *report, ref sourcev1.GitRepositoryRef, age time.Duration) (*Mirror, error) {
	if ref.Commit != "" {
		p := pick{Commit: strings.ToLower(ref.Commit), Revision: "sha1:" + strings.ToLower(ref.Commit)}
		if !plumbing.IsHash(p.Commit) {
			return nil, fault(ErrInvalid, "commit %.80q is not a full hash", ref.Commit)
		}
		if ref.Branch != "" {
			p.Revision, p.branch = ref.Branch+"@"+p.Revision, ref.Branch
		}
		return r.fetch(ctx, rep, nil, p)
	}
	key := "git " + r.String() + " " + refKind(ref) + " " + gitRefText(ref)
	if e, ok := r.c.cache.fresh(key, age); ok {
		var p pick
		if json.Unmarshal([]byte(e.Value), &p) == nil && plumbing.IsHash(p.Commit) {
			if dir, ok := r.c.cache.hasFolder(r.folder(p)); ok {
				return &Mirror{Dir: dir, Commit: p.Commit, Revision: p.Revision}, nil
			}
		}
	}
	s, err := r.open(ctx, rep)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close() }()
	p, tied, err := s.refs.pick(ref)
	if err != nil {
		return nil, err
	}
	m, err := r.fetch(ctx, rep, s, p)
	if err == nil && tied {
		err = latest(m, &p)
	}
	if err != nil {
		return nil, err
	}
	if value, err := json.Marshal(p); err == nil {
		r.c.cache.setRef(entry{Key: key, Value: string(value)})
	}
	return m, nil
}

func refKind(r sourcev1.GitRepositoryRef) string {
	switch {
	case r.Name != "":
		return "name"
	case r.Tag != "":
		return "tag"
	case r.SemVer != "":
		return "semver"
	}
	return "branch"
}

// talk is a conversation whose other side has said what it has.
type talk struct {
	session
	refs *references
}

// refBytes bounds a list of references.
const refBytes = 64 << 20

// open begins a conversation.
func (r *gitRemote) open(ctx context.Context, rep *report) (*talk, error) {
	if err := rep.online(); err != nil {
		return nil, err
	}
	begin := r.openHTTP
	if r.url.Scheme == "ssh" {
		begin = r.openSSH
	}
	s, err := begin(ctx)
	if err != nil {
		return nil, err
	}
	adv, err := s.AdvertisedReferencesContext(withBudget(ctx, refBytes))
	if err != nil {
		_ = s.Close()
		if ctx.Err() != nil { // which looks like an end of the answer
			return nil, ctx.Err()
		}
		return nil, r.explain(err)
	}
	return &talk{s, newReferences(adv)}, nil
}

// explain gives errors of go-git their kind.
func (r *gitRemote) explain(err error) error {
	var e *Error
	var answer interface{ StatusCode() int }
	host := normalHost(r.url.Hostname())
	hint := "credentials are read from ~/.netrc and ~/.git-credentials; no credential helper is run"
	if r.url.Scheme == "ssh" {
		hint = "keys are taken from the SSH agent and from ~/.ssh/id_ed25519, id_ecdsa and id_rsa"
	}
	switch {
	case errors.As(err, &e):
		return err
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrAuthorizationFailed):
		return &Error{Kind: ErrDenied, Host: host, Hint: hint}
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return &Error{Kind: ErrNotFound, Text: "no such repository"}
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		return &Error{Kind: ErrNotFound, Text: "the repository is empty"}
	case errors.As(err, &answer):
		return statusError(answer.StatusCode(), host)
	}
	return err
}
