package sops

import (
	"fmt"
	"regexp/syntax"
	"time"

	"github.com/getsops/sops/v3"
)

// checkWork is for decrypting: the engine compiles the metadata's regular
// expression for each element of the path of each value, or for each comment that
// counts for it.
func checkWork(tree sops.Tree, to Format) error {
	m := tree.Metadata
	var w workload
	for _, branch := range tree.Branches {
		if err := w.branch(branch, 0, 0); err != nil {
			return err
		}
	}
	cost := 0
	for expression, times := range map[string]int{
		m.EncryptedRegex + m.UnencryptedRegex:               w.keys, // one of them at most is set
		m.EncryptedCommentRegex + m.UnencryptedCommentRegex: w.comments + w.leaves,
	} {
		n, err := instructions(expression)
		if err != nil {
			return err
		}
		if n > 0 && times > maxMatch/n {
			return fmt.Errorf("%w: its regular expression is too much work", ErrTooLarge)
		}
		cost += n * times
	}
	if cost > maxMatch {
		return fmt.Errorf("%w: its regular expression is too much work", ErrTooLarge)
	}
	return checkOutput(tree.Branches, to)
}

// instructions is how long the program of a regular expression is; 0 for none and
// for what is none.
func instructions(expression string) (int, error) {
	if expression == "" {
		return 0, nil
	}
	if len(expression) > 10_000 {
		return 0, fmt.Errorf("%w: its regular expression is too long", ErrTooLarge)
	}
	parsed, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return len(expression), nil //nolint:nilerr // the engine takes it for one that never matches
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return len(expression), nil //nolint:nilerr // the same
	}
	return len(program.Inst) + len(expression), nil
}

// workload counts what the regular expressions are tried on.
type workload struct {
	leaves   int // values and comments
	keys     int // elements of paths, over all leaves
	comments int // comments that count for a leaf, over all leaves
}

// branch goes over a mapping as the engine does: depth is the length of the path,
// above are the comments that count from outside.
//
// Source: sops v3.13.2 sops.go walkBranch and walkSlice.
func (w *workload) branch(in sops.TreeBranch, depth, above int) error {
	active := 0
	for _, item := range in {
		if _, ok := item.Key.(sops.Comment); ok {
			active++
			if err := w.value(item.Key, depth, above+active); err != nil {
				return err
			}
			continue
		}
		if err := w.value(item.Value, depth+1, above+active); err != nil {
			return err
		}
		active = 0
	}
	return nil
}

func (w *workload) value(in any, depth, above int) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: it nests too deep", ErrTooLarge)
	}
	switch in := in.(type) {
	case sops.TreeBranch:
		return w.branch(in, depth, above)
	case []any:
		active := 0
		for _, v := range in {
			_, comment := v.(sops.Comment)
			if comment {
				active++
			}
			if err := w.value(v, depth, above+active); err != nil {
				return err
			}
			if !comment {
				active = 0
			}
		}
	case nil:
	default:
		w.leaves++
		w.keys += depth
		w.comments += above
	}
	return nil
}

// checkOutput is for writing the plain text: YAML and JSON indent by depth, and the
// writer of JSON copies a list or mapping for each of its elements.
func checkOutput(branches sops.TreeBranches, to Format) error {
	if to != YAML && to != JSON {
		return nil
	}
	var e emission
	for _, branch := range branches {
		e.value(branch, 1)
	}
	if e.indented > maxOut || to == JSON && e.copied > maxCopied {
		return fmt.Errorf("%w: the plain text would be", ErrTooLarge)
	}
	return nil
}

type emission struct {
	indented int // bytes of the output
	copied   int // bytes copied on the way
}

// value adds up what writing in costs and gives its own length in bytes.
func (e *emission) value(in any, depth int) int {
	const indent, quotes = 4, 8
	size, items := 0, 0
	switch in := in.(type) {
	case sops.TreeBranch:
		for _, item := range in {
			if key, ok := item.Key.(string); ok {
				size += len(key)
				e.indented += len(key)
			}
			size += e.value(item.Value, depth+1) + quotes
		}
		items = len(in)
	case []any:
		for _, v := range in {
			size += e.value(v, depth+1) + quotes
		}
		items = len(in)
	default:
		size = leaf(in)
		e.indented += size
	}
	e.indented += depth*indent + quotes
	e.copied += items * size / 2
	return size
}

// leaf is the length of a value, roughly.
func leaf(in any) int {
	switch in := in.(type) {
	case string:
		return len(in)
	case []byte:
		return len(in)
	case sops.Comment:
		return len(in.Value)
	case time.Time:
		return len(time.RFC3339)
	}
	return 8
}
