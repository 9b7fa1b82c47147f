package rule

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/tools/txtar"
)

// Sample is a change of the fleet of the samples: what is there beside its other files, or in place of one.
type Sample struct {
	// Rule is its ID.
	Rule string
	// Case tells several samples of a rule apart; "" for the first.
	Case string
	// Comment says what the sample shows.
	Comment string
	// Bad is what the rule finds, Good what it lets pass: paths to content. The first segment of a path is the repository: hub, billing or auth. What
	// is in both is in both.
	Bad, Good map[string]string
	// Before is the hub's side before the change, for the rules about a change; nil for the fleet as it is.
	Before map[string]string
}

//go:embed samples
var samples embed.FS

// Samples are all, sorted by rule and case. They are ours: what is wrong with one is a fault of the build, which TestSamples finds.
func Samples() ([]Sample, error) {
	names, err := fs.Glob(samples, "samples/*.txtar")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var out []Sample
	for _, name := range names {
		data, err := samples.ReadFile(name)
		if err != nil {
			return nil, err
		}
		s, err := readSample(strings.TrimSuffix(strings.TrimPrefix(name, "samples/"), ".txtar"), data)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		out = append(out, s)
	}
	return out, nil
}

// readSample takes a file apart: the rule's ID, with -CASE behind it, is its name.
func readSample(name string, data []byte) (Sample, error) {
	a := txtar.Parse(data)
	s := Sample{Rule: name, Comment: strings.TrimSpace(string(a.Comment)), Bad: map[string]string{}, Good: map[string]string{}}
	if parts := strings.SplitN(name, "-", 3); len(parts) == 3 {
		s.Rule, s.Case = parts[0]+"-"+parts[1], parts[2]
	}
	for _, f := range a.Files {
		side, p, ok := strings.Cut(f.Name, "/")
		switch {
		case ok && side == "bad":
			s.Bad[p] = string(f.Data)
		case ok && side == "good":
			s.Good[p] = string(f.Data)
		case ok && side == "both":
			s.Bad[p], s.Good[p] = string(f.Data), string(f.Data)
		case ok && side == "before":
			if s.Before == nil {
				s.Before = map[string]string{}
			}
			s.Before[p] = string(f.Data)
		default:
			return Sample{}, fmt.Errorf("%s is in none of bad/, good/, both/ and before/", f.Name)
		}
	}
	if len(s.Bad) == 0 {
		return Sample{}, fmt.Errorf("nothing is in bad/")
	}
	return s, nil
}

// Base is the fleet of the samples, as far as bulkhead does not make it: paths to content, as in [Sample].
func Base() (map[string]string, error) {
	data, err := samples.ReadFile("samples/base/base.txtar")
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, f := range txtar.Parse(data).Files {
		out[f.Name] = string(f.Data)
	}
	return out, nil
}
