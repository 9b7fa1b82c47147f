// Package baseline holds the findings that were there when a check was adopted.
//
// It turns findings into a [Baseline], and tells known findings from new ones by it. Its invariant: a baseline only shrinks. Start at [Of].
package baseline

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
)

// Schema is the first line's word for the form of the file.
const Schema = "bulkhead.dev/baseline/v1"

// Entry is a line of the file: findings that are alike on some clusters.
type Entry struct {
	// Fingerprint of the finding without its clusters.
	Fingerprint string `json:"fingerprint"`
	Rule        string `json:"rule"`
	Object      string `json:"object,omitempty"`
	Concern     string `json:"concern,omitempty"`
	// Clusters, sorted; empty for the fleet as a whole.
	Clusters []string `json:"clusters"`
	// Count of such findings on each of the clusters when there are several; 0 stands for one.
	Count int `json:"count,omitempty"`
}

// Baseline is known findings; [Of] no findings knows none.
type Baseline struct {
	items map[string]*item
	print func(*finding.Finding) string // what tells findings apart
}

// item is findings with the same fingerprint: how many there are on each cluster, "" for the fleet as a whole.
type item struct {
	rule, object, concern string
	at                    map[string]int
}

// fingerprint of a finding wherever it is.
func fingerprint(f *finding.Finding) string {
	one := *f
	one.Clusters = nil
	return one.Fingerprint()
}

// exact tells findings apart by what they say, too.
func exact(f *finding.Finding) string {
	return fingerprint(f) + " " + string(f.Level) + " " + string(f.Severity) + " " + f.Message
}

// clustersOf a finding, "" for the fleet as a whole.
func clustersOf(f *finding.Finding) []string {
	if len(f.Clusters) == 0 {
		return []string{""}
	}
	return f.Clusters
}

// Of is the baseline of the open findings.
func Of(findings []finding.Finding) *Baseline { return of(findings, fingerprint) }

// Before is the open findings before a change. It tells more findings from known ones than [Of] does: what says something else than before, or is worse, is
// not known. It is not to be kept in a file.
func Before(findings []finding.Finding) *Baseline { return of(findings, exact) }

func of(findings []finding.Finding, fingerprint func(*finding.Finding) string) *Baseline {
	b := &Baseline{items: map[string]*item{}, print: fingerprint}
	for i := range findings {
		f := &findings[i]
		if !f.Open() {
			continue
		}
		print := fingerprint(f)
		it := b.items[print]
		if it == nil {
			it = &item{rule: f.Rule, concern: f.Concern, at: map[string]int{}}
			if f.Object != nil {
				it.object = f.Object.String()
			}
			b.items[print] = it
		}
		for _, c := range clustersOf(f) {
			it.at[c]++
		}
	}
	return b
}

// Shrink is what is left of b: what is still found. Where keep says so of a cluster ("" for the fleet as a whole), what is not found is left, too: it may
// only not have been seen. Nothing is ever added.
func (b *Baseline) Shrink(findings []finding.Finding, keep func(cluster string) bool) *Baseline {
	now, out := of(findings, b.print), &Baseline{items: map[string]*item{}, print: b.print}
	for print, it := range b.items {
		left := &item{rule: it.rule, object: it.object, concern: it.concern, at: map[string]int{}}
		for c, n := range it.at {
			have := now.at(print, c)
			if keep != nil && keep(c) {
				have = n
			}
			if n = min(n, have); n > 0 {
				left.at[c] = n
			}
		}
		if len(left.at) > 0 {
			out.items[print] = left
		}
	}
	return out
}

func (b *Baseline) at(print, cluster string) int {
	if it := b.items[print]; it != nil {
		return it.at[cluster]
	}
	return 0
}

// Split tells findings that are known from the others, each in their order. A finding that is known on some of its clusters becomes two. Where there are
// more of a kind than are known, none is known: it cannot be told which one is new. What is waived is not looked at, and is among the others.
func (b *Baseline) Split(findings []finding.Finding) (known, others []finding.Finding) {
	now := of(findings, b.print)
	for i := range findings {
		f := &findings[i]
		if !f.Open() {
			others = append(others, *f)
			continue
		}
		print := b.print(f)
		var in, out []string
		for _, c := range clustersOf(f) {
			if now.at(print, c) <= b.at(print, c) {
				in = append(in, c)
			} else {
				out = append(out, c)
			}
		}
		add := func(to *[]finding.Finding, clusters []string) {
			if len(clusters) == 0 {
				return
			}
			part := *f
			if len(f.Clusters) > 0 {
				part.Clusters = clusters
			}
			*to = append(*to, part)
		}
		add(&known, in)
		add(&others, out)
	}
	return known, others
}

// Gone are the entries of b, or parts of them, that are found no more.
func (b *Baseline) Gone(findings []finding.Finding) []Entry {
	now, out := of(findings, b.print), &Baseline{items: map[string]*item{}, print: b.print}
	for print, it := range b.items {
		left := &item{rule: it.rule, object: it.object, concern: it.concern, at: map[string]int{}}
		for c, n := range it.at {
			if n -= now.at(print, c); n > 0 {
				left.at[c] = n
			}
		}
		if len(left.at) > 0 {
			out.items[print] = left
		}
	}
	return out.Entries()
}

// Adds is how many findings b knows, each on each of its clusters, that before does not.
func (b *Baseline) Adds(before *Baseline) (more int) {
	for print, it := range b.items {
		for c, n := range it.at {
			more += max(0, n-before.at(print, c))
		}
	}
	return more
}

// Entries of b, sorted by rule, object, concern, fingerprint and count.
func (b *Baseline) Entries() []Entry {
	out := []Entry{}
	for _, print := range slices.Sorted(maps.Keys(b.items)) {
		it := b.items[print]
		by := map[int][]string{}
		for _, c := range slices.Sorted(maps.Keys(it.at)) {
			if n := it.at[c]; c != "" {
				by[n] = append(by[n], c)
			} else {
				out = append(out, Entry{Fingerprint: print, Rule: it.rule, Object: it.object, Concern: it.concern, Clusters: []string{}, Count: several(n)})
			}
		}
		for n, clusters := range by {
			out = append(out, Entry{Fingerprint: print, Rule: it.rule, Object: it.object, Concern: it.concern, Clusters: clusters, Count: several(n)})
		}
	}
	slices.SortFunc(out, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Object, b.Object), cmp.Compare(a.Concern, b.Concern), cmp.Compare(a.Fingerprint, b.Fingerprint),
			cmp.Compare(a.Count, b.Count), cmp.Compare(len(a.Clusters), len(b.Clusters)))
	})
	return out
}

func several(n int) int {
	if n == 1 {
		return 0
	}
	return n
}

// header is the first line.
type header struct {
	Baseline string `json:"baseline"`
}

// Encode is the file: a line that names its form, then one of JSON for each entry.
func (b *Baseline) Encode() ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(header{Schema}); err != nil {
		return nil, err
	}
	for _, e := range b.Entries() {
		if err := enc.Encode(e); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

// Decode reads what [Baseline.Encode] writes. Entries for the same finding, as a merge may leave them, count once. The error names the line.
func Decode(data []byte) (*Baseline, error) {
	b := &Baseline{items: map[string]*item{}, print: fingerprint}
	first := true
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		if strings.TrimSpace(line) == "" {
			continue
		}
		if first {
			var h header
			if err := strict(line, &h); err != nil || h.Baseline != Schema {
				return nil, fmt.Errorf("line %d: want {\"baseline\":%q}", n, Schema)
			}
			first = false
			continue
		}
		var e Entry
		if err := strict(line, &e); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if e.Fingerprint == "" || e.Rule == "" || e.Count < 0 {
			return nil, fmt.Errorf("line %d: an entry has a fingerprint and a rule, and no negative count", n)
		}
		b.put(&e)
	}
	if first {
		return nil, errors.New("the file is empty")
	}
	return b, nil
}

func strict(line string, into any) error {
	dec := json.NewDecoder(strings.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return errors.New("it is no entry of a baseline: " + err.Error())
	}
	if dec.More() {
		return errors.New("there is more than one entry on it")
	}
	return nil
}

func (b *Baseline) put(e *Entry) {
	it := b.items[e.Fingerprint]
	if it == nil {
		it = &item{rule: e.Rule, object: e.Object, concern: e.Concern, at: map[string]int{}}
		b.items[e.Fingerprint] = it
	}
	clusters := e.Clusters
	if len(clusters) == 0 {
		clusters = []string{""}
	}
	for _, c := range clusters {
		it.at[c] = max(it.at[c], max(e.Count, 1))
	}
}
