package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/finding/baseline"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// knownFindings is a baseline and the file that it is in; nil for none.
type knownFindings struct {
	file  string
	write bool
	known *baseline.Baseline // nil when the file is to be made
	base  *baseline.Baseline // that of the revision before the change, which judges; nil for none
	old   []byte
}

// judgeBy makes the file of the revision before a change judge: a change does not say of itself what is known. A file that is not in the
// repository is none that the change could change.
func (k *knownFindings) judgeBy(base *snapshot, w *workspace, s *streams) error {
	if k == nil || base == nil {
		return nil
	}
	name, within := w.slash(k.file)
	if !within {
		return nil
	}
	k.base = baseline.Of(nil)
	data, err := base.tree.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("read the baseline %s in %s: %w", name, base.label(), err)
	default:
		if k.base, err = baseline.Decode(data); err != nil {
			return fmt.Errorf("read the baseline %s in %s: %w", name, base.label(), err)
		}
	}
	if n := k.known.Adds(k.base); n > 0 {
		s.note("%s of %s %s new in this change, and known only once merged", phrase.Count(n, "finding"), k.file, phrase.Verb(n, "is", "are"))
	}
	return nil
}

// readBaseline reads the file that the flags name; nil when they name none.
func (o *checkOptions) readBaseline() (*knownFindings, error) {
	k := &knownFindings{file: o.baseline, write: o.writeBaseline != ""}
	if k.write {
		k.file = o.writeBaseline
	}
	if k.file == "" {
		return nil, nil //nolint:nilnil // nothing is known, and nothing is wrong
	}
	data, err := os.ReadFile(k.file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && k.write:
		return k, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, hinted(fmt.Errorf("read the baseline %s: %w", k.file, cause(err)), "bulkhead check --write-baseline "+k.file+" writes it")
	case err != nil:
		return nil, fmt.Errorf("read the baseline %s: %w", k.file, cause(err))
	}
	if k.known, err = baseline.Decode(data); err != nil {
		return nil, hinted(fmt.Errorf("read the baseline %s: %w", k.file, err), "take it from Git again, or delete it and write a new one: bulkhead check --write-baseline "+k.file)
	}
	k.old = data
	return k, nil
}

// settle writes the file, if that is wanted: a new one of all findings, or what is left of an old one.
func (k *knownFindings) settle(findings []finding.Finding, keep func(cluster string) bool) error {
	if k == nil || !k.write {
		return nil
	}
	left := baseline.Of(findings)
	if k.known != nil {
		left = k.known.Shrink(findings, keep)
	} else {
		k.known = left
	}
	data, err := left.Encode()
	if err != nil {
		return fmt.Errorf("write %s: %w", k.file, err)
	}
	if k.old != nil && string(k.old) == string(data) {
		return nil
	}
	return replaceFile(k.file, data)
}

func (k *knownFindings) split(findings []finding.Finding) (known, others []finding.Finding) {
	if k == nil {
		return nil, findings
	}
	if k.base != nil {
		return k.base.Split(findings)
	}
	return k.known.Split(findings)
}

// gone are entries that are found no more.
func (k *knownFindings) gone(findings []finding.Finding) []baseline.Entry {
	return k.known.Gone(findings)
}
