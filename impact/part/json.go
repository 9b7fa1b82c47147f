package part

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/concern"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// Bounds on what is read: a part may be an artifact that anybody wrote.
const (
	MaxBytes   = 256 << 20 // of one part
	MaxShards  = 4096
	maxObjects = 8 << 20 // JSON objects of one part
)

// Encode writes a part as one line of JSON.
func (p *Part) Encode(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(p)
}

// Decode reads what [Part.Encode] wrote. The error says what is wrong with it; what it gives can be reviewed without harm,
// whoever wrote it.
func Decode(r io.Reader) (*Part, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > MaxBytes:
		return nil, fmt.Errorf("is larger than %d MiB", MaxBytes>>20)
	case len(bytes.TrimSpace(data)) == 0:
		return nil, errors.New("is empty: the shard that should have written it failed")
	case bytes.Count(data, []byte("{")) > maxObjects:
		return nil, fmt.Errorf("has more than %d objects", maxObjects)
	}
	var head struct {
		SchemaVersion string `json:"schemaVersion"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("is no JSON document of a part: %w", err)
	}
	if head.SchemaVersion != SchemaVersion {
		return nil, fmt.Errorf("has schemaVersion %.60q, not %q", head.SchemaVersion, SchemaVersion)
	}
	p := &Part{}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(p); err != nil {
		return nil, fmt.Errorf("is no part: %w", err)
	}
	if dec.More() {
		return nil, errors.New("has something behind the part")
	}
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("is no part: %w", err)
	}
	p.fill()
	return p, nil
}

// fill makes lists of what is null.
func (p *Part) fill() {
	c := &p.Comparison
	c.Files, c.Spokes = some(c.Files), some(c.Spokes)
	for i := range c.Spokes {
		c.Spokes[i].Files = some(c.Spokes[i].Files)
	}
	for i := range p.Clusters {
		k := &p.Clusters[i]
		for j := range k.Waits {
			k.Waits[j].Appliers, k.Waits[j].Files = some(k.Waits[j].Appliers), some(k.Waits[j].Files)
		}
	}
	for i := range p.Changes {
		k := &p.Changes[i]
		if k.Edits == nil {
			k.Edits = Edits{}
		}
		k.Causes, k.Diff.Lines = some(k.Causes), some(k.Diff.Lines)
		for j := range k.Causes {
			k.Causes[j].Via = some(k.Causes[j].Via)
		}
		for _, s := range []*Side{k.Before, k.After} {
			if s != nil {
				s.Chain = some(s.Chain)
			}
		}
	}
}

// check holds what the review of a part relies on.
func (p *Part) check() error {
	if s := p.Shard; s.Of < 1 || s.Of > MaxShards || s.Index < 1 || s.Index > s.Of {
		return fmt.Errorf("there is no shard %d of %d", s.Index, s.Of)
	}
	if p.Appliers < 0 || p.Built < 0 || p.Failures < 0 {
		return errors.New("a number is negative")
	}
	known := map[string]bool{}
	for i := range p.Clusters {
		c := &p.Clusters[i]
		if c.Name == "" || known[c.Name] || i > 0 && c.Name < p.Clusters[i-1].Name {
			return fmt.Errorf("cluster %.60q has no name, or is there twice, or out of order", c.Name)
		}
		known[c.Name] = true
		if err := c.check(); err != nil {
			return fmt.Errorf("cluster %.60q: %w", c.Name, err)
		}
	}
	objects := map[string]bool{} // each once on a cluster
	for i := range p.Changes {
		c := &p.Changes[i]
		if err := c.check(known); err != nil {
			return fmt.Errorf("the change of %.100q: %w", c.ID.String(), err)
		}
		for _, name := range c.Clusters {
			if k := name + "\x00" + c.ID.String(); objects[k] {
				return fmt.Errorf("the change of %.100q is told twice of cluster %.60q", c.ID.String(), name)
			} else {
				objects[k] = true
			}
		}
	}
	for _, f := range p.Files {
		for _, w := range []*concern.Whose{f.Said, f.Claim} {
			if w != nil && (!w.Concern.Valid() || w.Else != nil) {
				return fmt.Errorf("file %.100q is of nobody", f.Path)
			}
		}
	}
	return nil
}

func (c *Cluster) check() error {
	for i := range c.Failures {
		if c.Failures[i].Cluster != c.Name {
			return errors.New("it has a failure of another one")
		}
	}
	for i := range c.Unresolved {
		if c.Unresolved[i].Cluster != c.Name {
			return errors.New("something is unresolved of another one")
		}
	}
	for i := range c.Unknown {
		if c.Unknown[i].Cluster != c.Name {
			return errors.New("something is unknown of another one")
		}
	}
	for i := range c.Withheld {
		if c.Withheld[i].Cluster != c.Name {
			return errors.New("it has a withheld applier of another one")
		}
	}
	for i := range c.Waits {
		if c.Waits[i].Cluster != c.Name {
			return errors.New("it has a wait of another one")
		}
	}
	for i := range c.Loose {
		if err := c.Loose[i].check([]string{c.Name}); err != nil {
			return err
		}
	}
	for i := range c.Whose {
		if err := checkWhose(&c.Whose[i].Whose); err != nil {
			return err
		}
	}
	n := c.Counts
	if slices.Min([]int{n.Added, n.Changed, n.Removed, n.Moved, n.Failures, n.Unresolved, c.FailuresBefore, c.UnresolvedBefore}) < 0 {
		return errors.New("a number is negative")
	}
	return nil
}

func (c *Change) check(known map[string]bool) error {
	switch {
	case c.ID.Kind == "" || c.ID.Name == "":
		return errors.New("it has no kind or no name")
	case len(c.Like) != 32:
		return errors.New("like is no digest")
	case !slices.Contains(impact.Kinds(), c.Kind):
		return fmt.Errorf("there is no kind %.20q of changes", c.Kind)
	case !slices.Contains([]impact.Fate{"", impact.Deleted, impact.Orphaned, impact.Unsure}, c.Fate):
		return fmt.Errorf("there is no fate %.20q", c.Fate)
	case len(c.Clusters) == 0 || !slices.IsSorted(c.Clusters):
		return errors.New("its clusters are missing or not sorted")
	}
	for i, name := range c.Clusters {
		if !known[name] || i > 0 && name == c.Clusters[i-1] {
			return fmt.Errorf("cluster %.60q is not of this part, or is there twice", name)
		}
	}
	for i := range c.Risks {
		if err := c.Risks[i].check(c.Clusters); err != nil {
			return err
		}
	}
	for _, l := range c.Diff.Lines {
		if !slices.Contains([]string{" ", "-", "+", "@"}, l.Op) {
			return fmt.Errorf("there is no line %.20q in a difference", l.Op)
		}
	}
	return checkWhose(&c.Whose)
}

func (r *Risk) check(clusters []string) error {
	if r.Rule == "" || !slices.Contains(finding.Severities(), r.Severity) {
		return errors.New("a risk has no rule or no severity")
	}
	for i, name := range r.Clusters {
		if _, of := slices.BinarySearch(clusters, name); !of || i > 0 && name <= r.Clusters[i-1] {
			return fmt.Errorf("a risk is of cluster %.60q, which is not of the change", name)
		}
	}
	if len(r.Clusters) == 0 {
		return errors.New("a risk has no cluster")
	}
	return nil
}

func checkWhose(w *concern.Whose) error {
	if !w.Concern.Valid() || (w.Alone == "") != (w.Else == nil) || w.Else != nil && (!w.Else.Concern.Valid() || w.Else.Else != nil) {
		return fmt.Errorf("there is no concern %.60q", w.Concern)
	}
	return nil
}

// MismatchError says why parts cannot be put together.
type MismatchError struct {
	What string
	Cure string // what to do about it
}

// Error implements error.
func (e *MismatchError) Error() string { return e.What + ": " + e.Cure }

// Check says why parts cannot be put together: they are not all of one comparison, or some are missing. Names are theirs, such as
// those of the files. The error is a [*MismatchError].
func Check(names []string, parts []*Part) error {
	first := parts[0]
	seen := make([]string, first.Shard.Of)
	clusters := map[string]string{}
	for i, p := range parts {
		if what, cure := differs(first, p); what != "" {
			return &MismatchError{names[0] + " and " + names[i] + " have " + what, cure}
		}
		if twice := seen[p.Shard.Index-1]; twice != "" {
			return &MismatchError{fmt.Sprintf("%s and %s are both shard %d of %d", twice, names[i], p.Shard.Index, p.Shard.Of), "leave one of them out"}
		}
		seen[p.Shard.Index-1] = names[i]
		for j := range p.Clusters {
			name := p.Clusters[j].Name
			if other := clusters[name]; other != "" {
				return &MismatchError{
					fmt.Sprintf("cluster %.60q is in %s and in %s: something that was fetched writes to it from another cluster by kubeConfig", name, other, names[i]),
					"compare this fleet without --shard",
				}
			}
			clusters[name] = names[i]
		}
	}
	var missing []int
	for i, name := range seen {
		if name == "" {
			missing = append(missing, i+1)
		}
	}
	if len(missing) > 0 {
		few := strings.ReplaceAll(strings.Trim(fmt.Sprint(missing[:min(len(missing), 10)]), "[]"), " ", ", ")
		return &MismatchError{
			fmt.Sprintf("%d of %d parts %s missing: shard %s", len(missing), first.Shard.Of, phrase.Verb(len(missing), "is", "are"), few),
			fmt.Sprintf("run bulkhead impact --shard %d/%d, and name its part too", missing[0], first.Shard.Of),
		}
	}
	return nil
}

// differs says what keeps two parts apart, and what to do about it.
func differs(a, b *Part) (what, cure string) {
	x, y := &a.Comparison, &b.Comparison
	switch {
	case a.Shard.Of != b.Shard.Of:
		return fmt.Sprintf("different numbers of shards, %d and %d", a.Shard.Of, b.Shard.Of), "give all of them the same N in --shard I/N"
	case x.Version != y.Version:
		return fmt.Sprintf("different versions of bulkhead, %.40q and %.40q", x.Version, y.Version), "run one version everywhere"
	case x.Base.Branch != y.Base.Branch:
		return fmt.Sprintf("different branches that the files stand for, %.60q and %.60q", x.Base.Branch, y.Base.Branch), "give --branch NAME to all of them"
	case x.Base != y.Base:
		return "different bases, " + x.Base.text() + " and " + y.Base.text(), "name the base by its commit: --base COMMIT"
	case x.Head != y.Head:
		return "different heads, " + x.Head.text() + " and " + y.Head.text(), "name the head by its commit: --head COMMIT"
	case x.Options != y.Options:
		return "different options", "give the same --cluster, --var, --source, --fetch and --decrypt flags to all of them"
	case !slices.Equal(x.Files, y.Files) || !same(x.Spokes, y.Spokes):
		return "different changed files", "compare the same two commits in all of them, with no file changed on disk"
	case x.Salt != y.Salt:
		return "marks of secrets that cannot be compared", "set BULKHEAD_SALT to the same secret in all of them"
	case !same(a.Documents, b.Documents):
		return "different gates or waivers", "compare the same two commits in all of them"
	}
	return "", ""
}

func (r *Revision) text() string { return fmt.Sprintf("%.80s (%.40s)", r.Label, r.Commit) }

func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
