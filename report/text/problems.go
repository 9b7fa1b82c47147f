package text

import (
	"fmt"
	"io"
	"slices"

	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/report/term"
)

// Fold puts equal things of several clusters together, in the order of their first one. Key tells what
// is equal, cluster where it is.
func Fold[T any, K comparable](list []T, key func(T) K, cluster func(T) string) (firsts []T, clusters map[K][]string, all map[K][]T) {
	clusters, all = map[K][]string{}, map[K][]T{}
	for _, x := range list {
		k := key(x)
		if len(all[k]) == 0 {
			firsts = append(firsts, x)
		}
		all[k] = append(all[k], x)
		if c := cluster(x); len(clusters[k]) == 0 || clusters[k][len(clusters[k])-1] != c && !slices.Contains(clusters[k], c) {
			clusters[k] = append(clusters[k], c)
		}
	}
	return firsts, clusters, all
}

// Failures writes failures below a title, equal ones of several of a fleet's clusters once; nothing for none.
func Failures(w io.Writer, c term.Colour, title string, list []render.Failure, clusters int) {
	if len(list) == 0 {
		return
	}
	alike := func(f render.Failure) render.Failure { f.Cluster = ""; return f }
	firsts, on, _ := Fold(list, alike, func(f render.Failure) string { return f.Cluster })
	_, _ = fmt.Fprintf(w, "\n%s\n", c.Look(term.Red, title))
	for _, f := range firsts {
		file := ""
		if f.File != "" {
			file = "  " + term.Safe(f.File)
			if f.Line > 0 {
				file += fmt.Sprintf(":%d", f.Line)
			}
		}
		_, _ = fmt.Fprintf(w, "  %s  %s%s  %s\n", term.Safe(f.Applier.String()), term.Safe(f.Stage), file, term.Safe(phrase.Where(on[alike(f)], clusters)))
		_, _ = fmt.Fprintf(w, "    %s\n", term.Safe(f.Message))
		if f.Hint != "" {
			_, _ = fmt.Fprintf(w, "    hint: %s\n", term.Safe(f.Hint))
		}
	}
}

// Unresolved writes what is not known, by reason; nothing for none. A summary counts where there are many, and
// has no hints.
func Unresolved(w io.Writer, c term.Colour, list []render.Unresolved, clusters int, summary bool) {
	if len(list) == 0 {
		return
	}
	type alike struct{ kind, reason string }
	key := func(u render.Unresolved) alike { return alike{u.Kind, u.Reason} }
	firsts, on, members := Fold(list, key, func(u render.Unresolved) string { return u.Cluster })
	_, _ = fmt.Fprintf(w, "\n%s\n", c.Look(term.Yellow, "unresolved"))
	for _, u := range firsts {
		subjects, hints := oneEach(members[key(u)])
		where := term.Safe(phrase.Where(on[key(u)], clusters))
		if summary {
			text := fmt.Sprintf("%d of them", len(subjects))
			if len(subjects) <= 2 {
				text = term.Safe(phrase.List(subjects, 2))
			}
			_, _ = fmt.Fprintf(w, "  %s  %s: %s  %s\n", term.Safe(u.Kind), term.Safe(u.Reason), text, where)
			continue
		}
		_, _ = fmt.Fprintf(w, "  %s  %s  %s\n    %s\n", term.Safe(u.Kind), term.Safe(u.Reason), where, term.Safe(phrase.List(subjects, 8)))
		if len(hints) > 0 {
			more := ""
			if len(hints) > 1 {
				more = ", and so on"
			}
			_, _ = fmt.Fprintf(w, "    hint: %s%s\n", term.Safe(hints[0]), more)
		}
	}
}

// oneEach are the subjects and the hints, each once, in order.
func oneEach(list []render.Unresolved) (subjects, hints []string) {
	seen, told := map[string]bool{}, map[string]bool{"": true}
	for _, u := range list {
		if !seen[u.Subject] {
			seen[u.Subject] = true
			subjects = append(subjects, u.Subject)
		}
		if !told[u.Hint] {
			told[u.Hint] = true
			hints = append(hints, u.Hint)
		}
	}
	return subjects, hints
}
