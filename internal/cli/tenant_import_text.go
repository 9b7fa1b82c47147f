package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/report/term"
)

// imported writes what was found for people.
func (s *streams) imported(d *TenantImportDocument) {
	if len(d.Tenants)+len(d.Documented)+len(d.LeftOut) == 0 {
		s.printf("no tenant found: nothing has the label toolkit.fluxcd.io/tenant, and no Kustomization applies another repository than this one\n")
		return
	}
	for _, f := range d.Files {
		if d.Written {
			s.printf("  new  %s\n", term.Safe(f.Path))
			continue
		}
		s.printf("%s\n", s.look(term.Bold, "# "+term.Safe(f.Path)))
		for line := range strings.Lines(f.Content) {
			s.printf("%s\n", term.Safe(strings.TrimRight(line, "\n")))
		}
		s.printf("---\n")
	}
	if len(d.Tenants) > 0 {
		s.importTable(d)
		for i := range d.Tenants {
			s.importedTenant(&d.Tenants[i])
		}
	}
	s.notImported(d, len(d.Files)+len(d.Tenants) > 0)
	switch {
	case len(d.Files) == 0:
	case d.Written:
		s.printf("\nNext:\n")
		s.printf("  git add fleet && git commit -m \"Documents of the tenants\"   # changes nothing on any cluster\n")
		s.printf("  remove the files of what is listed as renamed, differs and equal, and run bulkhead generate: its impact is what the table says\n")
		s.printf("  docs/how-to/adopt-existing-tenants.md tells how to hand over what is renamed without deleting it\n")
	default:
		s.printf("\nNothing is written. To write %s: bulkhead tenant import --write\n", phrase.Count(len(d.Files), "document"))
	}
}

// importTable is a line for each tenant.
func (s *streams) importTable(d *TenantImportDocument) {
	t := term.Table{{"TENANT", "CLUSTERS", "EQUAL", "DIFFERS", "RENAMED", "ONLY THERE", "NEW"}}
	for i := range d.Tenants {
		of, clusters := &d.Tenants[i], map[string]bool{}
		for _, o := range of.Objects {
			clusters[o.Cluster] = true
		}
		n := of.Counts
		t = append(t, []string{of.Name, shortList(sortedNames(clusters)), fmt.Sprint(n.Equal), fmt.Sprint(n.Differs), fmt.Sprint(n.Renamed), fmt.Sprint(n.Only), fmt.Sprint(n.New)})
	}
	s.printf("\n")
	t.Write(s.out, s.colour, nil)
}

// importedTenant lists the objects of a tenant that are not equal. What is alike on several clusters is listed once.
func (s *streams) importedTenant(t *ImportedTenant) {
	var order []string
	where, clusters := map[string][]string{}, map[string]bool{}
	for i := range t.Objects {
		o := &t.Objects[i]
		clusters[o.Cluster] = true
		if o.State == "equal" {
			continue
		}
		text := importedText(o)
		if where[text] == nil {
			order = append(order, text)
		}
		where[text] = append(where[text], o.Cluster)
	}
	s.printf("\n%s\n", s.look(term.Bold, term.Safe(t.Name)))
	for _, text := range order {
		head, rest, _ := strings.Cut(text, "\n")
		s.printf("  %s  %s\n", term.Safe(head), term.Safe(phrase.Where(where[text], len(clusters))))
		for line := range strings.Lines(rest) {
			s.printf("           %s\n", term.Safe(strings.TrimRight(line, "\n")))
		}
	}
	for _, n := range t.Notes {
		s.printf("  note     %s\n", term.Safe(n))
	}
}

// importedText is an object with what differs, a line each; the lines hold no line breaks of their own.
func importedText(o *ImportedObject) string {
	flat := func(text string) string { return strings.NewReplacer("\n", `\n`, "\r", `\r`).Replace(text) }
	id := o.There
	if id == nil {
		id = o.Generated
	}
	lines := []string{fmt.Sprintf("%-7s  %s", o.State, flat(id.String()))}
	if o.State == "renamed" {
		lines = append(lines, "to "+flat(o.Generated.String()))
	}
	if o.Why != "" {
		lines = append(lines, flat(o.Why))
	}
	for _, e := range o.Edits {
		switch from, to := importedValue(e.From), importedValue(e.To); e.Op {
		case object.Add:
			lines = append(lines, fmt.Sprintf("+ %s: %s", flat(e.Path.String()), to))
		case object.Remove:
			lines = append(lines, fmt.Sprintf("- %s: %s", flat(e.Path.String()), from))
		case object.Replace, object.Reorder:
			lines = append(lines, fmt.Sprintf("~ %s: %s -> %s", flat(e.Path.String()), from, to))
		}
	}
	return strings.Join(lines, "\n")
}

// importedValue is a value on one line.
func importedValue(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return phrase.Clip(strings.Trim(string(data), `"`), 100)
}

// notImported lists what has a document, and what was left out; below is true when something is written above it.
func (s *streams) notImported(d *TenantImportDocument, below bool) {
	gap := func() {
		if below {
			s.printf("\n")
		}
		below = true
	}
	if len(d.Documented) > 0 {
		gap()
		s.printf("has a document, and is left alone: %s\n", term.Safe(phrase.List(d.Documented, 20)))
	}
	if len(d.LeftOut) == 0 {
		return
	}
	gap()
	s.printf("%s\n", s.look(term.Bold, "left out"))
	for i := 0; i < len(d.LeftOut); {
		l, on := d.LeftOut[i], []string{}
		for ; i < len(d.LeftOut) && d.LeftOut[i].Name == l.Name && d.LeftOut[i].Why == l.Why; i++ {
			if c := d.LeftOut[i].Cluster; c != "" {
				on = append(on, c)
			}
		}
		where := ""
		if len(on) > 0 {
			where = "  " + phrase.Where(on, 0)
		}
		s.printf("  %s%s\n    %s\n", term.Safe(l.Name), term.Safe(where), term.Safe(l.Why))
		if l.Hint != "" {
			s.printf("    hint: %s\n", term.Safe(l.Hint))
		}
	}
}
