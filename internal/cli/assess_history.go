package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/bulkhead-dev/bulkhead/impact/history"
	"github.com/bulkhead-dev/bulkhead/internal/git"
	"github.com/bulkhead-dev/bulkhead/internal/memory"
	"github.com/bulkhead-dev/bulkhead/render"
)

// assessHistory compares commits with those before them, the oldest first, so that each finds the builds of the one before.
func (f *fleet) assessHistory(ctx context.Context, o *assessOptions, d *AssessDocument) error {
	steps, err := f.steps(ctx, o, &d.History)
	if err != nil {
		return err
	}
	f.twoSided = true
	w := &walk{fleet: f}
	var found []history.Commit
	for i, step := range slices.Backward(steps) {
		f.s.doing = fmt.Sprintf("commit %d/%d: ", len(steps)-i, len(steps))
		c, err := w.compare(ctx, step)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			d.History.Unanswered = append(d.History.Unanswered, UnansweredCommit{step.Commit.Hash, step.Subject, reason(err)})
		default:
			found = append(found, c)
			d.History.Commits = append(d.History.Commits, AssessedCommit{step.Commit.Hash, step.Subject, step.Commit.Time.UTC(), c})
		}
	}
	f.s.doing = ""
	slices.Reverse(d.History.Commits)
	slices.Reverse(d.History.Unanswered)
	d.History.Figures = history.Sum(found)
	return nil
}

// reason is why a commit could not be compared.
func reason(err error) string {
	if errors.Is(err, render.ErrNoClusters) {
		return "no cluster starts in it, nor in the commit before"
	}
	if hint := hintOf(err); hint != "" {
		return err.Error() + "; " + hint
	}
	return err.Error()
}

// steps are the commits to compare, the newest first. Why they are fewer than were asked for is noted.
func (f *fleet) steps(ctx context.Context, o *assessOptions, h *AssessedHistory) ([]git.Step, error) {
	if f.repo == nil {
		h.Note = "this is a plain folder, without history"
		return nil, nil
	}
	if len(o.commits) > 0 {
		return f.named(ctx, o.commits, h)
	}
	if o.most == 0 {
		h.Note = "none was asked for: --commits 0"
		return nil, nil
	}
	rev := o.rev
	if rev == "" {
		rev = "HEAD"
	}
	steps, err := f.repo.History(ctx, rev, o.most)
	if unknown := (*git.UnknownRevisionError)(nil); errors.As(err, &unknown) && o.rev == "" {
		h.Note = "the repository has no commit yet"
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if n := len(steps) - 1; steps[n].Before == nil {
		h.Note = "that is all there is but for the first commit, which is compared with nothing"
		if steps[n].Cut {
			h.Note = "the clone is shallow, so history ends at " + steps[n].Commit.Hash[:10] + "; get the rest: git fetch --unshallow"
		}
		steps = steps[:n]
	}
	return steps, nil
}

// named are the commits of --commit.
func (f *fleet) named(ctx context.Context, revs []string, h *AssessedHistory) (out []git.Step, err error) {
	h.Asked = len(revs)
	for _, rev := range revs {
		s, err := f.repo.Step(ctx, rev)
		if err != nil {
			return nil, err
		}
		if s.Before == nil {
			why := "it is the first commit: there is none before it"
			if s.Cut {
				why = "the clone is shallow and does not have its parent; get it with: git fetch --unshallow"
			}
			h.Unanswered = append(h.Unanswered, UnansweredCommit{s.Commit.Hash, s.Subject, why})
			continue
		}
		out = append(out, s)
	}
	slices.Reverse(h.Unanswered)
	return out, nil
}

// keptBuilds is the memory in use, in bytes, from which on the builds of earlier commits are dropped: those that are needed again come
// from the store, or are made again.
const keptBuilds = 384 << 20

// walk compares one commit after the other.
type walk struct {
	*fleet
	last   *render.Result // of commit; nil when it cannot stand for what is before the next one
	commit string
}

// compare renders a commit and the one before it. What is the same in both is recalled, where there is a store; without one the
// render of the last commit stands for what is before the next.
func (w *walk) compare(ctx context.Context, step git.Step) (c history.Commit, err error) {
	before, after := &snapshot{tree: step.Before.Tree, commit: step.Before.Hash}, &snapshot{tree: step.Commit.Tree, commit: step.Commit.Hash}
	files, err := changedFiles(before.tree, after.tree)
	if err != nil {
		return c, fmt.Errorf("compare the files: %w", err)
	}
	var beside *snapshot
	if w.store != nil && len(w.render.Sources) == 0 {
		beside = after
	}
	if memory.Alive() > keptBuilds {
		w.render.Cache, w.last = &render.Cache{Store: w.render.Cache.Store, Engine: w.render.Cache.Engine}, nil
	}
	a, b, err := w.both(ctx, before, after, beside)
	if errors.Is(err, render.ErrEntangled) {
		a, b, err = w.both(ctx, before, after, nil)
	}
	if err != nil {
		return c, err
	}
	docs, err := render.Documents(after.tree)
	if err != nil {
		return c, err
	}
	return history.Of(history.Version{Rendered: a, Tree: before.tree}, history.Version{Rendered: b, Tree: after.tree}, files, docs), nil
}

// both renders a commit and the one before it; one of them may be without clusters.
func (w *walk) both(ctx context.Context, before, after, beside *snapshot) (a, b *render.Result, err error) {
	none := func(err error) bool { return errors.Is(err, render.ErrNoClusters) }
	a, errA := w.last, error(nil)
	if w.last == nil || w.commit != before.commit {
		w.beside = beside
		a, errA = w.at(ctx, before, nil)
		w.beside = nil
	}
	w.last = nil
	if errA != nil && !none(errA) {
		return nil, nil, fmt.Errorf("in the commit before: %w", errA)
	}
	b, errB := w.at(ctx, after, a)
	if errB != nil && (!none(errB) || errA != nil) {
		return nil, nil, errB
	}
	if beside == nil && b != nil && !carried(a, b) {
		w.last, w.commit = b, after.commit
	}
	return a, b, nil
}

// carried reports whether a cluster of b is there only because a has it.
func carried(a, b *render.Result) bool {
	return a != nil && slices.ContainsFunc(b.Entries, func(e *render.Entry) bool { return slices.Contains(a.Entries, e) })
}
