package render

import (
	"context"
	"errors"
	"net/url"
	"strings"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/bulkhead-dev/bulkhead/render/release"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// Repository is a repository at hand: one tree under review, and its other refs.
type Repository struct {
	// URL as Flux sources name it. Scheme, user and a .git suffix make no difference.
	URL string
	// Tree that stands for Branch, or for every branch when Branch is empty.
	Tree     *tree.Tree
	Branch   string
	Revision string // of Tree, as it is shown
	Refs     Refs   // nil: no other ref is at hand
}

// Refs opens other refs of a repository, with the precedence of Flux's
// source-controller: commit, name, tag, semver, branch.
type Refs interface {
	// Resolve returns the tree of ref and its revision as Flux prints it. The
	// error wraps [ErrNoRef] when the repository has no such ref.
	Resolve(ctx context.Context, ref sourcev1.GitRepositoryRef) (*tree.Tree, string, error)
}

// Errors that a caller may test for.
var (
	ErrNoRef      = errors.New("no such ref in this clone")
	ErrNoClusters = errors.New("no cluster found")
)

// Options of a render. The zero value discovers the clusters of the repository.
type Options struct {
	// Clusters that are declared. They come on top of the discovered ones; one
	// of the same name takes the place of the discovered one.
	Clusters []Declared
	// Before is the render of an earlier revision. A cluster that it has and whose
	// sync is gone from this one is still rendered as long as its entry folder is
	// there: Flux on it goes on with that folder. Where both renders have one Cache, a cluster is taken over but for
	// what has changed, when nothing else on it can tell.
	Before *Result
	// Beside is the second revision of a comparison, where this is the first. A cluster that an earlier run
	// has seen, and that is the same in both, is then not rendered, here and where this result is Before: see
	// [Cluster.Recalled].
	Beside *Repository
	// Skip tells clusters whose entry points are not evaluated; nil for none. They are known all the same: what they
	// sync from, and by what name. See [Shard].
	Skip func(cluster string) bool
	// Variables by cluster, for what substituteFrom reads and Git does not hold.
	Variables map[string]map[string]string
	// Sources are further repositories, by URL.
	Sources []Repository
	// Fetch opens what is in no repository at hand; nil: nothing is fetched.
	Fetch Fetch
	// Charts renders charts in place of [release.Render], for instance in a process with
	// limits of its own; nil: in this process.
	Charts func(context.Context, release.Input) (*release.Output, error)
	// Decrypt opens SOPS ciphertext, in memory; nil: its values are not known. A Cache is
	// for renders with one and the same.
	Decrypt Decrypt
	// Parallel bounds the builds that run at once; 0 means one per processor.
	Parallel int
	// Cache keeps builds for later renders; nil means a cache of its own.
	Cache *Cache
	// Progress is told how many appliers are done and found so far; nil for none.
	Progress func(done, found int)

	whole bool // nothing is carried over from Before
}

// Declared is a cluster that the caller names.
type Declared struct {
	Name   string
	Paths  []string // slash paths of its entry folders, from the repository's root
	Labels map[string]string
	Ref    *sourcev1.GitRepositoryRef // nil: what the entry's own sync says
	// APIVersions are the APIs that are there by other means than Git, as
	// "group/version" or "group/version/Kind". Nil: what else is there is not known.
	APIVersions []string
	// KubernetesVersion is like "1.35" or "v1.35.2"; "" when it is not known.
	KubernetesVersion string
}

// RepositoryName is the part of a repository's URL that tells repositories apart: HOST/PATH without scheme,
// user, port and .git; "" for none.
func RepositoryName(raw string) string {
	s := strings.TrimSpace(raw)
	if s == "" {
		return ""
	}
	if u, err := url.Parse(s); err == nil && u.Host != "" {
		s = u.Hostname() + "/" + strings.TrimPrefix(u.Path, "/")
	} else if at, rest, ok := strings.Cut(s, ":"); ok && !strings.Contains(at, "/") {
		s = at[strings.IndexByte(at, '@')+1:] + "/" + rest // user@host:path
	}
	s = strings.TrimSuffix(strings.TrimSuffix(s, "/"), ".git")
	host, p, _ := strings.Cut(s, "/")
	return strings.ToLower(host) + "/" + strings.TrimPrefix(p, "/")
}

// withoutUser is a URL that is safe to show: without the password, and for HTTP
// without the user, which may be a token.
func withoutUser(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.User == nil {
		return raw
	}
	name := u.User.Username()
	if u.User = nil; u.Scheme != "http" && u.Scheme != "https" {
		u.User = url.User(name)
	}
	return u.String()
}
