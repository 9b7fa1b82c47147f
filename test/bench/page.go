package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The measured part of the page lies between these lines; all else is written by
// hand.
const (
	pageBegin = "<!-- measured: written by make bench BENCH_FLAGS=-write -->\n"
	pageEnd   = "<!-- end of what was measured -->\n"
)

// write puts the report into performance.md, between its marks, and performance.svg.
func (r report) write(dir string) error {
	path := filepath.Join(dir, "performance.md")
	page, err := os.ReadFile(path) //nolint:gosec // G304: the folder is a flag
	if err != nil {
		return err
	}
	text, err := replaceMeasured(string(page), r.markdown())
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	all, state := r.curves("impact: base", "impact: tenant")
	var names []string
	for _, p := range all[0].points {
		names = append(names, p.label)
	}
	if drawing := plot(all, "Impact, "+state+", of "+strings.Join(names, ", ")); drawing != "" {
		if err := os.WriteFile(filepath.Join(dir, "performance.svg"), []byte(drawing), 0o644); err != nil { //nolint:gosec // G306: a page of the docs
			return err
		}
	}
	return os.WriteFile(path, []byte(text), 0o644) //nolint:gosec // G306: a page of the docs
}

// replaceMeasured is a page with what is between the marks replaced.
func replaceMeasured(page, with string) (string, error) {
	before, rest, begins := strings.Cut(page, pageBegin)
	_, after, ends := strings.Cut(rest, pageEnd)
	if !begins || !ends {
		return "", fmt.Errorf("it has no lines %q and %q", strings.TrimSpace(pageBegin), strings.TrimSpace(pageEnd))
	}
	return before + pageBegin + with + pageEnd + after, nil
}

// markdown is the measured part of the page.
func (r report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nMeasured on %s.\n", r.Machine)
	for _, f := range r.Fleets {
		fmt.Fprintf(&b, "\n### %s\n\n", f)
		line(&b, heads())
		rule := []string{"---"}
		for range heads()[1:] {
			rule = append(rule, "---:")
		}
		line(&b, rule)
		for _, row := range f.rows() {
			line(&b, row)
		}
		b.WriteString("\n")
		for _, n := range f.notes() {
			fmt.Fprintf(&b, "- %s\n", n)
		}
	}
	b.WriteString("\n")
	return b.String()
}

// line writes a row of a Markdown table.
func line(b *strings.Builder, cells []string) {
	b.WriteString("|")
	for _, c := range cells {
		fmt.Fprintf(b, " %s |", strings.TrimPrefix(c, "|"))
	}
	b.WriteString("\n")
}
