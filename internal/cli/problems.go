package cli

import (
	"fmt"
	"slices"

	"github.com/bulkhead-dev/bulkhead/render"
)

// where lists clusters: "on prod", "on 2 clusters: a, b", "on all 4 clusters".
func where(clusters []string, all int) string {
	switch {
	case len(clusters) == 1:
		return "on " + safe(clusters[0])
	case len(clusters) == all && all > 3:
		return fmt.Sprintf("on all %d clusters", all)
	}
	return fmt.Sprintf("on %d clusters: %s", len(clusters), names(clusters, 6))
}

// fold puts equal things of several clusters together, in the order of their
// first one. key tells what is equal, cluster where it is.
func fold[T any, K comparable](list []T, key func(T) K, cluster func(T) string) (firsts []T, clusters map[K][]string, all map[K][]T) {
	clusters, all = map[K][]string{}, map[K][]T{}
	for _, x := range list {
		k := key(x)
		if len(all[k]) == 0 {
			firsts = append(firsts, x)
		}
		all[k] = append(all[k], x)
		if !slices.Contains(clusters[k], cluster(x)) {
			clusters[k] = append(clusters[k], cluster(x))
		}
	}
	return firsts, clusters, all
}

// failures writes failures, equal ones of several clusters once.
func (s *streams) failures(title string, list []render.Failure, all int) {
	if len(list) == 0 {
		return
	}
	alike := func(f render.Failure) render.Failure { f.Cluster = ""; return f }
	firsts, clusters, _ := fold(list, alike, func(f render.Failure) string { return f.Cluster })
	s.printf("\n%s\n", s.look(red, title))
	for _, f := range firsts {
		file := ""
		if f.File != "" {
			file = "  " + safe(f.File)
			if f.Line > 0 {
				file += fmt.Sprintf(":%d", f.Line)
			}
		}
		s.printf("  %s  %s%s  %s\n", safe(f.Applier.String()), safe(f.Stage), file, where(clusters[alike(f)], all))
		s.printf("    %s\n", safe(f.Message))
		if f.Hint != "" {
			s.printf("    hint: %s\n", safe(f.Hint))
		}
	}
}

// unresolved writes what is not known, by reason. A summary counts where there
// are many, and has no hints.
func (s *streams) unresolved(list []render.Unresolved, all int, summary bool) {
	if len(list) == 0 {
		return
	}
	type alike struct{ kind, reason string }
	key := func(u render.Unresolved) alike { return alike{u.Kind, u.Reason} }
	firsts, clusters, members := fold(list, key, func(u render.Unresolved) string { return u.Cluster })
	s.printf("\n%s\n", s.look(yellow, "unresolved"))
	for _, u := range firsts {
		var subjects, hints []string
		for _, m := range members[key(u)] {
			subjects = appendNew(subjects, m.Subject)
			hints = appendNew(hints, m.Hint)
		}
		on := where(clusters[key(u)], all)
		if summary {
			text := fmt.Sprintf("%d of them", len(subjects))
			if len(subjects) <= 2 {
				text = names(subjects, 2)
			}
			s.printf("  %s  %s: %s  %s\n", safe(u.Kind), safe(u.Reason), text, on)
			continue
		}
		s.printf("  %s  %s  %s\n    %s\n", safe(u.Kind), safe(u.Reason), on, names(subjects, 8))
		if len(hints) > 0 {
			more := ""
			if len(hints) > 1 {
				more = ", and so on"
			}
			s.printf("    hint: %s%s\n", safe(hints[0]), more)
		}
	}
}

// appendNew appends text unless it is empty or there already.
func appendNew(list []string, text string) []string {
	if text == "" || slices.Contains(list, text) {
		return list
	}
	return append(list, text)
}
