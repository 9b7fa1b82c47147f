package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strconv"

	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/report/github"
	"github.com/bulkhead-dev/bulkhead/report/html"
	"github.com/bulkhead-dev/bulkhead/report/junit"
	"github.com/bulkhead-dev/bulkhead/report/markdown"
	"github.com/bulkhead-dev/bulkhead/report/sarif"
	"github.com/bulkhead-dev/bulkhead/report/term"
	"github.com/bulkhead-dev/bulkhead/report/text"
)

// impactFormats are the forms in which a review can be had; the first is the default.
func impactFormats() []string {
	return []string{"text", "json", "markdown", "html", "sarif", "junit", "github"}
}

// write writes a review in a format. Stat stops after the table, in the formats that have one.
func write(w io.Writer, format string, r *review.Review, colour term.Colour, stat bool) error {
	switch format {
	case "json":
		doc := *r
		if stat {
			doc.Details = nil
		}
		return writeJSON(w, &doc)
	case "markdown":
		return markdown.Write(w, r, markdown.Options{})
	case "html":
		return html.Write(w, r)
	case "sarif":
		return sarif.Write(w, sarif.Document{Version: version(), Rules: r.Rules, Findings: r.Findings, Anchor: anchor(r)})
	case "junit":
		return junit.Write(w, junit.Suites(r))
	case "github":
		return github.Write(w, r.Findings)
	default:
		return text.Write(w, r, text.Options{Colour: colour, Stat: stat})
	}
}

// anchor is a file of the repository for findings that are of none: GitHub refuses a log with a result that has
// no file.
func anchor(r *review.Review) string {
	if len(r.Files) > 0 {
		return r.Files[0]
	}
	return "README.md"
}

// writeJSON writes v as an indented document.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(&escaper{w: w})
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// writeJSONList writes v as writeJSON does, with items in its top-level list of that name, which is empty in v. They are
// written one by one.
func writeJSONList(w io.Writer, v any, name string, items iter.Seq[any]) error {
	var frame bytes.Buffer
	if err := writeJSON(&frame, v); err != nil {
		return err
	}
	head, tail, ok := bytes.Cut(frame.Bytes(), []byte("\n  "+strconv.Quote(name)+": []")) // text has no bare line breaks
	if !ok {
		return fmt.Errorf("write the document: there is no empty list %s", name)
	}
	out := bufio.NewWriterSize(w, 1<<16)
	_, _ = fmt.Fprintf(out, "%s\n  %q: [", head, name) // Flush gives the error
	var item bytes.Buffer
	enc := json.NewEncoder(&escaper{w: &item})
	enc.SetEscapeHTML(false)
	enc.SetIndent("    ", "  ")
	end := "]"
	for it := range items {
		item.Reset()
		if err := enc.Encode(it); err != nil {
			return err
		}
		if end != "]" {
			_ = out.WriteByte(',')
		}
		end = "\n  ]"
		_, _ = out.WriteString("\n    ")
		if _, err := out.Write(bytes.TrimSuffix(item.Bytes(), []byte("\n"))); err != nil {
			return err
		}
	}
	_, _ = out.WriteString(end)
	_, _ = out.Write(tail)
	return out.Flush()
}

// version is that of the program.
func version() string { return cmp.Or(Version, "devel") }

// explain writes why objects change, and all that the review says of them.
func (s *streams) explain(r *review.Review, objects []string, format string) error {
	var found []review.Explanation
	for _, name := range objects {
		e, err := r.Explain(name)
		if err != nil {
			return hinted(fmt.Errorf("explain %s: %w", name, err), near(name, r.Objects()))
		}
		found = append(found, e)
	}
	if format == "json" {
		return s.json(found)
	}
	if format != "text" {
		return usage("--explain has no output format "+term.Quote(format), "use -o text or -o json")
	}
	for i := range found {
		if i > 0 {
			s.printf("\n")
		}
		if err := text.Explain(s.out, &found[i], text.Options{Colour: s.colour}); err != nil {
			return err
		}
	}
	return nil
}
