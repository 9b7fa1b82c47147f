package git

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// UnknownRevisionError says that a revision names no commit of the repository.
type UnknownRevisionError struct {
	Rev  string
	Hint string // "did you mean origin/main?"; may be empty
}

func (e *UnknownRevisionError) Error() string { return fmt.Sprintf("unknown revision %q", e.Rev) }

// minPrefix is how many digits of a hash Git takes for one.
const minPrefix = 4

// Commit finds a revision: a branch, tag, remote branch or full reference, a hash or the first digits of
// one, "@" or "HEAD", "@{upstream}" of a branch; then any number of "~2", "^2", "^{}" and "^{commit}".
// Annotated tags are peeled. The error is an [*UnknownRevisionError], or wraps a [*MissingObjectError].
//
// Source: gitrevisions. The object database, references and configuration are read by go-git, but not
// its ResolveRevision: it prefers a hash prefix to a branch of that name, and skips what it cannot
// interpret, such as "main@{1}".
func (r *Repository) Commit(ctx context.Context, rev string) (*Commit, error) {
	c, err := r.resolve(ctx, rev)
	if err != nil {
		return nil, err
	}
	return r.commit(c), nil
}

func (r *Repository) commit(c *object.Commit) *Commit {
	return &Commit{
		Hash: c.Hash.String(),
		Time: c.Committer.When,
		Tree: tree.New(r.objects, tree.Hash(c.TreeHash)),
	}
}

func (r *Repository) resolve(ctx context.Context, rev string) (*object.Commit, error) {
	base, steps := rev, ""
	if i := strings.IndexAny(rev, "^~"); i >= 0 {
		base, steps = rev[:i], rev[i:]
	}
	name, err := r.base(base)
	if err != nil {
		return nil, err
	}
	if name.IsZero() {
		return nil, &UnknownRevisionError{Rev: rev, Hint: r.near(base)}
	}
	c, err := r.peel(name)
	for err == nil && steps != "" {
		if err = ctx.Err(); err != nil {
			break
		}
		c, steps, err = r.step(c, rev, steps)
	}
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", rev, err)
	}
	return c, nil
}

// base gives the object that a revision without steps names, zero if none.
func (r *Repository) base(rev string) (plumbing.Hash, error) {
	if rev == "" || strings.ContainsAny(rev, ":\x00") {
		return plumbing.ZeroHash, nil
	}
	if len(rev) == len(plumbing.ZeroHash)*2 {
		if b, err := hex.DecodeString(rev); err == nil {
			return plumbing.Hash(b), nil
		}
	}
	if branch, ok := cutUpstream(rev); ok {
		return r.ref(r.upstream(branch))
	}
	if rev == "@" {
		rev = "HEAD"
	}
	for _, rule := range plumbing.RefRevParseRules {
		if h, err := r.ref(plumbing.ReferenceName(fmt.Sprintf(rule, rev))); err != nil || !h.IsZero() {
			return h, err
		}
	}
	return r.prefix(rev)
}

// ref gives the object of a full reference name, zero if there is no such reference.
func (r *Repository) ref(name plumbing.ReferenceName) (plumbing.Hash, error) {
	if !safe(name) {
		return plumbing.ZeroHash, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	ref, err := storer.ResolveReference(r.refs, name)
	if errors.Is(err, plumbing.ErrReferenceNotFound) {
		return plumbing.ZeroHash, nil
	}
	if err != nil {
		return plumbing.ZeroHash, fmt.Errorf("read reference %s: %w", name, err)
	}
	return ref.Hash(), nil
}

// safe keeps names from being read as other files of the .git directory, as Git's refname_is_safe.
func safe(name plumbing.ReferenceName) bool {
	s := string(name)
	if strings.HasPrefix(s, "refs/") {
		return name.Validate() == nil
	}
	return s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == ""
}

func cutUpstream(rev string) (branch string, ok bool) {
	for _, suffix := range []string{"@{upstream}", "@{u}"} {
		if branch, ok := strings.CutSuffix(rev, suffix); ok {
			return branch, true
		}
	}
	return "", false
}

// upstream gives the remote-tracking reference of a branch, of the one checked out if it is "".
func (r *Repository) upstream(branch string) plumbing.ReferenceName {
	if branch == "" || branch == "@" {
		r.mu.Lock()
		head, err := r.refs.Reference(plumbing.HEAD)
		r.mu.Unlock()
		if err != nil || head.Type() != plumbing.SymbolicReference {
			return ""
		}
		branch = head.Target().Short()
	}
	b := r.cfg.Branches[branch]
	switch {
	case b == nil || b.Remote == "" || !b.Merge.IsBranch():
		return ""
	case b.Remote == ".":
		return b.Merge
	}
	return plumbing.NewRemoteReferenceName(b.Remote, b.Merge.Short())
}

// prefix gives the one commit, or tag of a commit, whose hash starts with rev, zero if none.
func (r *Repository) prefix(rev string) (plumbing.Hash, error) {
	rev = strings.ToLower(rev)
	if len(rev) < minPrefix || len(rev) > 40 || strings.Trim(rev, "0123456789abcdef") != "" {
		return plumbing.ZeroHash, nil
	}
	even, err := hex.DecodeString(rev[:len(rev)&^1])
	if err != nil {
		return plumbing.ZeroHash, nil //nolint:nilerr // not a hash
	}
	names, err := r.objects.withPrefix(even)
	if err != nil {
		return plumbing.ZeroHash, fmt.Errorf("look up %s: %w", rev, err)
	}
	var found []plumbing.Hash
	for _, h := range names {
		if !strings.HasPrefix(h.String(), rev) {
			continue
		}
		if _, err := r.peel(h); err == nil {
			found = append(found, h)
		}
	}
	switch len(found) {
	case 0:
		return plumbing.ZeroHash, nil
	case 1:
		return found[0], nil
	}
	return plumbing.ZeroHash, &UnknownRevisionError{
		Rev:  rev,
		Hint: fmt.Sprintf("%d commits start like this, such as %s and %s", len(found), found[0], found[1]),
	}
}

// maxPeel bounds how many tags may point at each other.
const maxPeel = 16

// peel follows annotated tags to their commit.
func (r *Repository) peel(name plumbing.Hash) (*object.Commit, error) {
	for range maxPeel {
		kind, data, err := r.objects.read(plumbing.AnyObject, name)
		if err != nil {
			return nil, err
		}
		switch kind {
		case plumbing.CommitObject:
			return r.objects.commit(name)
		case plumbing.TagObject:
			var t object.Tag
			if err := t.Decode(memory(kind, data)); err != nil {
				return nil, fmt.Errorf("decode tag %s: %w", name, err)
			}
			name = t.Target
		default:
			return nil, fmt.Errorf("%s is a %s, not a commit", name, kind)
		}
	}
	return nil, fmt.Errorf("%s is a tag of too many tags", name)
}

// step takes the first of steps from c.
func (r *Repository) step(c *object.Commit, rev, steps string) (*object.Commit, string, error) {
	for _, s := range []string{"^{commit}", "^{}"} {
		if rest, ok := strings.CutPrefix(steps, s); ok {
			return c, rest, nil
		}
	}
	end := 1
	for end < len(steps) && '0' <= steps[end] && steps[end] <= '9' {
		end++
	}
	n := 1
	if end > 1 {
		var err error
		if n, err = strconv.Atoi(steps[1:end]); err != nil {
			return nil, "", &UnknownRevisionError{Rev: rev}
		}
	}
	unknown := &UnknownRevisionError{Rev: rev}
	var err error
	switch {
	case steps[0] == '^' && n == 0:
	case steps[0] == '^':
		c, err = r.parent(c, n, unknown)
	case steps[0] == '~':
		for ; n > 0 && err == nil; n-- {
			c, err = r.parent(c, 1, unknown)
		}
	default:
		err = unknown
	}
	return c, steps[end:], err
}

// parent gives the nth parent of c, or unknown with a hint.
func (r *Repository) parent(c *object.Commit, n int, unknown *UnknownRevisionError) (*object.Commit, error) {
	switch {
	case r.shallow[c.Hash]:
		unknown.Hint = "the clone is shallow; get the rest with: git fetch --unshallow"
		return nil, unknown
	case n > len(c.ParentHashes):
		unknown.Hint = fmt.Sprintf("%s has %d parents", c.Hash, len(c.ParentHashes))
		return nil, unknown
	}
	return r.objects.commit(c.ParentHashes[n-1])
}

// near names the reference that is most like rev, as a question; "" if none is.
func (r *Repository) near(rev string) string {
	if rev == "" {
		return ""
	}
	if strings.Contains(rev, "@{") {
		return "of the forms with @{...}, only @{upstream} is read"
	}
	best, least := "", len(rev)/3+1
	for _, name := range r.names() {
		d := distance(rev, name)
		if short := name[strings.LastIndexByte(name, '/')+1:]; strings.EqualFold(name, rev) || short == rev {
			d = 0
		}
		if d < least || best == "" && d == least {
			best, least = name, d
		}
	}
	if best == "" {
		return ""
	}
	return "did you mean " + best + "?"
}

// names gives the short names of all branches, remote branches and tags, sorted.
func (r *Repository) names() []string {
	var names []string
	_ = r.eachRef(func(ref *plumbing.Reference) {
		if n := ref.Name(); n.IsBranch() || n.IsRemote() || n.IsTag() {
			names = append(names, n.Short())
		}
	})
	slices.Sort(names)
	return slices.Compact(names)
}

func (r *Repository) eachRef(fn func(*plumbing.Reference)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	iter, err := r.refs.IterReferences()
	if err != nil {
		return fmt.Errorf("list references: %w", err)
	}
	return iter.ForEach(func(ref *plumbing.Reference) error {
		fn(ref)
		return nil
	})
}

// distance is Levenshtein's, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d++
			}
			diagonal = row[j+1]
			row[j+1] = min(d, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
