package release

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	chart "helm.sh/helm/v4/pkg/chart/v2"
)

const maxMessage = 8 << 10

var ( // forms of Helm's messages
	executionAt = regexp.MustCompile(`^(?:execution|parse) error (?:at|in) \((.+?):(\d+)(?::\d+)?\): `)
	place       = regexp.MustCompile(`([^\s"'()<>]+):(\d+):(\d+)`)
	firstPlace  = regexp.MustCompile(`^(?:template: )?([^\s"'()<>]+):(\d+)(?::\d+)?(?:: |\n\s*)`)
	parsing     = regexp.MustCompile(`^(?:error merging \w+: parsing|YAML parse error on) ([^\s]+): `)
)

// failure makes a typed error of Helm's.
func (r *run) failure(err error) error {
	var own *Error
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.As(err, &own):
		return err
	case errors.Is(err, ErrLimit):
		return &Error{Stage: StageLimit, Message: err.Error()}
	}
	text := ordered(r.unmarked(err.Error()))
	e := &Error{Stage: StageTemplate, Message: text}
	switch {
	case strings.HasPrefix(text, "release name check failed"), strings.HasPrefix(text, "chart requires kubeVersion"):
		e.Stage = StageChart
	case strings.HasPrefix(text, "chart dependencies processing failed"), strings.HasPrefix(text, "values don't meet"),
		strings.HasPrefix(text, "type mismatch on"):
		e.Stage = StageValues
	case strings.HasPrefix(text, "error while running post render"), strings.HasPrefix(text, "error while parsing post rendered"),
		strings.HasPrefix(text, "unknown post-render strategy"), r.post.ran:
		e.Stage = StagePostRender
	}
	for _, form := range []*regexp.Regexp{executionAt, firstPlace} {
		if m := form.FindStringSubmatch(text); m != nil && e.Stage == StageTemplate {
			e.File, e.Message = m[1], text[len(m[0]):]
			e.Line, _ = strconv.Atoi(m[2])
			return e
		}
	}
	if m := parsing.FindStringSubmatch(text); m != nil {
		e.File, e.Message = m[1], "YAML parse error: "+text[len(m[0]):]
	}
	return e
}

// ordered sorts the findings of a check against a JSON schema, which come in any order: lines that begin with a dash, each
// with the more indented lines below it.
func ordered(text string) string {
	if !strings.HasPrefix(text, "values don't meet") {
		return text
	}
	return strings.Join(orderedLines(strings.Split(text, "\n")), "\n")
}

func orderedLines(lines []string) (out []string) {
	indent := func(s string) int { return len(s) - len(strings.TrimLeft(s, " ")) }
	for i := 0; i < len(lines); {
		if !strings.HasPrefix(strings.TrimLeft(lines[i], " "), "- ") {
			out = append(out, lines[i])
			i++
			continue
		}
		var blocks []string
		for level := indent(lines[i]); i < len(lines) && indent(lines[i]) == level && strings.HasPrefix(lines[i][level:], "- "); {
			end := i + 1
			for end < len(lines) && indent(lines[end]) > level {
				end++
			}
			block := append([]string{lines[i]}, orderedLines(lines[i+1:end])...)
			blocks = append(blocks, strings.Join(block, "\n"))
			i = end
		}
		slices.Sort(blocks)
		out = append(out, blocks...)
	}
	return out
}

// unmarked takes the marks out of a message, and moves columns back to where they are without them.
func (r *run) unmarked(text string) string {
	m := &r.loaded.marks
	end := strings.TrimPrefix(m.file, "_bf")
	paths := map[string]*instrumented{}
	r.paths(r.chart, paths)
	paths["gotpl"] = r.ranText(text)
	text = place.ReplaceAllStringFunc(text, func(s string) string {
		parts := place.FindStringSubmatch(s)
		t := paths[parts[1]]
		if t == nil {
			return s
		}
		line, _ := strconv.Atoi(parts[2])
		column, _ := strconv.Atoi(parts[3])
		return fmt.Sprintf("%s:%d:%d", parts[1], line, t.column(line, column))
	})
	text = regexp.MustCompile(`\{\{(?:- )?_b[ftel]`+end+`[^}]*\}\}`).ReplaceAllString(text, "")
	open := "(" + m.text + " "
	for {
		at := strings.Index(text, open)
		if at < 0 {
			return text
		}
		inner := text[at+len(open):]
		depth, stop := 1, -1
		for i := range len(inner) {
			switch inner[i] {
			case '(':
				depth++
			case ')':
				depth--
			}
			if depth == 0 {
				stop = i
				break
			}
		}
		if stop < 0 {
			text = text[:at] + inner
		} else {
			text = text[:at] + inner[:stop] + inner[stop+1:]
		}
	}
}

// ranText is the text that tpl ran when it failed, if the message shows one alone.
func (r *run) ranText(message string) (found *instrumented) {
	for _, t := range r.texts {
		if quoted := strconv.Quote(spliced(t.text, t.put)); len(t.put) > 0 && strings.Contains(message, quoted) {
			if found != nil {
				return nil
			}
			found = t
		}
	}
	return found
}

// paths finds the templates of a chart by the names that Helm gives them.
func (r *run) paths(c *chart.Chart, out map[string]*instrumented) {
	if c == nil {
		return
	}
	for _, f := range c.Templates {
		if t := r.loaded.inserted[f]; t != nil {
			out[path.Join(c.ChartFullPath(), f.Name)] = t
		}
	}
	for _, d := range c.Dependencies() {
		r.paths(d, out)
	}
}

// column is the column in the original text, in bytes from 0, of one in the text with marks.
func (t *instrumented) column(line, column int) int {
	start := 0 // of the line, in the original
	for range line - 1 {
		next := strings.IndexByte(t.text[start:], '\n')
		if next < 0 {
			return column
		}
		start += next + 1
	}
	before := 0 // length of what was put in before the place
	for _, i := range t.put {
		if i.at < start {
			continue
		}
		at := i.at - start + before // where it begins, in the line with marks
		if at >= column {
			break
		}
		if at+len(i.text) > column {
			return i.at - start
		}
		before += len(i.text)
	}
	return column - before
}

// redactor hides texts.
type redactor []string

const hidden = "[redacted]"

func (s redactor) text(text string) string {
	list := slices.Clone(s)
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	for _, secret := range list {
		if secret == "" {
			continue
		}
		quoted := strconv.Quote(secret)
		text = strings.ReplaceAll(text, secret, hidden)
		text = strings.ReplaceAll(text, quoted[1:len(quoted)-1], hidden)
	}
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return text
}

// error hides them in an error of this package. That of a context holds none.
func (s redactor) error(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	out := *e
	out.Message = s.text(out.Message)
	return &out
}

// note adds what the reader should know, and puts the notes in order.
func (o *Output) note(in *Input, l *loaded, hide redactor) {
	for _, n := range l.notes {
		if !in.Release.DisableSchemaValidation || !strings.HasPrefix(n, schemaFile) {
			o.Notes = append(o.Notes, n)
		}
	}
	if in.Release.PreserveValues && in.Release.Upgrade {
		o.Notes = append(o.Notes, "spec.upgrade.preserveValues: the values of the last release count too, and are not known")
	}
	for _, x := range o.all() {
		for _, name := range x.Unknowable {
			if lookup, ok := strings.CutPrefix(name, "lookup "); ok {
				o.Notes = append(o.Notes, fmt.Sprintf("%s looks up %s, taken not to exist", x.File, lookup))
			}
		}
	}
	for i := range o.Notes {
		o.Notes[i] = hide.text(o.Notes[i])
	}
	slices.Sort(o.Notes)
	o.Notes = slices.Compact(o.Notes)
}
